"""Maps on the standard cortex: flat and inflated pictures, interactive views, CIFTI files."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis

from neurons.artifacts import atomic
from neurons.preprocess import atlas
from neurons.preprocess.maps import COLOURS, INK, paint_flat

GREY = "#8a8f98"
FADE = 0.15
"""Share of the colour scale over which values fade into the grey of the cortex."""
BORDERED = ("V1", "V2", "V3", "V4", "MT", "LO2", "FFC", "PHA3", "PH", "STSdp", "45")
"""Areas whose borders and names help to find the way."""
APART_MM = 96.0
"""Distance that hemispheres are moved apart in views."""
VIEWS = (("L", "lateral"), ("L", "medial"), ("R", "medial"), ("R", "lateral"))


@cache
def _folds(side: str) -> np.ndarray:
    return atlas.sulcal_depth(side)


def on_cortex(values: np.ndarray, vertex: np.ndarray) -> np.ndarray:
    """Values of some grayordinates on the whole cortex, 0 elsewhere: (..., V) to (..., 59412)."""
    whole = np.zeros((*values.shape[:-1], atlas.CORTEX), np.float32)
    whole[..., vertex] = values
    return whole


def smooth(values: np.ndarray, vertex: np.ndarray, steps: int) -> np.ndarray:
    """Values (..., V) averaged `steps` times over neighbours on the mesh, among the given grayordinates only.

    Single vertices are noisy, and what an area does its neighbours in the area do as well.
    """
    if not steps:
        return values
    neighbours = atlas.smoother()
    total = on_cortex(values, vertex).reshape(-1, atlas.CORTEX).T
    present = on_cortex(np.ones(len(vertex), np.float32), vertex)
    for _ in range(steps):
        total, present = neighbours @ total, neighbours @ present
    return np.asarray((total[vertex] / present[vertex, None]).T.reshape(values.shape), np.float32)


def largest(values: np.ndarray) -> float:
    """Upper end of one colour scale for several maps: the 99.5th percentile of what is above 0, 1 if nothing is."""
    above = values[values > 0]
    return float(np.percentile(above, 99.5)) if len(above) else 1.0


def draw_flat(path: Path, maps: dict[str, np.ndarray], title: str, unit: str) -> None:
    """Flat maps of several tasks, both hemispheres, on one colour scale (PNG).

    Parameters
    ----------
    maps
        Values of the 59,412 cortical grayordinates by name of the task; what is not above 0 is grey.
    """
    top = largest(np.stack(list(maps.values())))
    figure = Figure(figsize=(13, 7.2), facecolor="white")
    FigureCanvasAgg(figure)
    for number, (task, values) in enumerate(maps.items()):
        row, column = divmod(number, 2)
        left, bottom = 0.01 + 0.5 * column, 0.53 - 0.42 * row
        figure.text(left + 0.24, bottom + 0.375, task.replace("_", " "), ha="center", fontsize=12, color=INK)
        for side, offset in (("L", 0.0), ("R", 0.245)):
            axes = figure.add_axes((left + offset, bottom, 0.235, 0.36))
            colours = _colours(atlas.to_mesh(values, side, fill=0.0), _folds(side), top)
            paint_flat(axes, colours, side, BORDERED)
    _scale(figure, Normalize(0, top), unit)
    figure.suptitle(title, fontsize=13, color=INK, y=0.99)
    _save(figure, path)


def draw_inflated(path: Path, maps: dict[str, np.ndarray], title: str, unit: str) -> None:
    """Inflated maps of several tasks from outside and inside, both hemispheres, on one colour scale (PNG)."""
    from nilearn.plotting import plot_surf_stat_map  # takes seconds to import: only where it is used

    top = largest(np.stack(list(maps.values())))
    figure = Figure(figsize=(13, 2.3 * len(maps) + 1.4), facecolor="white")
    FigureCanvasAgg(figure)
    height = 0.85 / len(maps)
    for row, (task, values) in enumerate(maps.items()):
        bottom = 0.94 - height * (row + 1)
        name = task.replace("_", " ")
        figure.text(0.02, bottom + height / 2, name, fontsize=12, color=INK, va="center", rotation=90)
        for column, (side, view) in enumerate(VIEWS):
            hemisphere = {"L": "left", "R": "right"}[side]
            axes = figure.add_axes((0.04 + 0.24 * column, bottom, 0.235, height), projection="3d")
            plot_surf_stat_map(
                list(atlas.surface("inflated_MSMAll", side)), atlas.to_mesh(values, side, fill=0.0), hemi=hemisphere,
                view=view, bg_map=-_folds(side), threshold=FADE * top, vmin=0.0, vmax=top,
                cmap=COLOURS, symmetric_cbar=False, colorbar=False, figure=figure, axes=axes,
            )  # fmt: skip
            axes.set_box_aspect(None, zoom=1.35)  # type: ignore[call-arg]  # of 3-D axes
            if row == 0:
                axes.set_title(f"{hemisphere}, {view}", fontsize=9, color=GREY, pad=0)
    _scale(figure, Normalize(0, top), unit)
    figure.suptitle(title, fontsize=13, color=INK, y=0.995)
    _save(figure, path)


def _colours(values: np.ndarray, sulcal_depth: np.ndarray, top: float) -> np.ndarray:
    """RGBA per mesh vertex: the value's colour over grey folds (gyri light, sulci dark)."""
    grey = 0.62 + 0.14 * np.clip(sulcal_depth, -1, 1)[:, None] * np.ones(3)
    colour = ScalarMappable(Normalize(0, top), COLOURS).to_rgba(values)[:, :3]
    strength = np.clip(values / (FADE * top), 0, 1)[:, None]
    return np.hstack([(1 - strength) * grey + strength * colour, np.ones((len(values), 1))])


