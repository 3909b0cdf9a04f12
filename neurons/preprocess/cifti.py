"""Reading a run: a dense CIFTI-2 time series on the standard grayordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from xml.parsers.expat import ExpatError

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.cifti2 import Cifti2HeaderError
from nibabel.filebasedimages import ImageFileError
from nibabel.imageglobals import LoggingOutputSuppressor
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from neurons.artifacts import InputError
from neurons.preprocess import atlas
from neurons.preprocess.cifti_header import (
    SPACE,
    TIME,
    UNREADABLE_XML,
    BrainModel,
    Series,
    axes,
    brain_models,
    kind,
    series,
)

HEMISPHERES = (
    ("CIFTI_STRUCTURE_CORTEX_LEFT", atlas.LEFT),
    ("CIFTI_STRUCTURE_CORTEX_RIGHT", atlas.RIGHT),
)
HEADER_ERRORS = (ImageFileError, HeaderDataError, WrapStructError)
UNREADABLE = (*HEADER_ERRORS, *UNREADABLE_XML, OSError, EOFError)
SHOWN = 5
CIFTI = 32
"""Code of the NIfTI extension that holds a CIFTI header."""


@dataclass(frozen=True)
class BoldRun:
    """A run whose header has been checked; the time series are read on demand.

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

    def series(self) -> np.ndarray:
        """The time series of the cortex, left then right: float32, (volumes, 59412 vertices), as on disk.

        Memory-mapped if the file holds float32 (as fMRIPrep and the Connectome Workbench write) and is not compressed; else
        read as a whole, 89 MB for 245 volumes.

        Raises
        ------
        InputError
            If the file breaks off, or values are NaN or infinite.
        """
        try:
            measured = np.asarray(self.dataobj, dtype=np.float32)[:, : atlas.CORTEX]
        except UNREADABLE as error:
            raise _unreadable(self.path, error) from error
        finite = np.isfinite(measured)
        if not finite.all():
            broken = np.flatnonzero(~finite.all(axis=0))
            values = int((~finite).sum())
            raise InputError(
                f"{self.path}: {values} values in {len(broken)} cortical vertices are NaN or infinite; the first vertices "
                f"(grayordinates) are {broken[:SHOWN].tolist()}. Convert or download the file again, or leave the run out."
            )
        return measured


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
        first, second = axes(header)
        _check_kinds(path, kind(first), kind(second))
        time, space = series(first), brain_models(second)
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    _check_time(path, time)
    _check_grayordinates(path, space)
    if dataobj.shape != (time.points, atlas.GRAYORDINATES):
        raise InputError(
            f"{path} contradicts itself: it holds {' x '.join(map(str, dataobj.shape))} values, its axes describe "
            f"{time.points} x {atlas.GRAYORDINATES}. Convert or download it again."
        )
    return BoldRun(path, dataobj, time.points, time.step)


def _open(path: Path) -> tuple[ArrayProxy, bytes]:
    """The values, (volumes, grayordinates), and the CIFTI header.

    A CIFTI-2 file is a NIfTI-2 file whose extension describes the axes, and is read as such.
    """
    try:
        with LoggingOutputSuppressor():  # a CIFTI file has no voxels, whose sizes nibabel misses
            image = nibabel.Nifti2Image.from_filename(path)
        found = [part.content for part in image.header.extensions if part.get_code() == CIFTI]
    except HEADER_ERRORS:
        found = []
    except UNREADABLE as error:
        raise _unreadable(path, error) from error
    if not found:
        raise _no_cifti(path)
    try:
        return image.dataobj.reshape(image.shape[4:]), found[0]
    except UNREADABLE as error:
        raise _unreadable(path, error) from error


def _no_cifti(path: Path) -> InputError:
    try:
        found = type(nibabel.load(path)).__name__
    except (*UNREADABLE, Cifti2HeaderError, ExpatError) as error:
        return _unreadable(path, error)
    return InputError(
        f"{path} is a {found}, not a CIFTI-2 file. A dense time series (.dtseries.nii) on the fs_LR 32k "
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


def _check_kinds(path: Path, *kinds: str) -> None:
    if kinds == (SPACE, TIME):
        raise InputError(
            f"{path} is transposed: volumes must be on its first axis, grayordinates on the second"
        )
    if kinds != (TIME, SPACE):
        raise InputError(
            f"{path} is no dense time series: its axes are {' x '.join(kinds)}, expected {TIME} x {SPACE}"
        )


def _check_time(path: Path, time: Series) -> None:
    if time.unit != "SECOND":
        raise InputError(f"{path}: the series axis counts in {time.unit}, expected SECOND")


def _check_grayordinates(path: Path, models: list[BrainModel]) -> None:
    total = sum(model.count for model in models)
    problems = []
    if total != atlas.GRAYORDINATES:
        problems.append(f"{total} grayordinates, expected {atlas.GRAYORDINATES}")
    for position, (structure, where) in enumerate(HEMISPHERES):
        model = models[position] if position < len(models) else None
        name = model.structure if model else "nothing"
        count = where.stop - where.start
        if model is None or name != structure:
            problems.append(f"brain model {position + 1} is {name}, expected {structure}")
        elif (model.first, model.count) != (where.start, count):
            found = f"{model.count} vertices from {model.first}"
            problems.append(f"{structure} has {found}, expected {count} from {where.start}")
        elif not np.array_equal(model.vertices, atlas.mesh_vertices()[position]):
            problems.append(f"{structure} lists other mesh vertices than fs_LR 32k without its medial wall")
    if problems:
        raise InputError(
            f"{path} is not on the standard 91k grayordinates: {'; '.join(problems)}. Resample it to the fs_LR 32k "
            "cortex (left cortex first, then right)."
        )
