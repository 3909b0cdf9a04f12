"""Protocol `strict`, part one: the measures of videos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurons.evaluate.measures import Measure, mean_of_clips, mean_of_pairs, undefined
from neurons.evaluate.motion import end_point_error, flow_correlation, moves, optical_flow
from neurons.evaluate.nway import identification
from neurons.evaluate.pairing import fill, needed_pairs
from neurons.evaluate.pixels import PSNR_CAP_DB, WindowedMoments, psnr, ssim
from neurons.evaluate.semantics import adjacent_cosine, framewise_cosine

WAYS = (2, 50)


@dataclass(frozen=True)
class Videos:
    """Videos of the same clips, as frames and as features.

    Attributes
    ----------
    frames
        uint8, shape (clips, frames, height, width, 3).
    time_s
        Times of the frames, in s, shape (clips, frames).
    frame_probabilities, video_probabilities
        Shape (clips, frames, classes) and (clips, classes).
    clip
        CLIP embeddings, shape (clips, frames, width).
    """

    frames: np.ndarray
    time_s: np.ndarray
    frame_probabilities: np.ndarray
    video_probabilities: np.ndarray
    clip: np.ndarray


def video_measures(
    truth: Videos, prediction: Videos, permutations: np.ndarray, limit: int
) -> Iterator[Measure]:
    """All measures of videos.

    Parameters
    ----------
    permutations
        Shape (permutations, clips).
    limit
        Permutations that pixel and flow measures use when all would need more pairs of clips than `limit` each.
    """
    yield from _identification("video", truth.video_probabilities, prediction.video_probabilities)
    yield from _identification("frame", truth.frame_probabilities, prediction.frame_probabilities)
    yield from _clip(truth.clip, prediction.clip)
    needed = needed_pairs(permutations)
    used = 0
    if needed.sum() > limit * len(needed):
        used = limit
        needed = needed_pairs(permutations[:limit])
    yield from _pixels(truth.frames, prediction.frames, needed, used)
    yield from _motion(truth, prediction, needed, used)


def _identification(scope: str, truth: np.ndarray, prediction: np.ndarray) -> Iterator[Measure]:
    classes = truth.shape[-1]
    unit = {"video": "clip", "frame": "frame, mean over frames,"}[scope]
    for ways in WAYS:
        name = f"{scope}_{ways}way_gt1"
        definition = (
            f"Probability that the true {unit} most probable class beats {ways - 1} others drawn from the {classes} of the"
            f" {scope} classifier, in the prediction; exact."
        )
        if ways > classes:
            yield undefined(name, scope, definition, len(truth))
        else:
            yield mean_of_pairs(
                name, scope, definition, identification(truth, prediction, ways), chance=1 / ways
            )


def _clip(truth: np.ndarray, prediction: np.ndarray) -> Iterator[Measure]:
    definition = "Mean cosine of the CLIP embeddings of simultaneous true and predicted frames."
    yield mean_of_pairs("clip_truth", "clip", definition, framewise_cosine(truth, prediction))
    definition = "Mean CLIP cosine of neighbouring predicted frames; the truth is not looked at, a frozen frame scores 1."
    yield mean_of_clips(
        "clip_adjacent", "clip", definition, adjacent_cosine(prediction), higher_is_better=None
    )
    definition = "The true videos' own clip_adjacent."
    yield mean_of_clips(
        "clip_adjacent_truth", "clip", definition, adjacent_cosine(truth), higher_is_better=None
    )
    frozen = adjacent_cosine(np.repeat(prediction[:, :1], prediction.shape[1], axis=1))
    definition = "clip_adjacent of each prediction's first frame, frozen."
    yield mean_of_clips("clip_adjacent_frozen", "clip", definition, frozen, higher_is_better=None)


def _pixels(truth: np.ndarray, prediction: np.ndarray, needed: np.ndarray, used: int) -> Iterator[Measure]:
    x, y = WindowedMoments(truth), WindowedMoments(prediction)
    definition = "SSIM of grey frames: two-dimensional Gaussian window (sigma 1.5 px, 11 x 11), data range 1."
    similarity = fill(needed, lambda i, j: ssim(x, y, i, j).mean(1))
    yield mean_of_pairs("ssim_gray2d", "pixels", definition, similarity, permutations=used)
    definition = (
        f"Peak signal-to-noise ratio of frames over pixels and channels, in dB, at most {PSNR_CAP_DB:g}."
    )
    ratio = fill(needed, lambda i, j: psnr(truth[i], prediction[j]).mean(1))
    yield mean_of_pairs("psnr", "pixels", definition, ratio, permutations=used)
    capped = (psnr(truth, prediction) >= PSNR_CAP_DB).sum(1)
    definition = f"Number of frames (of n) whose signal-to-noise ratio was capped at {PSNR_CAP_DB:g} dB."
    yield Measure(
        "psnr_capped", "pixels", definition, lambda _, j: capped[j].sum(-1), truth.shape[0] * truth.shape[1],
        higher_is_better=None, uses_truth=False, per_clip=capped.astype(float),
    )  # fmt: skip


def _motion(truth: Videos, prediction: Videos, needed: np.ndarray, used: int) -> Iterator[Measure]:
    height, width = truth.frames.shape[2:4]
    x, y = optical_flow(truth.frames, truth.time_s), optical_flow(prediction.frames, prediction.time_s)
    definition = f"Mean end-point error of Farneback optical flow, in px per s at {width} x {height} px."
    errors = fill(needed, lambda i, j: end_point_error(x[i], y[j]))
    yield mean_of_pairs("flow_epe", "motion", definition, errors, higher_is_better=False, permutations=used)
    definition = "flow_epe of a frozen prediction, which is the mean speed of the truth, in px per s."
    speed = end_point_error(x, np.zeros_like(x))
    yield mean_of_clips("flow_epe_frozen", "motion", definition, speed, higher_is_better=None)
    definition = (
        "Pearson correlation of true and predicted flow within clips that move; a frozen prediction counts 0."
    )
    yield mean_of_pairs("flow_correlation", "motion", definition, flow_correlation(x, y), moves(x))