def _scale(figure: Figure, norm: Normalize, unit: str) -> None:
    axes = figure.add_axes((0.35, 0.065, 0.3, 0.014))
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2, colors=INK)
    bar.set_label(unit, fontsize=9, color=INK)


def _save(figure: Figure, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def write_scalars(path: Path, maps: dict[str, np.ndarray]) -> None:
    """Named maps of the cortical grayordinates as a CIFTI-2 dense scalar file (``.dscalar.nii``), left then right."""
    left, right = atlas.mesh_vertices()
    axis = BrainModelAxis.from_surface(left, atlas.MESH_VERTICES, "CortexLeft")
    axis += BrainModelAxis.from_surface(right, atlas.MESH_VERTICES, "CortexRight")
    data = np.stack(list(maps.values())).astype(np.float32)
    image = Cifti2Image(data, header=(ScalarAxis(list(maps)), axis))
    image.nifti_header.set_intent("ConnDenseScalar")
    with atomic(path) as temporary:
        nib.save(image, temporary)


def write_view(path: Path, values: np.ndarray, title: str, top: float) -> None:
    """Interactive inflated cortex, both hemispheres, as one HTML file that needs no network."""
    from nilearn.plotting import view_surf  # takes seconds to import: only where it is used

    (left, left_faces), (right, right_faces) = (atlas.surface("inflated_MSMAll", side) for side in "LR")
    apart = np.array([APART_MM / 2, 0, 0])
    mesh = [
        np.concatenate([left - apart, right + apart]),
        np.concatenate([left_faces, right_faces + len(left)]),
    ]
    shown = np.concatenate([atlas.to_mesh(values, side, fill=0.0) for side in "LR"])
    folds = np.concatenate([_folds(side) for side in "LR"])
    view = view_surf(
        mesh, shown, bg_map=-folds,
        threshold=FADE * top, vmax=top, vmin=0.0, cmap=COLOURS, symmetric_cmap=False, title=title,
    )  # fmt: skip
    with atomic(path) as temporary:
        view.save_as_html(str(temporary))
