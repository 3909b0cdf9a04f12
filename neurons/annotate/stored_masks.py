"""Tracked masks of a movie, read back from the file that `neurons.annotate.tracked_masks` writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.annotate.backend import ClipView, TrackedObject
from neurons.annotate.masks import shrink_masks
from neurons.artifacts import InputError, TensorFile


class StoredMasks:
    """Masks of the step `segment`, by clip."""

    def __init__(self, path: Path) -> None:
        file = TensorFile(path)
        self._name = path.name
        self._rows = {clip: row for row, clip in enumerate(file.clip_ids)}
        self._masks = file["masks"]
        self._clip, self._frame, self._instance = (
            np.asarray(file[name]) for name in ("clip", "frame", "instance")
        )
        self._tags, self._width = file.metadata["tags"], file.metadata["width"]

    def objects(self, view: ClipView, size_px: int) -> list[TrackedObject]:
        """Objects of a clip, in the order of their instance numbers.

        Raises
        ------
        InputError
            If the clip is not in the file, or the masks are smaller than `size_px`.
        """
        if view.clip not in self._rows:
            raise InputError(f"{self._name} has no masks of it; rerun `annotate segment`")
        rows = np.flatnonzero(self._clip == self._rows[view.clip])
        bits = np.unpackbits(np.asarray(self._masks[rows]), axis=-1, count=self._width).astype(bool)
        objects = []
        for instance in np.unique(self._instance[rows]).tolist():
            masks = np.zeros((len(view.frame_times_s), self._width, self._width), bool)
            for at in np.flatnonzero(self._instance[rows] == instance):
                masks[self._frame[rows[at]]] |= bits[at]
            small = shrink_masks(masks, size_px)
            if small.any():
                objects.append(TrackedObject(instance, self._tags[instance], small))
        return objects
