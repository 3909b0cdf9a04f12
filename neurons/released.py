"""The arrays that NeuroClips released for cc2017: read safely, in slices, and checked.

``subj0{1,2,3}_{train,test}_fmri.pt``: responses (clips, repeats, vertices), 4,320 x 2 and 1,200 x 10, without vertex ids.
``GT_{train,test}_3fps.pt``: frames (clips, 6, 3, 224, 224) in [0, 1]. ``GT_{train,test}_caption.pt``: a caption per clip.
The NEURONS authors' ``qwen_annotation`` has a caption and tags per clip (their masks: `neurons.annotate.released_masks`).
Clips are in the order of the movies, 240 each. The ``.pt`` files are pickles; they are opened with ``weights_only``, which
runs no code, and memory-mapped, since the frames alone are 15.6 GB. Captions were saved as arrays of NumPy, whose
constructors are allowed beside those of PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pandas as pd
import torch

from neurons.artifacts import InputError, read_table
from neurons.study import COLUMNS

RANGE_TOLERANCE = 1e-3
ARRAYS_OF_TEXTS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    np.ndarray,
    np.dtype,
    type(np.dtype("U1")),
    *(
        (np._core.multiarray._reconstruct, f"numpy.{core}.multiarray._reconstruct")  # type: ignore[attr-defined]
        for core in ("core", "_core")
    ),
]
"""What a pickled array of texts is made with, by NumPy before and after version 2."""
ENTRY = ("idx", "caption", "tags")
"""What an entry of a Qwen annotation file has."""


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


def open_descriptions(path: Path) -> pd.DataFrame:
    """Captions of clips, and tags if there are any, in the order of the clips.

    Parameters
    ----------
    path
        A list or an array of captions (``GT_*_caption.pt``, ``GT_*_caption_qwen.pt``), or a list of entries
        ``{idx, caption, tags}`` (the NEURONS authors' Qwen annotation), in a ``.pt`` or ``.json`` file. ``idx`` counts clips
        from 0, in any order; ``tags`` are a list, or one text with commas.

    Returns
    -------
    pandas.DataFrame
        `caption`, and `tags` joined by ``|`` (empty where there are none); a row per clip.

    Raises
    ------
    InputError
        If it holds anything else, captions are empty, or clips are missing or described twice.
    """
    content = _read_json(path) if path.suffix == ".json" else _load(path, mmap=False)
    if isinstance(content, np.ndarray):
        content = content.tolist()
    entries = list(content) if isinstance(content, list | tuple) else []
    if entries and all(isinstance(entry, str) for entry in entries):
        table = pd.DataFrame({"idx": range(len(entries)), "caption": entries, "tags": ""})
    elif entries and all(isinstance(entry, Mapping) and {*ENTRY} <= {*entry} for entry in entries):
        table = pd.DataFrame([{name: entry[name] for name in ENTRY} for entry in entries])
        table["tags"] = [_joined(tags, number, path) for number, tags in enumerate(table["tags"])]
    else:
        raise InputError(
            f"{path} holds a {type(content).__name__} of {len(entries)} entries; a list of captions, or of entries with "
            f"{', '.join(ENTRY)}, is expected"
        )
    numbers = pd.to_numeric(table["idx"], errors="coerce")
    if sorted(numbers) != list(range(len(table))):
        raise InputError(
            f"{path} has {len(table)} entries, so that idx should be 0 to {len(table) - 1}, each once; "
            f"it is {table['idx'].iloc[0]}, ..., {table['idx'].iloc[-1]}"
        )
    table = table.iloc[np.argsort(numbers.to_numpy())].reset_index(drop=True)
    table["caption"] = table["caption"].map(lambda text: text.strip() if isinstance(text, str) else "")
    empty = table.index[table["caption"].isin(["", "None"])]
    if len(empty):
        raise InputError(f"{path}: {len(empty)} captions are empty, the first is that of clip {empty[0]}")
    return table[["caption", "tags"]]


def _joined(tags: object, number: int, path: Path) -> str:
    listed = tags.split(",") if isinstance(tags, str) else tags
    if not isinstance(listed, list | tuple) or not all(isinstance(tag, str) for tag in listed):
        raise InputError(
            f"{path}, entry {number}: tags are a {type(tags).__name__}; a list of texts is expected"
        )
    barred = [tag for tag in listed if "|" in tag]
    if barred:
        raise InputError(f"{path}, entry {number}: tags with the character | cannot be told apart: {barred}")
    return "|".join(tag.strip() for tag in listed if tag.strip())


def _read_json(path: Path) -> object:
    if not path.is_file():
        raise InputError(f"{path} does not exist; fetch it from the data set McGregorW/NEURONS")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}") from error


def _load(path: Path, mmap: bool) -> object:
    if not path.is_file():
        raise InputError(f"{path} does not exist; fetch it from the data set gongzx/cc2017_dataset")
    try:
        with torch.serialization.safe_globals(ARRAYS_OF_TEXTS):
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


def movies_of(runs: Path, split: str) -> list[tuple[str, int, int]]:
    """Movies of a split in a run table of released arrays: name, row of the first clip, number of clips.

    Raises
    ------
    InputError
        If there are none.
    """
    table = read_table(runs, ["split", "movie", "first_clip", "clips"])
    movies = table[table["split"] == split].drop_duplicates("movie")
    if movies.empty:
        raise InputError(f"{runs} has no movies of the split {split}")
    columns = (movies[name].tolist() for name in ("movie", "first_clip", "clips"))
    return [(str(movie), int(first), int(clips)) for movie, first, clips in zip(*columns, strict=True)]


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
