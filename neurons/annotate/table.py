"""Back end `table`: captions, tags and masks that somebody else made, in files.

For a movie ``<movie>`` the folder holds

- ``<movie>_captions.tsv``: start_s, end_s, caption, tags (joined by ``|``); one row per scene, in order;
- ``<movie>_instances.tsv``: instance (int, unique in the movie), tag, start_s, end_s;
- ``<movie>_masks.safetensors``: ``time_s`` float64 (T,), ``masks`` uint8 (T, S, H, ceil(W / 8)), bits along
the width,
  and ``instance`` int32 (T, S), -1 for an empty slot; ``width`` in the metadata.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neurons.annotate.backend import ClipView, Description, TrackedObject
from neurons.annotate.masks import nearest_times, shrink_masks
from neurons.artifacts import InputError, TensorFile, read_table

NO_INSTANCE = -1
TIME_TOLERANCE_S = 1e-3


def table_files(folder: Path, movie: str) -> dict[str, Path]:
    """The files of a movie, by role.

    Raises
    ------
    InputError
        Listing those that are missing.
    """
    names = {"captions": "captions.tsv", "instances": "instances.tsv", "masks": "masks.safetensors"}
    paths = {role: folder / f"{movie}_{name}" for role, name in names.items()}
    missing = [str(path) for path in paths.values() if not path.is_file()]
    if missing:
        raise InputError(
            f"annotation files of movie {movie} are missing (annotate.folder): {', '.join(missing)}"
        )
    return paths


class TableBackend:
    """Annotations from files (see the module's documentation).

    Raises
    ------
    InputError
        If a file is missing, or its content is not as documented.
    """

    def __init__(self, folder: Path, movie: str) -> None:
        paths = table_files(folder, movie)
        self._name = paths["captions"].name
        self._scenes = read_table(paths["captions"], ["start_s", "end_s", "caption", "tags"])
        _check_scenes(self._scenes, paths["captions"])
        instances = read_table(paths["instances"], ["instance", "tag"])
        if not pd.api.types.is_integer_dtype(instances["instance"]):
            raise InputError(f"{paths['instances']}: column instance must hold integers")
        if instances["instance"].duplicated().any():
            raise InputError(f"{paths['instances']}: instance numbers are not unique")
        self._tags = dict(
            zip(
                instances["instance"].astype(int).tolist(), instances["tag"].astype(str).tolist(), strict=True
            )
        )
        masks = TensorFile(paths["masks"])
        self._masks, self._instances = masks["masks"], masks["instance"]
        self._times_s = np.asarray(masks["time_s"])
        shapes = [
            array.shape[:axes] for array, axes in ((self._masks, 2), (self._instances, 2), (self._times_s, 1))
        ]
        if (
            self._masks.ndim != 4
            or self._masks.dtype != np.uint8
            or shapes != [shapes[1], shapes[1], shapes[1][:1]]
        ):
            raise InputError(
                f"{paths['masks']}: expected masks uint8 (T, S, H, bytes), instance (T, S) and time_s (T,); found masks "
                f"{self._masks.dtype} {self._masks.shape}, instance {self._instances.shape}, time_s {self._times_s.shape}"
            )
        width = masks.metadata.get("width")
        if not isinstance(width, int) or -(-width // 8) != self._masks.shape[-1]:
            raise InputError(
                f"{paths['masks']}: metadata `width` is {width}, masks are {self._masks.shape[-1]} bytes wide"
            )
        self._width = width
        unknown = sorted(set(np.unique(self._instances).tolist()) - set(self._tags) - {NO_INSTANCE})
        if unknown:
            raise InputError(
                f"{paths['masks']} has instances that {paths['instances'].name} lacks: {unknown}"
            )
        if (np.diff(self._times_s) <= 0).any():
            raise InputError(f"{paths['masks']}: `time_s` must ascend")

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
