"""The quality picture: inter-repeat correlation where it was measured, and what is to know about the runs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from neurons.artifacts import atomic
from neurons.preprocess import atlas
from neurons.preprocess.maps import COLOURS, INK, flat_map, slices

GREY, ORANGE, RED = "#8a8f98", "#e0622f", "#c1121f"
SHOWN_AREAS = 14


def draw(
    path: Path,
    subject: str,
    vertices: pd.DataFrame,
    locations: pd.DataFrame,
    alignment: pd.DataFrame,
    by_area: pd.DataFrame,
    tsnr: np.ndarray,
) -> None:
    """Draw the picture of one subject; the same tables give the same bytes.

    Parameters
    ----------
    path
        PNG to write.
    subject
        For the title.
    vertices
        Selection table of all vertices in order: `r`, `selected`, `constant`.
    locations
        Where they are: the cortex, voxels, or unknown.
    alignment
        Table of `alignment`: lag profiles.
    by_area
        Table of `area_table`.
    tsnr
        Of each vertex.
    """
    figure = Figure(figsize=(11, 9.6), facecolor="white")
    FigureCanvasAgg(figure)
    r = vertices["r"].to_numpy()
    norm = Normalize(0, max(0.1, float(np.percentile(r, 99.5))))
    _map(figure, locations, r, norm)
    bar = figure.colorbar(
        ScalarMappable(norm, COLOURS), cax=figure.add_axes((0.4, 0.535, 0.2, 0.01)), orientation="horizontal"
    )
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2, colors=INK)
    bar.set_label("reliability r (mean over training movies)", fontsize=8, color=INK)
    _histogram(figure.add_axes((0.08, 0.335, 0.54, 0.12)), vertices, locations)
    _tsnr(figure.add_axes((0.71, 0.335, 0.24, 0.12)), tsnr, vertices["constant"].to_numpy())
    _lags(figure.add_axes((0.08, 0.055, 0.24, 0.2)), alignment, "r_at_", "agreement with the other repeats")
    _lags(figure.add_axes((0.395, 0.055, 0.24, 0.2)), alignment, "stimulus_r_at_", "fit to the stimulus")
    _areas(figure.add_axes((0.76, 0.055, 0.19, 0.2)), by_area)
    share = vertices["selected"].mean()
    figure.suptitle(
        f"{subject}: {vertices['selected'].sum():,} of {len(vertices):,} vertices selected ({share:.1%})",
        fontsize=13, color=INK, y=0.985,
    )  # fmt: skip
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110, metadata={"Software": None})


def _map(figure: Figure, locations: pd.DataFrame, r: np.ndarray, norm: Normalize) -> None:
    if "i" in locations:
        slices(figure.add_axes((0.03, 0.56, 0.94, 0.39)), locations, r, norm)
    elif len(locations) == atlas.CORTEX:
        left, right = (figure.add_axes((x, 0.55, 0.49, 0.4)) for x in (0.0, 0.5))
        for axes, side, corner in ((left, "L", 0.12), (right, "R", 0.88)):
            flat_map(axes, r, norm, side)
            title = {"L": "left hemisphere", "R": "right hemisphere"}[side]
            axes.text(corner, 0.02, title, transform=axes.transAxes, color=GREY, fontsize=9, ha="center")
    else:
        text = "no map: these arrays came without vertex ids, so that nothing can be put back on the cortex"
        figure.text(0.5, 0.75, text, ha="center", color=GREY, fontsize=10)


def _histogram(axes: Axes, vertices: pd.DataFrame, locations: pd.DataFrame) -> None:
    names = np.array([area[2:] for area in locations["area"].tolist()])
    visual = np.isin(names, [area for members in atlas.VISUAL_AREAS.values() for area in members])
    usable = ~vertices["constant"].to_numpy()
    r = vertices["r"].to_numpy()
    bins = np.linspace(min(-0.1, float(r.min())), max(0.2, float(r.max())), 121).tolist()
    layers = (
        ("not visual", usable & ~visual, "#b9bec6"),
        ("visual areas", usable & visual, ORANGE),
        ("selected", vertices["selected"].to_numpy(), INK),
    )
    for label, members, colour in layers:
        if not members.any():
            continue
        style = {"histtype": "step", "linewidth": 1.3} if label == "selected" else {"alpha": 0.75}
        name = f"{label} ({members.sum():,})"
        axes.hist(r[members], bins=bins, color=colour, label=name, log=True, **style)
    _style(axes, "reliability r", "vertices")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))


def _tsnr(axes: Axes, tsnr: np.ndarray, constant: np.ndarray) -> None:
    shown = tsnr[~constant]
    if not len(shown) or not shown.any():
        axes.text(
            0.5, 0.5, "no temporal SNR:\nresponses came standardised", ha="center", fontsize=8, color=GREY
        )
        axes.axis("off")
        return
    axes.hist(shown, bins=np.linspace(0, float(np.percentile(shown, 99.5)), 60).tolist(), color=GREY)
    axes.axvline(float(np.median(shown)), color=ORANGE, linewidth=1.2)
    _style(axes, f"temporal SNR (median {np.median(shown):.0f})", "vertices")


def _lags(axes: Axes, alignment: pd.DataFrame, prefix: str, title: str) -> None:
    columns = [name for name in alignment.columns if name.startswith(prefix)]
    lags = [int(name.removeprefix(prefix)) for name in columns]
    runs = alignment[alignment["repeat"].notna()]
    for row, level in zip(runs[columns].to_numpy(float), runs["level"], strict=True):
        wrong = level == "error"
        axes.plot(
            lags,
            row,
            color=RED if wrong else GREY,
            alpha=1 if wrong else 0.35,
            linewidth=1.4 if wrong else 0.7,
        )
    axes.axvline(0, color=INK, linewidth=0.6, linestyle=":")
    axes.set_title(title, fontsize=8, color=INK)
    _style(axes, "lag in clips, a line per run (red: out of step)", "r")


def _areas(axes: Axes, by_area: pd.DataFrame) -> None:
    best = by_area[by_area["selected"] > 0].head(SHOWN_AREAS)
    if best.empty:
        axes.text(0.5, 0.5, "no names of areas", ha="center", fontsize=8, color=GREY)
        axes.axis("off")
        return
    axes.barh(best["area"], best["share"], color=ORANGE)
    axes.invert_yaxis()
    _style(axes, "share of vertices selected", "")
    axes.tick_params(axis="y", labelsize=6.5)


def _style(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8, color=INK)
    axes.set_ylabel(y, fontsize=8, color=INK)
    axes.tick_params(labelsize=7.5, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
