"""Frames to tracked masks of named things: boxes, masks in them, instances. Each different frame is done once."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from neurons.annotate.halving import in_batches
from neurons.annotate.kept import Kept
from neurons.annotate.masks import shrink_masks
from neurons.annotate.tracking import COLOUR_LEVELS, Detection, appearance
from neurons.artifacts import hash_bytes
from neurons.console import logger, track

Named = tuple[np.ndarray, tuple[str, ...]]
"""A frame with the nouns that are looked for in it."""


class Finder(Protocol):
    """A detector with a segmenter."""

    def find(self, items: Sequence[Named]) -> list[list[tuple[Any, np.ndarray, float]]]:
        """Of each frame, its boxes (`neurons.annotate.detect.Box`), a mask of each (H, W), and the mask's score."""


def frame_key(frame: np.ndarray, tags: Sequence[str], identity: Mapping[str, Any]) -> str:
    """What a frame is known by: equal pixels, nouns and models are one piece of work."""
    said = json.dumps([dict(identity), list(tags), list(frame.shape)], sort_keys=True)
    return hash_bytes(said.encode(), np.ascontiguousarray(frame).data.cast("B"))


def segment(
    frames: np.ndarray,
    tags: Sequence[tuple[str, ...]],
    finder: Finder,
    identity: Mapping[str, Any],
    size_px: int,
    batch_size: int,
    kept: Kept,
) -> list[list[list[Detection]]]:
    """Detections of each frame of each clip.

    Parameters
    ----------
    frames
        uint8, shape (n, F, H, W, 3), square.
    tags
        Nouns that are looked for in each clip, in all of its frames.
    finder
        The models.
    identity
        What decides their results, JSON values.
    size_px
        Width and height of the masks that are kept.
    batch_size
        Frames at once, halved when memory is short.
    kept
        Results so far.
    """
    clips, per_clip = frames.shape[:2]
    places = [(row, frame) for row in range(clips) for frame in range(per_clip)]
    keys = {place: frame_key(frames[place], tags[place[0]], identity) for place in places}
    different = {key: place for place, key in reversed(keys.items())}
    todo = [(key, place) for key, place in different.items() if key not in kept]
    logger.info(
        "%d frames, %d different, %d known from before",
        len(places),
        len(different),
        len(different) - len(todo),
    )
    items: list[Named] = [(np.array(frames[place]), tags[place[0]]) for _, place in todo]
    found = in_batches(items, batch_size, finder.find, "annotate.grounded_sam.batch_size")
    for position, things in track(found, "frames", total=len(items)):
        stored = [_stored(items[position][0], *thing, size_px) for thing in things]
        kept.keep(todo[position][0], [entry for entry in stored if entry is not None])
    return [
        [[_detection(entry, size_px) for entry in kept.get(keys[row, frame])] for frame in range(per_clip)]
        for row in range(clips)
    ]


def _stored(frame: np.ndarray, box: Any, mask: np.ndarray, mask_score: float, size_px: int) -> dict | None:
    small = shrink_masks(mask[None], size_px)[0]
    if not small.any():
        return None
    colours = appearance(frame, mask)
    return {
        "tag": box.tag,
        "score": box.score,
        "mask_score": float(mask_score),
        "corners": list(box.corners),
        "bits": base64.b64encode(np.packbits(small).tobytes()).decode(),
        "colours": {str(bin_): float(colours[bin_]) for bin_ in np.flatnonzero(colours)},
    }


def _detection(entry: Mapping[str, Any], size_px: int) -> Detection:
    bits = np.frombuffer(base64.b64decode(entry["bits"]), np.uint8)
    colours = np.zeros(COLOUR_LEVELS**3, np.float32)
    for bin_, share in entry["colours"].items():
        colours[int(bin_)] = share
    x0, y0, x1, y1 = entry["corners"]
    return Detection(
        entry["tag"],
        entry["score"],
        entry["mask_score"],
        (x0, y0, x1, y1),
        np.unpackbits(bits, count=size_px * size_px).reshape(size_px, size_px).astype(bool),
        colours,
    )
