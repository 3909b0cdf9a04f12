"""The arrays that NeuroClips released for cc2017: read safely, in slices, and checked.

``subj0{1,2,3}_{train,test}_fmri.pt``: responses (clips, repeats, vertices), 4,320 x 2 and 1,200 x 10, without vertex ids.
``GT_{train,test}_3fps.pt``: frames (clips, 6, 3, 224, 224) in [0, 1]. ``GT_{train,test}_caption.pt``: a caption per clip.
Clips are in the order of the movies, 240 each. The files are pickles; they are opened with ``weights_only``, which runs no
code, and memory-mapped, since the frames alone are 15.6 GB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pandas as pd
import torch

from neurons.artifacts import InputError
from neurons.study import COLUMNS

RANGE_TOLERANCE = 1e-3


def open_array(path: Path, dimensions: int) -> torch.Tensor:
    """A tensor in a ``.pt`` file; nothing is read until it is used.

    Raises
    ------
    InputError
        If the file is missing, truncated, holds anything but one tensor, or asks for code to be run.
    """
    array = _load(path, mmap=True)
    if not isinstance(array, torch.Tensor) or array.ndim != dimensions or not array.is_floating_point():
        found = (
            f"{array.dtype} of shape {tuple(array.shape)}"
            if isinstance(array, torch.Tensor)
            else type(array).__name__
        )
        raise InputError(
            f"{path} holds {found}; one floating-point tensor with {dimensions} axes is expected"
        )
    return array


def open_captions(path: Path) -> list[str]:
    """Captions in a ``.pt`` file.

    Raises
    ------
    InputError
        If it holds anything but a list of texts, or some are empty.
    """
    content = _load(path, mmap=False)
    captions = list(content) if isinstance(content, list | tuple) else []
    if not captions or not all(isinstance(text, str) for text in captions):
        raise InputError(f"{path} holds a {type(content).__name__}; a list of captions is expected")
    empty = [index for index, text in enumerate(captions) if text.strip() in ("", "None")]
    if empty:
        raise InputError(f"{path}: {len(empty)} captions are empty, the first is that of clip {empty[0]}")
    return [text.strip() for text in captions]


def _load(path: Path, mmap: bool) -> object:
    if not path.is_file():
        raise InputError(f"{path} does not exist; fetch it from the data set gongzx/cc2017_dataset")
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except UnpicklingError as error:
        raise InputError(
            f"{path} is not opened: it asks for more than plain tensors, which could run code ({error}). Save its tensor "
            "again, on a machine where that does no harm, with torch.save(tensor, path)."
        ) from error
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {error}). It has {path.stat().st_size} bytes: it may be "
            "truncated, or saved by a PyTorch before 1.6; fetch it or save it again."
        ) from error


def rows_of(array: torch.Tensor, first: int, count: int, path: Path) -> torch.Tensor:
    """Rows of some clips.

    Raises
    ------
    InputError
        If the array has fewer.
    """
    if first + count > len(array):
        raise InputError(
            f"{path} has {len(array)} clips; the run table asks for clips {first} to {first + count - 1} of it"
        )
    return array[first : first + count]


def responses_of(array: torch.Tensor, first: int, count: int, repeat: int, path: Path) -> np.ndarray:
    """Responses of one run, float32 (clips, vertices); only its rows are read.

    Raises
    ------
    InputError
        If the array has fewer clips or repeats, or values are not finite.
    """
    if repeat > array.shape[1]:
        raise InputError(f"{path} has {array.shape[1]} repeats; the run table asks for repeat {repeat}")
    values = rows_of(array, first, count, path)[:, repeat - 1].to(torch.float32).numpy().copy()
    broken = int((~np.isfinite(values)).sum())
    if broken:
        raise InputError(
            f"{path}: {broken} values of clips {first} to {first + count - 1} are NaN or infinite"
        )
    return values


def frames_of(array: torch.Tensor, first: int, count: int, size_px: int, path: Path) -> np.ndarray:
    """Frames of one movie, uint8 (clips, F, H, W, 3).

    Raises
    ------
    InputError
        If they are not pictures of `size_px` with values in [0, 1].
    """
    if tuple(array.shape[2:]) != (3, size_px, size_px):
        raise InputError(
            f"{path} holds pictures of shape {tuple(array.shape[2:])}; cut.frame_size_px asks for 3 x {size_px} x "
            f"{size_px}. Nothing is resized: set cut.frame_size_px to the size that they have."
        )
    pictures = rows_of(array, first, count, path).to(torch.float32)
    low, high = float(pictures.min()), float(pictures.max())
    if not (low >= -RANGE_TOLERANCE and high <= 1 + RANGE_TOLERANCE):
        raise InputError(
            f"{path}: values of clips {first} to {first + count - 1} span {low:g} to {high:g}, not 0 to 1"
        )
    return (pictures.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).numpy()


def run_table(root: Path, subjects: Sequence[str], movies: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Run table of the released arrays: which rows of which file belong to which movie and repeat.

    Parameters
    ----------
    root
        Folder of the files.
    subjects
        Names that end in the number of the file.
    movies
        Names of the movies of the splits ``train`` and ``test``, in the order of the arrays, all equally long.

    Raises
    ------
    InputError
        If clips and movies do not go into each other, or files of a split disagree.
    """
    rows = []
    for split, names in movies.items():
        frames = root / f"GT_{split}_3fps.pt"
        clips = len(open_array(frames, 5))
        for subject in subjects:
            file = f"subj0{subject.removeprefix('subject')}_{split}_fmri.pt"
            array = open_array(root / file, 3)
            if len(array) != clips or clips % len(names):
                raise InputError(
                    f"{root / file} is {' x '.join(map(str, array.shape))} (clips x repeats x vertices), {frames.name} has "
                    f"{clips} clips: they should have the same number, a multiple of {len(names)} movies"
                )
            each = clips // len(names)
            rows += [
                (subject, split, movie, repeat, file, frames.name, 0.0, number * each, each)
                for number, movie in enumerate(names)
                for repeat in range(1, array.shape[1] + 1)
            ]
    return pd.DataFrame(rows, columns=[*COLUMNS, "first_clip", "clips"])
