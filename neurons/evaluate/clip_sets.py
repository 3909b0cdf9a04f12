"""Sets of clips as people have them: a folder of videos or of PNG folders, or an array; joined by name, never by luck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from neurons.artifacts import InputError, locate, read_table
from neurons.study import natural_key

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif")
ARRAYS = (".npy", ".pt", ".pth")
TABLE = ["clip", "truth", "pred"]
SAME = 1e-9
"""Shares of a clip's length closer than this are equal."""


@dataclass(frozen=True)
class Clip:
    """One video.

    Attributes
    ----------
    frames
        uint8, RGB, shape (F, H, W, 3).
    starts
        When each frame appears, as a share of the clip's length, float64, shape (F,), from 0 and ascending.
    """

    frames: np.ndarray
    starts: np.ndarray

    def shown_at(self, shares: np.ndarray) -> np.ndarray:
        """The frames on screen at the given shares of the clip's length, (len(shares), H, W, 3).

        Where one frame ends and the next begins it is the earlier, as in the pipeline (`sampling.nearest_frames`).
        """
        return self.frames[np.searchsorted(self.starts, shares - SAME, side="right") - 1]


@dataclass(frozen=True)
class ClipSet:
    """Videos with their names: file or folder names without suffix, or row numbers of an array."""

    where: Path
    named: bool
    clips: dict[str, Clip]


def read_clip_set(path: Path) -> ClipSet:
    """Read all clips of a folder or of an array.

    Parameters
    ----------
    path
        A folder of video files (MP4, MOV, MKV, WebM, AVI, GIF) or of folders of PNG pictures (one per frame, evenly
        spaced, in natural order of their names), or an array file: NPY, or PT with one tensor, (clips, frames, height,
        width, 3) or (clips, frames, 3, height, width), uint8, or floating between 0 and 1.

    Raises
    ------
    InputError
        If the path does not exist, holds anything else, or two clips have one name.
    """
    if path.is_dir():
        return ClipSet(path, True, _folder(path))
    if not path.exists():
        raise InputError(
            f"{path} does not exist; expected a folder of clips or an array ({', '.join(ARRAYS)})"
        )
    if path.suffix not in ARRAYS:
        raise InputError(f"{path} is neither a folder of clips nor an array ({', '.join(ARRAYS)})")
    values = as_frames(_array(path), str(path))
    starts = np.arange(values.shape[1]) / values.shape[1]
    return ClipSet(path, False, {str(row): Clip(video, starts) for row, video in enumerate(values)})


def pair(truth: ClipSet, prediction: ClipSet, table: Path | None) -> tuple[list[str], list[str], list[str]]:
    """Which predicted clip belongs to which true one.

    Parameters
    ----------
    table
        TSV with the columns clip (an id ``<movie>:<index>``), truth and pred (names, or row numbers of an array); or
        None: equal names belong together, or equal rows of two arrays.

    Returns
    -------
    tuple
        Clip ids, names in `truth` and names in `prediction`. Without a table the ids are ``clips:0, clips:1, ...`` in
        natural order of the names: neighbours count as one block in intervals and null distributions.

    Raises
    ------
    InputError
        Naming the clips that one side lacks, or the first that the table gives twice.
    """
    if table is not None:
        rows = read_table(table, TABLE).astype(str)
        for column in TABLE:
            if len(twice := rows.loc[rows[column].duplicated(), column]):
                raise InputError(f"{table}: {column} {twice.iloc[0]!r} stands in more than one row")
        for column, available in (("truth", truth), ("pred", prediction)):
            locate(list(rows[column]), list(available.clips), str(available.where))
        left_out = [len(each.clips) - len(rows) for each in (truth, prediction)]
        if any(left_out):
            raise InputError(
                f"{table} has {len(rows)} rows, but {truth.where} has {len(truth.clips)} clips and {prediction.where} "
                f"{len(prediction.clips)}: list every clip, or move those that shall not be scored elsewhere"
            )
        return [*rows["clip"]], [*rows["truth"]], [*rows["pred"]]
    if truth.named != prediction.named:
        raise InputError(
            f"one of {truth.where} and {prediction.where} has names and the other row numbers: say which clips belong "
            f"together in a table with the columns {', '.join(TABLE)} (--ids)"
        )
    lacking = {
        str(one.where): sorted(set(other.clips) - set(one.clips), key=natural_key)
        for one, other in ((truth, prediction), (prediction, truth))
    }
    if any(lacking.values()):
        said = "; ".join(
            f"{where} lacks {len(names)}: {', '.join(names[:5])}" for where, names in lacking.items() if names
        )
        raise InputError(
            f"the two sets do not hold the same clips ({said}). Make the names equal, or give a table with the columns "
            f"{', '.join(TABLE)} (--ids)"
        )
    names = sorted(truth.clips, key=natural_key)
    return [f"clips:{index}" for index in range(len(names))], names, names


