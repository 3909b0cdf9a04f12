"""The quality picture: inter-repeat correlation on the flattened cortex, and its distribution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import TriMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from neurons.artifacts import atomic
from neurons.preprocess import atlas

LABELLED = tuple(
    ["V1", "V2", "V3", "V4", "V3A", "MT", "MST", "LO1", "PIT", "FFC", "VVC", "PHA3", "IPS1", "A1", "4", "46"]
)
FADE_R = (0.04, 0.12)
"""Correlations fade into the grey of the cortex between these values."""

GREY, INK = "#8a8f98", "#1f2430"
COLOURS = "inferno"


def draw(path: Path, subject: str, vertices: pd.DataFrame) -> None:
    """Draw the picture of one subject; the same table gives the same bytes.

    Parameters
    ----------
    path
        PNG to write.
    subject
        For the title.
    vertices
        Selection table of all cortical vertices in order: `r`, `selected`, `constant`.
    """
    figure = Figure(figsize=(11, 6.6), facecolor="white")
    FigureCanvasAgg(figure)
    r = vertices["r"].to_numpy()
    norm = Normalize(0, max(0.1, float(np.percentile(r, 99.5))))
    left = figure.add_axes((0.0, 0.33, 0.49, 0.58))
    right = figure.add_axes((0.5, 0.33, 0.49, 0.58))
    for axes, side, corner in ((left, "L", 0.12), (right, "R", 0.88)):
        _flat_map(axes, r, norm, side)
        title = {"L": "left hemisphere", "R": "right hemisphere"}[side]
        axes.text(corner, 0.02, title, transform=axes.transAxes, color=GREY, fontsize=9, ha="center")
    scale = figure.add_axes((0.4, 0.345, 0.2, 0.014))
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), cax=scale, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2, colors=INK)
    bar.set_label("correlation between repeats (mean over training movies)", fontsize=8, color=INK)
    _histogram(figure.add_axes((0.08, 0.075, 0.87, 0.155)), vertices)
    share = vertices["selected"].mean()
    figure.suptitle(
        f"{subject}: {vertices['selected'].sum():,} of {len(vertices):,} cortical vertices selected ({share:.1%})",
        fontsize=13, color=INK, y=0.975,
    )  # fmt: skip
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def _flat_map(axes: Axes, r: np.ndarray, norm: Normalize, side: str) -> None:
    points, triangles = atlas.surface("flat", side)
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    mesh = TriMesh(Triangulation(x, y, triangles))
    mesh.set_facecolor(_colours(atlas.to_mesh(r, side, fill=0.0), atlas.sulcal_depth(side), norm))
    axes.add_collection(mesh)
    names = np.full(atlas.MESH_VERTICES, "", dtype=object)
    names[atlas.mesh_vertices()["LR".index(side)]] = atlas.areas()[atlas.LEFT if side == "L" else atlas.RIGHT]
    used = np.zeros(atlas.MESH_VERTICES, dtype=bool)
    used[triangles] = True
    for area in LABELLED:
        inside = names == f"{side}_{area}"
        border = {"levels": [0.5], "colors": "white", "linewidths": 0.7}
        axes.tricontour(x, y, triangles, inside.astype(np.float64), **border)
        where = inside & used
        axes.text(
            np.median(x[where]), np.median(y[where]), area, ha="center", va="center", fontsize=6.5, color="white",
            bbox={"boxstyle": "round,pad=0.12", "facecolor": INK, "edgecolor": "none", "alpha": 0.45},
        )  # fmt: skip
    axes.set_xlim(x[used].min() - 3, x[used].max() + 3)
    axes.set_ylim(y[used].min() - 3, y[used].max() + 3)
    axes.set_aspect("equal")
    axes.axis("off")


def _colours(r: np.ndarray, sulcal_depth: np.ndarray, norm: Normalize) -> np.ndarray:
    """RGBA per mesh vertex: the correlation's colour over grey folds (gyri light, sulci dark)."""
    grey = 0.62 + 0.14 * np.clip(sulcal_depth, -1, 1)[:, None] * np.ones(3)
    colour = ScalarMappable(norm, COLOURS).to_rgba(r)[:, :3]
    strength = np.clip((r - FADE_R[0]) / (FADE_R[1] - FADE_R[0]), 0, 1)[:, None]
    return np.hstack([(1 - strength) * grey + strength * colour, np.ones((len(r), 1))])


def _histogram(axes: Axes, vertices: pd.DataFrame) -> None:
    visual = np.logical_or.reduce([atlas.visual_group(group) for group in atlas.VISUAL_AREAS])
    usable = ~vertices["constant"].to_numpy()
    r = vertices["r"].to_numpy()
    bins = np.linspace(min(-0.1, float(r.min())), max(0.2, float(r.max())), 121).tolist()
    layers = (
        ("not visual", usable & ~visual, "#b9bec6"),
        ("visual areas", usable & visual, "#e0622f"),
        ("selected", vertices["selected"].to_numpy(), INK),
    )
    for label, members, colour in layers:
        style = {"histtype": "step", "linewidth": 1.3} if label == "selected" else {"alpha": 0.75}
        name = f"{label} ({members.sum():,})"
        axes.hist(r[members], bins=bins, color=colour, label=name, log=True, **style)
    axes.set_xlabel("correlation between repeats", fontsize=8, color=INK)
    axes.set_ylabel("vertices", fontsize=8, color=INK)
    axes.tick_params(labelsize=8, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
