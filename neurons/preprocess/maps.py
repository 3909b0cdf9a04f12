"""Maps for the quality picture: the flattened cortex, or slices through a volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import TriMesh
from matplotlib.colors import Normalize
from matplotlib.tri import Triangulation

from neurons.preprocess import atlas

LABELLED = tuple(
    ["V1", "V2", "V3", "V4", "V3A", "MT", "MST", "LO1", "PIT", "FFC", "VVC", "PHA3", "IPS1", "A1", "4", "46"]
)
FADE_R = (0.04, 0.12)
"""Correlations fade into the grey of the cortex between these values."""

INK = "#1f2430"
COLOURS = "inferno"
SLICES = 10


def flat_map(axes: Axes, r: np.ndarray, norm: Normalize, side: str) -> None:
    """Correlations (59412,) on the flattened cortex of one hemisphere, with names and borders of some areas."""
    colours = _colours(atlas.to_mesh(r, side, fill=0.0), atlas.sulcal_depth(side), norm)
    paint_flat(axes, colours, side, LABELLED)


def paint_flat(axes: Axes, colours: np.ndarray, side: str, labelled: Sequence[str]) -> None:
    """The flattened cortex of one hemisphere.

    Parameters
    ----------
    colours
        RGBA of every vertex of the mesh, (32492, 4).
    side
        L or R.
    labelled
        Areas, without hemisphere, whose borders and names are drawn.
    """
    points, triangles = atlas.surface("flat", side)
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    mesh = TriMesh(Triangulation(x, y, triangles))
    mesh.set_facecolor(colours)
    axes.add_collection(mesh)
    names = np.full(atlas.MESH_VERTICES, "", dtype=object)
    names[atlas.mesh_vertices()["LR".index(side)]] = atlas.areas()[atlas.LEFT if side == "L" else atlas.RIGHT]
    used = np.zeros(atlas.MESH_VERTICES, dtype=bool)
    used[triangles] = True
    for area in labelled:
        inside = names == f"{side}_{area}"
        axes.tricontour(x, y, triangles, inside.astype(float), levels=[0.5], colors="white", linewidths=0.7)
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


def slices(axes: Axes, locations: pd.DataFrame, r: np.ndarray, norm: Normalize) -> None:
    """Correlations of voxels on axial slices, evenly chosen among those with voxels, the lowest first."""
    i, j, k = (locations[name].to_numpy() for name in "ijk")
    levels = np.unique(k)
    chosen = levels[np.unique(np.linspace(0, len(levels) - 1, SLICES).astype(int))]
    width, height = i.max() - i.min() + 3, j.max() - j.min() + 3
    canvas = np.full((2 * height, 5 * width), np.nan)
    for number, level in enumerate(chosen):
        here = k == level
        row, column = divmod(number, 5)
        canvas[row * height + (j.max() - j[here]) + 1, column * width + i[here] - i.min() + 1] = r[here]
    axes.imshow(canvas, norm=norm, cmap=COLOURS, interpolation="nearest")
    axes.set_facecolor("white")
    axes.axis("off")
