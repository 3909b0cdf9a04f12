"""Reading NIfTI volumes: images on one grid, and a run as time series of chosen voxels."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from nibabel.affines import apply_affine
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from neurons.artifacts import InputError

UNREADABLE = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error)
TOLERANCE_MM = 1e-2
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
SHOWN = 5


def open_image(path: Path) -> nibabel.Nifti1Image:
    """Open a NIfTI image; its values are read later.

    Raises
    ------
    InputError
        If it is missing or no NIfTI image.
    """
    if not path.exists():
        raise InputError(
            f"{path} does not exist; correct the configuration or the run table, or fetch the file"
        )
    try:
        image = nibabel.load(path, keep_file_open=True)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    if not isinstance(image, nibabel.Nifti1Image | nibabel.Nifti2Image):
        raise InputError(
            f"{path} is a {type(image).__name__}; NIfTI volumes are expected (preprocess.space is volume)"
        )
    return image


def unreadable(path: Path, error: Exception) -> InputError:
    """The message for a file that breaks off or is no image."""
    return InputError(
        f"{path} cannot be read as a NIfTI image ({type(error).__name__}: {error}). It may be truncated "
        f"({path.stat().st_size} bytes): convert or download it again."
    )


def whole_numbers(image: nibabel.Nifti1Image, path: Path) -> np.ndarray:
    """Values of an atlas as integers.

    Raises
    ------
    InputError
        If they are not whole numbers (an atlas that was interpolated).
    """
    values = np.asarray(image.dataobj)
    if not np.array_equal(values, np.round(values)):
        raise InputError(
            f"{path} holds numbers that are not whole: resample the atlas with nearest-neighbour interpolation"
        )
    return values.astype(np.int64)


def check_same_grid(
    first: nibabel.Nifti1Image, first_path: Path, other: nibabel.Nifti1Image, other_path: Path
) -> None:
    """Check that two images have the same shape and place.

    Raises
    ------
    InputError
        If not; nothing is resampled.
    """
    if first.shape[:3] != other.shape[:3] or not np.allclose(first.affine, other.affine, atol=TOLERANCE_MM):
        raise InputError(
            f"{other_path} ({' x '.join(map(str, other.shape[:3]))}) is not on the grid of {first_path} "
            f"({' x '.join(map(str, first.shape[:3]))}), or lies elsewhere. Nothing is resampled here: use for example "
            "nilearn.image.resample_to_img (nearest neighbour for masks and atlases)."
        )


@dataclass(frozen=True)
class VolumeRun:
    """A volumetric run whose header has been checked; its values are read by `series`."""

    path: Path
    image: nibabel.Nifti1Image
    voxels: np.ndarray
    volumes: int
    repetition_time_s: float

    def series(self) -> np.ndarray:
        """The time series of the voxels: float32 (volumes, voxels). One volume is held at a time beside them.

        Raises
        ------
        InputError
            If the file breaks off, or values are NaN or infinite.
        """
        series = np.empty((self.volumes, len(self.voxels)), np.float32)
        place = tuple(self.voxels.T)
        try:
            for volume in range(self.volumes):
                series[volume] = np.asarray(self.image.dataobj[..., volume])[place]
        except UNREADABLE as error:
            raise unreadable(self.path, error) from error
        broken = np.flatnonzero(~np.isfinite(series).all(axis=0))
        if len(broken):
            raise InputError(
                f"{self.path}: {len(broken)} voxels of the mask hold NaN or infinite values; the first (i, j, k) are "
                f"{self.voxels[broken[:SHOWN]].tolist()}. Make the mask smaller, or convert the run again."
            )
        return series


def open_volume_run(path: Path, locations: pd.DataFrame) -> VolumeRun:
    """Open a 4-D NIfTI run and check that the voxels of `locations` are where it has them.

    Raises
    ------
    InputError
        If the file is missing, truncated, not 4-D, or on another grid.
    """
    image = open_image(path)
    if image.ndim != 4 or image.shape[3] < 2:
        raise InputError(f"{path} has the shape {image.shape}; a run of volumes (4-D) is expected")
    _check_size(path, image)
    voxels = locations[["i", "j", "k"]].to_numpy()
    there = apply_affine(image.affine, voxels)
    apart = np.abs(there - locations[["x_mm", "y_mm", "z_mm"]].to_numpy()).max()
    if (voxels.max(axis=0) >= image.shape[:3]).any() or apart > TOLERANCE_MM:
        raise InputError(
            f"{path} ({' x '.join(map(str, image.shape[:3]))}) is not on the grid of the mask or atlas: voxels lie up to "
            f"{apart:.2f} mm away. Nothing is resampled here: bring the mask to the run's grid, for example with "
            "nilearn.image.resample_to_img."
        )
    step_s = float(image.header.get_zooms()[3]) * SECONDS.get(image.header.get_xyzt_units()[1], 1.0)
    return VolumeRun(path, image, voxels, int(image.shape[3]), step_s)


def _check_size(path: Path, image: nibabel.Nifti1Image) -> None:
    if path.suffix != ".nii":
        return  # a compressed file tells its length only when read
    needed = int(image.dataobj.offset) + math.prod(image.shape) * image.dataobj.dtype.itemsize
    if path.stat().st_size < needed:
        raise InputError(
            f"{path} is truncated: {path.stat().st_size} bytes, but its header describes {needed}. Download or convert it "
            "again."
        )
