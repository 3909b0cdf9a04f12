"""Maps in a volume: glass brain, slices, NIfTI files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nibabel.filebasedimages import ImageFileError

from neurons.artifacts import InputError, atomic
from neurons.interpret.surfaces import FADE, largest
from neurons.preprocess.maps import COLOURS, INK


def in_volume(values: np.ndarray, voxel: np.ndarray, image: Path) -> nib.Nifti1Image:
    """Values of some voxels as an image on the grid of another, 0 elsewhere.

    Parameters
    ----------
    values
        (V,).
    voxel
        Place of each in the grid, counted over all its voxels in C order, int64 (V,).
    image
        Mask or atlas that the responses were taken with.

    Raises
    ------
    InputError
        If the image cannot be read, is not 3-D, or does not mark one of the voxels.
    """
    try:
        grid = nib.load(image)
        inside = np.asanyarray(grid.dataobj) != 0
    except (OSError, ValueError, ImageFileError) as error:
        raise InputError(f"{image} cannot be read as an image: {error}") from error
    outside = [place for place in voxel.tolist() if place >= inside.size or not inside.flat[place]]
    if inside.ndim != 3 or outside:
        raise InputError(
            f"{image} has the shape {inside.shape} and does not mark {len(outside)} of the {len(voxel)} voxels that the maps"
            " are of. Give the mask or atlas that the responses were taken with."
        )
    data = np.zeros(inside.shape, np.float32)
    data.flat[voxel] = values
    return nib.Nifti1Image(data, grid.affine)


def draw_glass(path: Path, maps: dict[str, nib.Nifti1Image], title: str, unit: str) -> None:
    """Glass brains of several tasks on one colour scale (PNG); the brain's outline is that of MNI space."""
    from nilearn.plotting import plot_glass_brain

    figure, top = _figure(maps, title, unit)
    for (task, image), axes in zip(maps.items(), figure.axes, strict=True):
        plot_glass_brain(
            image, axes=axes, display_mode="lzry", threshold=FADE * top, vmin=0.0, vmax=top, cmap=COLOURS,
            plot_abs=False, colorbar=True, symmetric_cbar=False, title=task.replace("_", " "),
        )  # fmt: skip
    _save(figure, path)


def draw_slices(
    path: Path, maps: dict[str, nib.Nifti1Image], mask_image: Path, title: str, unit: str
) -> None:
    """Axial slices of several tasks over the study's mask, on one colour scale (PNG)."""
    from nilearn.plotting import find_cut_slices, plot_stat_map

    figure, top = _figure(maps, title, unit)
    mask = nib.load(mask_image)
    cuts = find_cut_slices(mask, direction="z", n_cuts=7)
    for (task, image), axes in zip(maps.items(), figure.axes, strict=True):
        plot_stat_map(
            image, bg_img=mask, axes=axes, display_mode="z", cut_coords=cuts, threshold=FADE * top,
            vmin=0.0, vmax=top, cmap=COLOURS, symmetric_cbar=False, black_bg=False, title=task.replace("_", " "),
        )  # fmt: skip
    _save(figure, path)


def _figure(maps: dict[str, nib.Nifti1Image], title: str, unit: str) -> tuple[Figure, float]:
    figure = Figure(figsize=(12, 2.6 * len(maps) + 0.6), facecolor="white")
    FigureCanvasAgg(figure)
    figure.subplots(len(maps), 1)
    figure.suptitle(f"{title} ({unit})", fontsize=13, color=INK, y=0.99)
    return figure, largest(np.stack([np.asarray(image.dataobj) for image in maps.values()]))


def _save(figure: Figure, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90, metadata={"Software": None})


def write_image(path: Path, image: nib.Nifti1Image) -> None:
    """A map as NIfTI (``.nii``)."""
    with atomic(path) as temporary:
        nib.save(image, temporary)
