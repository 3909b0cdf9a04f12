"""Scores of anybody's videos, without the rest of the pipeline: two arrays in, a table out.

from neurons.evaluate.standalone import score_videos
scores = score_videos(truth, prediction, settings)["table"]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from neurons.artifacts import InputError
from neurons.console import logger
from neurons.devices import choose_device, choose_dtype
from neurons.evaluate.cache import describe_once
from neurons.evaluate.measures import COLUMNS, row
from neurons.evaluate.pixels import check_videos
from neurons.evaluate.protocols import video_measures
from neurons.evaluate.resampling import resamples
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.videos import Videos


class Scored(TypedDict):
    """`table`: a row per metric, columns `measures.COLUMNS`; `clips`: a row per clip, a column per metric."""

    table: pd.DataFrame
    clips: pd.DataFrame


def score_videos(
    truth: np.ndarray,
    prediction: np.ndarray,
    settings: Evaluate,
    *,
    clip_s: float = 2.0,
    clip_ids: Sequence[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    cache: Path | None = None,
) -> Scored:
    """Score predicted videos, every metric with its protocol, interval, chance and definition.

    Parameters
    ----------
    truth, prediction
        uint8, RGB, shape (clips, frames, height, width, 3), row by row the same clips. As many frames as the video
        classifier takes, evenly spaced, each in the middle of its interval.
    settings
        Models, protocols, bootstrap and permutations (section `evaluate` of a configuration).
    clip_s
        Length of a clip, in s.
    clip_ids
        ``<movie>:<index>``: neighbours within a movie form blocks in intervals and null distributions. By default all
        clips are neighbours in their order.
    device, precision
        Where the models run: auto, cpu, cuda; auto, fp32, bf16.
    cache
        Folder that keeps what the models saw, by hash of pixels and models: many predictions against one truth, or other
        metrics of the same videos, run no model twice.

    Raises
    ------
    InputError
        If the videos differ in number, frames or size, are not uint8, or a model cannot be loaded.
    """
    if len(truth) != len(prediction):
        raise InputError(
            f"{len(truth)} true and {len(prediction)} predicted clips; each needs its counterpart"
        )
    check_videos(truth, prediction, "the prediction")
    ids = list(clip_ids) if clip_ids is not None else [f"clips:{index}" for index in range(len(truth))]
    if len(ids) != len(truth) or len(set(ids)) != len(ids):
        raise InputError(f"{len(set(ids))} different clip ids for {len(truth)} clips")
    place = choose_device(device)
    times = np.tile((np.arange(truth.shape[1]) + 0.5) * clip_s / truth.shape[1], (len(truth), 1))

    chosen = choose_dtype(precision, place)

    def seen(frames: np.ndarray) -> tuple[Videos, dict[str, Any]]:
        features, models = describe_once(frames, settings, place, chosen, cache)
        return Videos(frames, times, **features), models

    (true, models), (own, _) = seen(truth), seen(prediction)
    for name, model in models.items():
        logger.info("%s: %s, revision %s", name, model["path"], model["revision"])
    drawn = resamples(ids, settings)
    measures = list(video_measures(true, own, ids, drawn.permutations, settings))
    rows = [row(measure, drawn) for measure in measures]
    by_clip = {item.name: item.per_clip for item in measures if item.per_clip is not None}
    return {
        "table": pd.DataFrame(rows, columns=COLUMNS),
        "clips": pd.DataFrame({"clip": ids, **by_clip}),
    }
