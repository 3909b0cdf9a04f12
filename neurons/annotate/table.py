"""Back ends `table`: captions, tags and masks that somebody else made, in files.

For a movie ``<movie>`` the folder holds

- ``<movie>_captions.tsv``: start_s, end_s, caption, tags (joined by ``|``); one row per scene, in order;
- ``<movie>_instances.tsv``: instance (int, unique in the movie), tag;
- either ``<movie>_masks.safetensors``: ``time_s`` float64 (T,), ``masks`` uint8 (T, S, H, ceil(W / 8)), bits along the
  width, and ``instance`` int32 (T, S), -1 for an empty slot; ``width`` in the metadata;
- or a folder ``<movie>_masks/`` of pictures ``<clip's index>_<frame's number>_<instance>.png``, both counted from 0; what
  is not black is the object.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from neurons.annotate.backend import ClipView, Description, TrackedObject
from neurons.annotate.masks import nearest_times, shrink_masks
from neurons.artifacts import InputError, TensorFile, read_table, split_clip_id

NO_INSTANCE = -1
TIME_TOLERANCE_S = 1e-3
PICTURE = re.compile(r"(\d+)_(\d+)_(\d+)\.png")


def caption_paths(folder: Path, movie: str) -> list[Path]:
    """Where the captions of a movie lie."""
    return [folder / f"{movie}_captions.tsv"]


def mask_paths(folder: Path, movie: str) -> list[Path]:
    """Where the masks of a movie lie: the instances first, then the one tensor file, or the pictures."""
    pictures = sorted((folder / f"{movie}_masks").glob("*.png"))
    return [folder / f"{movie}_instances.tsv", *(pictures or [folder / f"{movie}_masks.safetensors"])]


def existing(movie: str, paths: list[Path]) -> list[Path]:
    """`paths`, all of which exist.

    Raises
    ------
    InputError
        Listing those that are missing.
    """
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise InputError(
            f"annotation files of movie {movie} are missing (annotate.folder): {', '.join(missing)}"
        )
    return paths


class TableCaptions:
    """Captions and tags from a file (see the module's documentation).

    Raises
    ------
    InputError
        If it is missing, or its content is not as documented.
    """

    def __init__(self, folder: Path, movie: str) -> None:
        (path,) = existing(movie, caption_paths(folder, movie))
        self._name = path.name
        self._scenes = read_table(path, ["start_s", "end_s", "caption", "tags"])
        _check_scenes(self._scenes, path)

    def describe(self, view: ClipView) -> Description:
        """Caption of the scene that covers most of the clip; tags of all scenes that its frames show."""
        start, end = self._scenes["start_s"].to_numpy(), self._scenes["end_s"].to_numpy()
        overlap = np.minimum(end, view.end_s) - np.maximum(start, view.start_s)
        shown = view.frame_times_s[:, None] + view.frame_duration_s / 4
        in_scene = (start <= shown) & (shown < end)
        if not in_scene.any(axis=1).all():
            listed = ", ".join(f"{time:.3f}" for time in view.frame_times_s[~in_scene.any(axis=1)])
            raise InputError(f"{self._name} has no scene at the frames at {listed} s")
        main = int(overlap.argmax())
        scenes = [main, *(int(row) for row in np.flatnonzero(in_scene.any(axis=0)) if row != main)]
        tags = [tag.strip() for row in scenes for tag in str(self._scenes["tags"].iloc[row]).split("|")]
        return Description(str(self._scenes["caption"].iloc[main]), tuple(dict.fromkeys(tags)))


class TableMasks:
    """Masks from a tensor file (see the module's documentation).

    Raises
    ------
    InputError
        If a file is missing, or its content is not as documented.
    """

    def __init__(self, folder: Path, movie: str) -> None:
        instances, path = existing(movie, mask_paths(folder, movie))
        self._tags = _instance_tags(instances)
        masks = TensorFile(path)
        self._masks, self._instances = masks["masks"], masks["instance"]
        self._times_s = np.asarray(masks["time_s"])
        self._check_shapes(path)
        width = masks.metadata.get("width")
        if not isinstance(width, int) or -(-width // 8) != self._masks.shape[-1]:
            raise InputError(
                f"{path}: metadata `width` is {width}, masks are {self._masks.shape[-1]} bytes wide"
            )
        self._width = width
        unknown = sorted(set(np.unique(self._instances).tolist()) - set(self._tags) - {NO_INSTANCE})
        if unknown:
            raise InputError(f"{path} has instances that {instances.name} lacks: {unknown}")
        if (np.diff(self._times_s) <= 0).any():
            raise InputError(f"{path}: `time_s` must ascend")

    def _check_shapes(self, path: Path) -> None:
        shown, slots, times = self._masks, self._instances, self._times_s
        alike = shown.shape[:2] == slots.shape and slots.shape[:1] == times.shape
        if shown.ndim != 4 or shown.dtype != np.uint8 or not alike:
            raise InputError(
                f"{path}: expected masks uint8 (T, S, H, bytes), instance (T, S) and time_s (T,); found masks "
                f"{shown.dtype} {shown.shape}, instance {slots.shape}, time_s {times.shape}"
            )

    def objects(self, view: ClipView, size_px: int) -> list[TrackedObject]:
        """Objects with masks at the times of the clip's frames (nearest stored time, within half a frame)."""
        rows = nearest_times(view.frame_times_s, self._times_s, view.frame_duration_s / 2)
        slots = np.asarray(self._instances[rows])
        masks = np.unpackbits(np.asarray(self._masks[rows]), axis=-1, count=self._width).astype(bool)
        objects = []
        for instance in sorted(set(slots.ravel().tolist()) - {NO_INSTANCE}):
            full = (masks & (slots == instance)[:, :, None, None]).any(axis=1)
            small = shrink_masks(full, size_px)
            if small.any():
                objects.append(TrackedObject(instance, self._tags[instance], small))
        return objects


class PictureMasks:
    """Masks from pictures (see the module's documentation).

    Raises
    ------
    InputError
        If a file is missing, or is not named as documented.
    """

    def __init__(self, folder: Path, movie: str) -> None:
        instances, *pictures = existing(movie, mask_paths(folder, movie))
        self._tags = _instance_tags(instances)
        self._pictures: dict[int, list[tuple[int, int, Path]]] = {}
        unknown = []
        for path in pictures:
            named = PICTURE.fullmatch(path.name)
            clip, frame, instance = (int(part) for part in named.groups()) if named else (-1, -1, -1)
            if instance not in self._tags:
                unknown.append(path.name)
            self._pictures.setdefault(clip, []).append((frame, instance, path))
        if unknown:
            raise InputError(
                f"{folder / f'{movie}_masks'}: pictures that are not <clip>_<frame>_<instance>.png with an instance of "
                f"{instances.name}: {', '.join(unknown[:5])} ({len(unknown)} in all)"
            )

    def objects(self, view: ClipView, size_px: int) -> list[TrackedObject]:
        """Objects with a picture at one of the clip's frames."""
        frames = len(view.frame_times_s)
        _, index = split_clip_id(view.clip)
        masks: dict[int, np.ndarray] = {}
        for frame, instance, path in self._pictures.get(index, []):
            if frame >= frames:
                raise InputError(f"{path.name} is of frame {frame}, but clips have {frames} frames, from 0")
            small = shrink_masks(_read_mask(path)[None], size_px)[0]
            masks.setdefault(instance, np.zeros((frames, size_px, size_px), bool))[frame] |= small
        return [
            TrackedObject(instance, self._tags[instance], masks[instance])
            for instance in sorted(masks)
            if masks[instance].any()
        ]


def _read_mask(path: Path) -> np.ndarray:
    pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if pixels is None:
        raise InputError(f"{path} cannot be read as a picture")
    return pixels > 0


def _instance_tags(path: Path) -> dict[int, str]:
    table = read_table(path, ["instance", "tag"])
    if not pd.api.types.is_integer_dtype(table["instance"]):
        raise InputError(f"{path}: column instance must hold integers")
    if table["instance"].duplicated().any():
        raise InputError(f"{path}: instance numbers are not unique")
    return dict(zip(table["instance"].astype(int).tolist(), table["tag"].astype(str).tolist(), strict=True))


def _check_scenes(scenes: pd.DataFrame, path: Path) -> None:
    for column in ("start_s", "end_s"):
        if not pd.api.types.is_numeric_dtype(scenes[column]) or not np.isfinite(scenes[column]).all():
            raise InputError(f"{path}: column {column} must hold a number in every row")
    start, end = scenes["start_s"].to_numpy(), scenes["end_s"].to_numpy()
    problems = [f"row {row + 1} ends before it starts" for row in np.flatnonzero(end <= start)]
    overlapping = np.flatnonzero(start[1:] < end[:-1] - TIME_TOLERANCE_S)
    problems += [f"row {row + 2} starts before row {row + 1} ends" for row in overlapping]
    for column in ("caption", "tags"):
        problems += [f"row {row + 1} has no {column}" for row in np.flatnonzero(scenes[column].isna())]
    if problems:
        raise InputError(f"{path}: " + "; ".join(problems))
