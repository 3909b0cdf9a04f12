"""Validation clips: decoded as test clips are, and how settings of the video model are judged on them.

Test clips have no part in this: the responses are those of training runs, the clips those of held-out training movies.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import normalize

from neurons.artifacts import InputError, TensorFile
from neurons.console import logger
from neurons.pretrain.data import read_responses, split_movies
from neurons.pretrain.store import check_vertices
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.decode import DecodedClips, Decoder
from neurons.reconstruct.ranking import Viewer
from neurons.reconstruct.render import Studio, render, shown_frames
from neurons.reconstruct.settings import Reconstruct, Tune
from neurons.reconstruct.video_model import VideoModel


def decode_validation(
    decoder: Decoder,
    brain_model: Path,
    responses: Path,
    validation_movies: Sequence[str],
    count: int,
    settings: Reconstruct,
    dtype: torch.dtype,
) -> DecodedClips:
    """Decode `count` validation clips, evenly spread, from responses averaged over repeats.

    Raises
    ------
    InputError
        If the responses have other vertices than the brain model, or there are no such movies.
    """
    check_vertices(decoder.facts, TensorFile(responses), brain_model)
    data = read_responses(responses, decoder.facts["window_tr"])
    held_out = split_movies(data.clip_ids, validation_movies, str(responses)).validation
    chosen = np.unique(np.linspace(0, len(held_out) - 1, count).round().astype(int))
    clips = [held_out[index] for index in chosen]
    averaged = torch.mean(data.values, dim=1).numpy()
    return decoder.decode(averaged, data.clip_ids, clips, settings, dtype, str(responses))


def true_views(image_tokens: Sequence[Path], clips: Sequence[str]) -> Tensor:
    """CLIP's view of the true clips: tokens averaged over frames and positions, float32 (n, C)."""
    files = {clip: TensorFile(path) for path in image_tokens for clip in TensorFile(path).clip_ids}
    missing = [clip for clip in clips if clip not in files]
    if missing:
        raise InputError(
            f"the image tokens of {len(missing)} validation clips are missing, such as {missing[0]}"
        )
    rows = [files[clip].rows("tokens", [clip])[0].astype(np.float32).mean(axis=(0, 1)) for clip in clips]
    return torch.from_numpy(np.stack(rows))


def identification(made: Tensor, true: Tensor) -> np.ndarray:
    """How often a video is nearer to its own clip than to another one (2-way identification; chance .5).

    Parameters
    ----------
    made, true
        CLIP's views of videos and of the true clips, (n, C) each.

    Returns
    -------
    numpy.ndarray
        float64 (n,): the share of the other clips that are less similar to a video than its own; equal ones count half.
        Similarity is the cosine of the views' differences from the mean view of the true clips.
    """
    centre = true.double().mean(dim=0)
    similar = normalize(made.double() - centre, dim=1) @ normalize(true.double() - centre, dim=1).T
    own = similar.diagonal()[:, None]
    others = (own > similar).double() + (own == similar).double() / 2
    return ((others.sum(dim=1) - 0.5) / (len(true) - 1)).numpy()


@dataclass(frozen=True)
class Point:
    """One setting of the strengths."""

    strength: float
    control_scale: float
    mask_floor: float

    def applied(self, settings: Reconstruct) -> Reconstruct:
        """`settings` with these strengths, a sample per clip."""
        values: dict[str, Any] = settings.model_dump()
        values["video"] |= {"strength": self.strength, "control_scale": self.control_scale}
        return Reconstruct.model_validate({**values, "mask_floor": self.mask_floor, "samples_per_clip": 1})


def grid(tune: Tune) -> list[Point]:
    """All combinations of the strengths, in the order of the configuration."""
    return [
        Point(*values) for values in itertools.product(tune.strength, tune.control_scale, tune.mask_floor)
    ]


def judge(
    work: ChunkOfClips, true: Tensor, points: Sequence[Point], studio: Studio, model: VideoModel
) -> pd.DataFrame:
    """Score the points of a grid.

    Parameters
    ----------
    work
        Decoded validation clips with their control images.
    true
        (n, C) from `true_views`.
    model
        With a control network, if any point has a weight for it.

    Returns
    -------
    pandas.DataFrame
        A row per point: strength, control_scale, mask_floor, identification (mean over clips), standard_error, cosine (mean
        cosine of a video's view to its own clip's), clips.
    """
    viewer = Viewer.load(studio.embed, studio.device, studio.dtype)
    rows = []
    for point in points:
        logger.info(
            "strength %g, weight of the control image %g, of the background %g",
            point.strength,
            point.control_scale,
            point.mask_floor,
        )
        made = viewer.view(
            np.stack(list(videos_of(work, replace(studio, settings=point.applied(studio.settings)), model)))
        )
        scores = identification(made, true)
        rows.append(
            {
                "strength": point.strength,
                "control_scale": point.control_scale,
                "mask_floor": point.mask_floor,
                "identification": scores.mean(),
                "standard_error": scores.std(ddof=1) / np.sqrt(len(scores)),
                "cosine": torch.cosine_similarity(made, true).mean().item(),
                "clips": len(scores),
            }
        )
    return pd.DataFrame(rows)


def videos_of(work: ChunkOfClips, studio: Studio, model: VideoModel) -> Iterator[np.ndarray]:
    """Videos of all clips in order, uint8 (F, H, W, 3), at the times of the cut frames.

    Raises
    ------
    InputError
        If a video is not finite.
    """
    for row, result in render(work, range(len(work.clips)), studio, model):
        if result is None:
            raise InputError(
                f"the video of {work.clips[row]} holds NaN or infinite values; try precision fp32"
            )
        yield result.frames[shown_frames(len(work.masks[row]), studio)]


def best(table: pd.DataFrame) -> tuple[Point, pd.DataFrame]:
    """The point with the highest identification, averaged over subjects; of equal ones that with the highest cosine.

    Parameters
    ----------
    table
        From `judge`, of all subjects.

    Returns
    -------
    tuple
        The point, and the averages: strength, control_scale, mask_floor, identification, cosine.
    """
    keys = ["strength", "control_scale", "mask_floor"]
    means = table.groupby(keys, sort=False)[["identification", "cosine"]].mean().reset_index()
    top = means.sort_values(["identification", "cosine"], ascending=False, kind="stable").iloc[0]
    return Point(*(float(top[key]) for key in keys)), means
