"""Frames or clips to what a vision-language model says of them: each different one is asked once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurons.annotate.captioner import (
    Captioner,
    Described,
    Prompts,
    Request,
    described,
    next_request,
    settled,
)
from neurons.annotate.kept import Kept
from neurons.artifacts import hash_bytes
from neurons.console import logger, track

WHOLE_CLIP = -1
"""Number in place of a frame's, where all frames of a clip were described at once."""


def pictures_of(frames: np.ndarray, per: str) -> dict[tuple[int, int], tuple[np.ndarray, ...]]:
    """The pictures of each request, by (clip's row, frame); `WHOLE_CLIP` as frame if `per` is ``clip``.

    Parameters
    ----------
    frames
        uint8, shape (n, F, H, W, 3).
    per
        ``frame`` or ``clip``.
    """
    clips, per_clip = frames.shape[:2]
    if per == "clip":
        return {(row, WHOLE_CLIP): tuple(frames[row]) for row in range(clips)}
    return {(row, frame): (frames[row, frame],) for row in range(clips) for frame in range(per_clip)}


def request_key(pictures: Sequence[np.ndarray], identity: Mapping[str, Any]) -> str:
    """What a request is known by: equal pictures asked the same by the same model are one request."""
    shapes = json.dumps([list(item.shape) for item in pictures])
    said = json.dumps(dict(identity), sort_keys=True)
    return hash_bytes(
        said.encode(), shapes.encode(), *(np.ascontiguousarray(item).data.cast("B") for item in pictures)
    )


def describe(
    frames: np.ndarray, per: str, prompts: Prompts, captioner: Captioner, kept: Kept
) -> dict[tuple[int, int], Described]:
    """What a model says of each frame or clip.

    Equal pictures are asked once, answers found in `kept` not at all, and malformed ones once more.

    Returns
    -------
    dict
        By (clip's row, frame), as in `pictures_of`.
    """
    identity = {**captioner.identity(), "question": prompts.question, "repair": prompts.repair}
    pictures = pictures_of(frames, per)
    keys = {place: request_key(items, identity) for place, items in pictures.items()}
    requests = {key: Request(pictures[place], prompts.question) for place, key in keys.items()}
    known = sum(settled(kept.get(key) or ()) for key in requests)
    logger.info("%d %ss, %d different, %d known from before", len(pictures), per, len(requests), known)
    for turn in ("asked", "asked again"):
        open_keys = [key for key in requests if not settled(kept.get(key) or ())]
        if turn == "asked again" and open_keys:
            logger.warning("%d answers were malformed; they are asked again", len(open_keys))
        asked = [next_request(requests[key], kept.get(key) or (), prompts) for key in open_keys]
        for position, text in track(captioner.answer(asked), f"{per}s {turn}", total=len(asked)):
            key = open_keys[position]
            kept.keep(key, [*(kept.get(key) or ()), text])
    return {place: described(kept.get(key)) for place, key in keys.items()}


def table_of(said: Mapping[tuple[int, int], Described], clip_ids: Sequence[str]) -> pd.DataFrame:
    """One row per frame or clip: clip, frame, status, caption, tags, concepts, problem, answers."""
    rows = [
        {
            "clip": clip_ids[row],
            "frame": frame,
            "status": item.status,
            "caption": item.caption,
            "tags": list(item.tags),
            "concepts": list(item.concepts),
            "problem": item.problem,
            "answers": list(item.answers),
        }
        for (row, frame), item in said.items()
    ]
    return pd.DataFrame(rows)
