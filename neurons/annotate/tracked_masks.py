"""Tracked masks of a movie into a file: bits, with what each belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurons.annotate.tracking import Detection
from neurons.artifacts import Provenance, write_tensors


def write_masks(
    path: Path,
    clip_ids: Sequence[str],
    tracked: Sequence[tuple[Sequence[Sequence[Detection]], Sequence[Sequence[int]]]],
    size_px: int,
    made_by: Provenance,
    **thresholds: Any,
) -> None:
    """Write the tracked detections of a movie.

    One row per mask: ``masks`` uint8 (m, h, ceil(w / 8)), bits along the width; ``clip``, ``frame``, ``instance``
    int32 (m,); ``score``, ``mask_score`` float32 (m,); ``box`` float32 (m, 4) in px of the frame. The noun of each
    instance is in the metadata.

    Parameters
    ----------
    tracked
        Of each clip, its frames' detections, and their instance numbers within the clip.
    size_px
        Width and height of the masks.
    """
    rows: list[tuple[int, int, int, Detection]] = []
    tags: list[str] = []
    for clip, (frames, numbers) in enumerate(tracked):
        first = len(tags)
        named: dict[int, str] = {}
        for frame, (detections, assigned) in enumerate(zip(frames, numbers, strict=True)):
            for detection, number in zip(detections, assigned, strict=True):
                named[number] = detection.tag
                rows.append((clip, frame, first + number, detection))
        tags += [named[number] for number in sorted(named)]
    masks = np.array([row[3].mask for row in rows], bool).reshape(-1, size_px, size_px)
    tensors: dict[str, np.ndarray] = {
        "masks": np.packbits(masks, axis=-1),
        "clip": np.array([row[0] for row in rows], np.int32),
        "frame": np.array([row[1] for row in rows], np.int32),
        "instance": np.array([row[2] for row in rows], np.int32),
        "score": np.array([row[3].score for row in rows], np.float32),
        "mask_score": np.array([row[3].mask_score for row in rows], np.float32),
        "box": np.array([row[3].corners for row in rows], np.float32).reshape(-1, 4),
    }
    write_tensors(path, tensors, made_by, clip_ids, width=size_px, tags=tags, **thresholds)
