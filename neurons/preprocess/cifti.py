"""Reading a run: a dense CIFTI-2 time series on the standard grayordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.cifti2 import Cifti2Header, Cifti2HeaderError, Cifti2MatrixIndicesMap
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from neurons.artifacts import InputError
from neurons.preprocess import atlas

TIME, SPACE = "CIFTI_INDEX_TYPE_SERIES", "CIFTI_INDEX_TYPE_BRAIN_MODELS"
HEMISPHERES = (
    ("CIFTI_STRUCTURE_CORTEX_LEFT", atlas.LEFT),
    ("CIFTI_STRUCTURE_CORTEX_RIGHT", atlas.RIGHT),
)
HEADER_ERRORS = (ImageFileError, HeaderDataError, WrapStructError, Cifti2HeaderError, ExpatError)
UNREADABLE = (*HEADER_ERRORS, OSError, EOFError, ValueError, KeyError)
SHOWN = 5
CIFTI = 32
"""Code of the NIfTI extension that holds a CIFTI header."""


@dataclass(frozen=True)
class BoldRun:
    """A run whose header has been checked; the time courses are read on demand.

    Attributes
    ----------
    volumes
        Number of volumes.
    repetition_time_s
        As the header says; often wrong in published files.
    """

    path: Path
    dataobj: ArrayProxy
    volumes: int
    repetition_time_s: float

    def courses(self) -> np.ndarray:
        """Time courses of the cortex, left then right: float32, (59412 vertices, volumes), in the order on disk.

        Takes 4 bytes per value beside the memory-mapped file: 58 MB for 245 volumes.

        Raises
        ------
        InputError
            If values are NaN or infinite.
        """
        try:
            courses = np.array(self.dataobj[:, : atlas.CORTEX].T, dtype=np.float32, order="C")
        except UNREADABLE as error:
            raise _unreadable(self.path, error) from error
        broken = np.flatnonzero(~np.isfinite(courses).all(axis=1))
        if len(broken):
            values = int((~np.isfinite(courses[broken])).sum())
            raise InputError(
                f"{self.path}: {values} values in {len(broken)} cortical vertices are NaN or infinite; the first vertices "
                f"(grayordinates) are {broken[:SHOWN].tolist()}. Convert or download the file again, or leave the run out."
            )
        return courses


def open_run(path: Path) -> BoldRun:
    """Open a ``.dtseries.nii`` file and check its axes.

    Raises
    ------
    InputError
        If the file is missing, truncated or no CIFTI-2 time series, or is not on the 91,282 standard grayordinates
        with the left cortex first and the right cortex second.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; correct the run table (column bold) or fetch the file")
    dataobj, header = _open(path)
    _check_size(path, dataobj)
    try:
        time, space = (header.get_index_map(axis) for axis in (0, 1))
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    _check_axes(path, time, space)
    _check_grayordinates(path, space)
    step_s = float(time.series_step) * 10.0 ** int(time.series_exponent)
    return BoldRun(path, dataobj, int(time.number_of_series_points), step_s)


def _open(path: Path) -> tuple[ArrayProxy, Cifti2Header]:
    """The values, (volumes, grayordinates), and the CIFTI header.

    A CIFTI-2 file is a NIfTI-2 file whose extension describes the axes. Read as such, since `nibabel.load` copies and
    analyses the axes besides, which takes three times as long.
    """
    try:
        with LoggingOutputSuppressor():  # a CIFTI file has no voxels, whose sizes nibabel misses
            image = nibabel.Nifti2Image.from_filename(path)
        found = [part for part in image.header.extensions if part.get_code() == CIFTI]
        header = found[0].get_content() if found else None
    except HEADER_ERRORS:
        image, header = None, None
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if image is None or not isinstance(header, Cifti2Header):
        raise _no_cifti(path)
    try:
        return image.dataobj.reshape(image.shape[4:]), header
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _no_cifti(path: Path) -> InputError:
    try:
        kind = type(nibabel.load(path)).__name__
    except UNREADABLE as error:
        return _unreadable(path, error)
    return InputError(
        f"{path} is a {kind}, not a CIFTI-2 file. A dense time series (.dtseries.nii) on the fs_LR 32k "
        "cortex is expected, such as fMRIPrep writes with --cifti-output 91k."
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"{path} cannot be read as a CIFTI-2 file ({type(error).__name__}: {error}). It may be truncated "
        f"({path.stat().st_size} bytes): convert or download it again."
    )


def _check_size(path: Path, stored: ArrayProxy) -> None:
    if path.suffix != ".nii":
        return  # a compressed file tells its length only when read
    needed = int(stored.offset) + math.prod(stored.shape) * stored.dtype.itemsize
    found = path.stat().st_size
    if found < needed:
        raise InputError(
            f"{path} is truncated: {found} bytes, but its header describes {needed} "
            f"({' x '.join(map(str, stored.shape))} values). Download or convert it again."
        )


def _check_axes(path: Path, time: Cifti2MatrixIndicesMap, space: Cifti2MatrixIndicesMap) -> None:
    kinds = tuple(axis.indices_map_to_data_type for axis in (time, space))
    if kinds == (SPACE, TIME):
        raise InputError(
            f"{path} is transposed: volumes must be on its first axis, grayordinates on the second"
        )
    if kinds != (TIME, SPACE):
        raise InputError(
            f"{path} is no dense time series: its axes are {' x '.join(kinds)}, expected {TIME} x {SPACE}"
        )
    if time.series_unit != "SECOND":
        raise InputError(f"{path}: the series axis counts in {time.series_unit}, expected SECOND")


def _check_grayordinates(path: Path, space: Cifti2MatrixIndicesMap) -> None:
    models = list(space.brain_models)
    total = sum(model.index_count for model in models)
    problems = []
    if total != atlas.GRAYORDINATES:
        problems.append(f"{total} grayordinates, expected {atlas.GRAYORDINATES}")
    for position, (structure, where) in enumerate(HEMISPHERES):
        model = models[position] if position < len(models) else None
        name = model.brain_structure if model else "nothing"
        count = where.stop - where.start
        if model is None or name != structure:
            problems.append(f"brain model {position + 1} is {name}, expected {structure}")
        elif (model.index_offset, model.index_count) != (where.start, count):
            found = f"{model.index_count} vertices from {model.index_offset}"
            problems.append(f"{structure} has {found}, expected {count} from {where.start}")
        elif not np.array_equal(model.vertex_indices, atlas.mesh_vertices()[position]):
            problems.append(f"{structure} lists other mesh vertices than fs_LR 32k without its medial wall")
    if problems:
        raise InputError(
            f"{path} is not on the standard 91k grayordinates: {'; '.join(problems)}. Resample it to the fs_LR 32k "
            "cortex (left cortex first, then right)."
        )
