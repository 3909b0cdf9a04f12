"""Protocol `strict`, part one: the measures of videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from neurons.evaluate.colour import circular_correlation
from neurons.evaluate.frechet import frechet_distance, jackknife_interval
from neurons.evaluate.measures import Measure, mean_of_clips, mean_of_pairs, undefined
from neurons.evaluate.motion import end_point_error, flow_correlation, flow_direction, moves, optical_flow
from neurons.evaluate.nway import all_standings, chance_level
from neurons.evaluate.pairing import Pairing
from neurons.evaluate.pixels import PSNR_CAP_DB, psnr
from neurons.evaluate.semantics import adjacent_cosine, framewise_cosine, identified
from neurons.evaluate.similarity import FORMS, ssim
from neurons.evaluate.videos import Videos

MOVING = 0.02
"""Speed from which on a pixel counts as moving, in frame heights per s."""


def strict_measures(
    truth: Videos,
    prediction: Videos,
    pairing: Pairing,
    blocks: np.ndarray,
    ways: Sequence[int],
    top_k: Sequence[int],
    pool: int,
) -> Iterator[Measure]:
    """All measures of videos.

    Parameters
    ----------
    pairing
        Pairs of clips that pixel and flow measures are computed for.
    blocks
        Number of the block of neighbours that each clip lies in, shape (clips,).
    ways, top_k
        N-way top-k identifications of classes.
    pool
        Clips among which a clip is identified by CLIP.
    """
    for scope in ("video", "frame"):
        yield from identifications(scope, truth, prediction, ways, top_k, truths=1)
    yield from _clip(truth.clip, prediction.clip, pool)
    yield from _pixels(truth.frames, prediction.frames, pairing)
    yield from _motion(truth, prediction, pairing)
    yield _frechet(truth.video_embedding, prediction.video_embedding, blocks)


def identifications(
    scope: str, truth: Videos, prediction: Videos, ways: Sequence[int], top_k: Sequence[int], truths: int
) -> Iterator[Measure]:
    """N-way top-k identification of the class of videos or frames.

    Parameters
    ----------
    scope
        `video` or `frame`.
    truths
        Number of classes of the truth.
    """
    name = f"{scope}_probabilities"
    x, y = getattr(truth, name), getattr(prediction, name)
    classes = x.shape[-1]
    standings = all_standings(x, y, truths)
    said = {"video": "Probability", "frame": "Mean over frames of the probability"}[scope]
    unit = {"video": "clip", "frame": "frame"}[scope]
    own = "most probable class" if truths == 1 else f"{truths} most probable classes (the best of them)"
    for n in ways:
        for k in top_k:
            place = "beats" if k == 1 else f"is among the {k} most probable beside"
            verb = place if truths == 1 or k > 1 else "beat"
            definition = (
                f"{said} that the true {unit}'s {own} {verb} {n - 1} others drawn from the {classes} of the {scope}"
                " classifier, in the prediction; exact."
            )
            metric = f"{scope}_{n}way{'' if k == 1 else f'_top{k}'}_gt{truths}"
            if n - 1 > classes - truths or k > n:
                yield undefined(metric, scope, definition, len(x))
                continue
            values = standings.success(n, k).mean(0)
            yield mean_of_pairs(metric, scope, definition, values, chance=chance_level(n, k, truths))


def _clip(truth: np.ndarray, prediction: np.ndarray, pool: int) -> Iterator[Measure]:
    definition = "Mean cosine of the CLIP embeddings of simultaneous true and predicted frames."
    similarity = framewise_cosine(truth, prediction)
    yield mean_of_pairs("clip_truth", "clip", definition, similarity)
    for metric, size in (("clip_2way", 2), (f"clip_top1_of{pool}", pool)):
        definition = (
            f"Probability that the prediction's clip_truth is higher with its own truth than with {size - 1} others drawn"
            " from the scored clips; exact."
        )
        if size > len(truth):
            yield undefined(metric, "clip", definition, len(truth))
        else:
            yield mean_of_pairs(metric, "clip", definition, identified(similarity, size), chance=1 / size)
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


def _pixels(truth: np.ndarray, prediction: np.ndarray, pairing: Pairing) -> Iterator[Measure]:
    form = FORMS["ssim_gray2d"]
    similarity = pairing.fill(lambda i, j: ssim(form, truth, prediction, i, j).mean(1))
    yield mean_of_pairs(
        "ssim_gray2d", "pixels", form.definition, similarity, permutations=pairing.permutations
    )
    definition = (
        f"Peak signal-to-noise ratio of frames over pixels and channels, in dB, at most {PSNR_CAP_DB:g}."
    )
    ratio = pairing.fill(lambda i, j: psnr(truth[i], prediction[j]).mean(1))
    yield mean_of_pairs("psnr", "pixels", definition, ratio, permutations=pairing.permutations)
    capped = (psnr(truth, prediction) >= PSNR_CAP_DB).sum(1)
    definition = f"Number of frames (of n) whose signal-to-noise ratio was capped at {PSNR_CAP_DB:g} dB."
    yield Measure(
        "psnr_capped", "pixels", definition, lambda _, j: capped[j].sum(-1), truth.shape[0] * truth.shape[1],
        higher_is_better=None, uses_truth=False, per_clip=capped.astype(float),
    )  # fmt: skip
    definition = "Circular correlation of the hues of simultaneous frames over pixels; grey pixels count with the mean hue."
    yield mean_of_pairs("hue_circular", "pixels", definition, circular_correlation(truth, prediction))


def _motion(truth: Videos, prediction: Videos, pairing: Pairing) -> Iterator[Measure]:
    height, width = truth.frames.shape[2:4]
    x, y = optical_flow(truth.frames, truth.time_s), optical_flow(prediction.frames, prediction.time_s)
    definition = f"Mean end-point error of Farneback optical flow, in px per s at {width} x {height} px."
    errors = pairing.fill(lambda i, j: end_point_error(x[i], y[j]))
    yield mean_of_pairs(
        "flow_epe", "motion", definition, errors, higher_is_better=False, permutations=pairing.permutations
    )
    definition = "flow_epe of a frozen prediction, which is the mean speed of the truth, in px per s."
    speed = end_point_error(x, np.zeros_like(x))
    yield mean_of_clips("flow_epe_frozen", "motion", definition, speed, higher_is_better=None)
    definition = (
        "Pearson correlation of true and predicted flow within clips that move; a frozen prediction counts 0."
    )
    yield mean_of_pairs("flow_correlation", "motion", definition, flow_correlation(x, y), moves(x))
    definition = (
        f"Mean cosine of the angle between true and predicted flow at pixels that move in the truth (more than {MOVING:g}"
        " frame heights per s); a prediction that stands still there counts 0."
    )
    yield mean_of_pairs("flow_direction", "motion", definition, *flow_direction(x, y, MOVING * height))


def _frechet(truth: np.ndarray, prediction: np.ndarray, blocks: np.ndarray) -> Measure:
    distance = frechet_distance(truth, prediction)
    definition = (
        "Squared Frechet distance of the sets of true and predicted videos in the features of the video classifier; falls"
        " with the number of clips, compare equal numbers only. Interval: block jackknife."
    )
    return Measure(
        "frechet_video", "video", definition, lambda _, j: np.full(np.shape(j)[:-1], distance), len(truth),
        higher_is_better=False, uses_truth=False, interval=jackknife_interval(truth, prediction, blocks),
    )  # fmt: skip
