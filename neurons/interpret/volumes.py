"""Maps in a volume: glass brain, slices, NIfTI files."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from nibabel.filebasedimages import ImageFileError

from neurons.artifacts import InputError, atomic
from neurons.interpret.surfaces import COLOURS, FADE, INK, largest


def in_volume(values: np.ndarray, voxel: np.ndarray, mask_image: Path) -> nib.Nifti1Image:
    """Values of some voxels of a mask as an image, 0 elsewhere.

    Parameters
    ----------
    values
        (V,).
    voxel
        Which voxel of the mask each belongs to, int64 (V,), counted over the voxels that are not 0 in C order, as nilearn's
        maskers do.

    Raises
    ------
    InputError
        If the mask cannot be read, is not 3-D, or has fewer voxels than the list counts.
    """
    try:
        mask = nib.load(mask_image)
        inside = np.asanyarray(mask.dataobj) != 0
    except (OSError, ValueError, ImageFileError) as error:
        raise InputError(
            f"{mask_image} (interpret.mask_image) cannot be read as an image: {error}"
        ) from error
    count = int(inside.sum())
    if inside.ndim != 3 or int(voxel.max()) >= count:
        raise InputError(
            f"{mask_image} (interpret.mask_image) has {inside.ndim} dimensions and {count} voxels that are not 0; the "
            f"vertex list counts voxels up to {int(voxel.max())}. Give the mask that the responses were taken with."
        )
    filled = np.zeros(count, np.float32)
    filled[voxel] = values
    data = np.zeros(inside.shape, np.float32)
    data[inside] = filled
    return nib.Nifti1Image(data, mask.affine)


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