def frames_at(
    clips: ClipSet, names: Sequence[str], shares: np.ndarray, size_px: int | None = None
) -> np.ndarray:
    """Frames on screen at the given shares of each clip, uint8 (len(names), len(shares), H, W, 3).

    Parameters
    ----------
    size_px
        Height and width that frames are resized to (area interpolation); None leaves them as they are.

    Raises
    ------
    InputError
        If the clips differ in size and are not resized.
    """
    videos = [clips.clips[name].shown_at(shares) for name in names]
    if size_px is not None:
        size = (size_px, size_px)
        videos = [
            np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in video])
            for video in videos
        ]
    sizes = {video.shape[1:3] for video in videos}
    if len(sizes) > 1:
        listed = ", ".join(f"{height} x {width}" for height, width in sorted(sizes))
        raise InputError(
            f"{clips.where}: clips differ in size ({listed}); nothing is resized unless --size-px asks"
        )
    return np.stack(videos)


def as_frames(values: np.ndarray, where: str) -> np.ndarray:
    """Videos as uint8 (clips, frames, height, width, 3) from any of the forms that `read_clip_set` names.

    Raises
    ------
    InputError
        If shape, type or range is another one.
    """
    if values.ndim != 5 or 3 not in (values.shape[-1], values.shape[2]) or 0 in values.shape:
        raise InputError(
            f"{where}: shape {values.shape} is neither (clips, frames, height, width, 3) nor (clips, frames, 3, height, "
            "width)"
        )
    if values.shape[-1] != 3:
        values = np.moveaxis(values, 2, -1)
    if values.dtype == np.uint8:
        return values
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"{where}: pixels are {values.dtype}; expected uint8, or floating between 0 and 1")
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
        raise InputError(
            f"{where}: floating pixels must lie between 0 and 1, they lie between {values.min():g} and {values.max():g}"
        )
    return np.round(255 * values).astype(np.uint8)


def _array(path: Path) -> np.ndarray:
    try:
        if path.suffix == ".npy":
            return np.load(path, allow_pickle=False)
        import torch  # only where a tensor file is read

        tensor = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as one plain array; files that run code when read are refused ({error})"
        ) from error
    if not isinstance(tensor, torch.Tensor):
        raise InputError(f"{path} holds a {type(tensor).__name__}; expected one tensor")
    return tensor.float().numpy() if tensor.is_floating_point() else tensor.numpy()


def _folder(path: Path) -> dict[str, Clip]:
    entries = sorted(
        (entry for entry in path.iterdir() if not entry.name.startswith(".")),
        key=lambda entry: natural_key(entry.name),
    )
    other = [entry.name for entry in entries if entry.is_file() and entry.suffix.lower() not in VIDEOS]
    if other or not entries:
        what = f"also holds {', '.join(other[:5])}" if other else "is empty"
        raise InputError(f"{path} {what}; expected videos ({', '.join(VIDEOS)}) or folders of PNG pictures")
    names = [entry.name if entry.is_dir() else entry.stem for entry in entries]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InputError(f"{path} has more than one clip named {sorted(twice)[0]!r}")
    return {
        name: _pictures(entry) if entry.is_dir() else _video(entry)
        for name, entry in zip(names, entries, strict=True)
    }


def _pictures(folder: Path) -> Clip:
    paths = sorted(folder.iterdir(), key=lambda path: natural_key(path.name))
    if not paths or any(path.suffix.lower() != ".png" for path in paths):
        raise InputError(f"{folder} must hold PNG pictures and nothing else")
    frames = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths]
    unreadable = [path.name for path, frame in zip(paths, frames, strict=True) if frame is None]
    if unreadable:
        raise InputError(f"{folder}: not readable as pictures: {', '.join(unreadable[:5])}")
    if len(sizes := {frame.shape for frame in frames if frame is not None}) > 1:
        raise InputError(f"{folder}: pictures differ in size: {sorted(sizes)}")
    pixels = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2RGB) for frame in frames if frame is not None])
    return Clip(pixels, np.arange(len(pixels)) / len(pixels))


def _video(path: Path) -> Clip:
    frames: list[np.ndarray] = []
    times: list[float] = []
    last = 0.0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                if frame.time is None:
                    raise InputError(f"{path}: frame {len(frames)} has no time stamp")
                frames.append(frame.to_ndarray(format="rgb24"))
                times.append(frame.time)
                last = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else last
    except av.error.FFmpegError as error:
        raise InputError(f"{path} cannot be decoded as a video: {error}") from error
    if not frames:
        raise InputError(f"{path} has no frames")
    if len(times) > 1 and not (np.diff(times) > 0).all():
        raise InputError(f"{path}: time stamps do not ascend")
    shown = np.array(times) - times[0]
    gap = last or float(np.median(np.diff(shown))) if len(shown) > 1 else 1.0
    return Clip(np.stack(frames), shown / (shown[-1] + gap))
