"""Protocol `released`, part one: videos scored by the definitions of released evaluators, exactly where those sample.

Published tables hold figures by these definitions. They stand beside the measures of `strict`, never in their place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from neurons.evaluate.colour import hue_cosine
from neurons.evaluate.measures import Measure, mean_of_clips, mean_of_pairs
from neurons.evaluate.pairing import Pairing
from neurons.evaluate.semantics import adjacent_cosine, allpairs_cosine, normalised
from neurons.evaluate.similarity import FORMS, ssim
from neurons.evaluate.strict_videos import identifications
from neurons.evaluate.videos import Videos

TRUTHS = 3
"""Classes of the truth that released N-way evaluators accept."""


def released_measures(
    truth: Videos,
    prediction: Videos,
    pairing: Pairing,
    few: Pairing,
    ways: Sequence[int],
    top_k: Sequence[int],
    gate_threshold: float,
) -> Iterator[Measure]:
    """All measures of videos.

    Parameters
    ----------
    pairing, few
        Pairs of clips that pixel measures are computed for, and fewer of them for the slowest.
    ways, top_k
        N-way top-k identifications of classes.
    gate_threshold
        Cosine of the gate model's embeddings that a clip must exceed.
    """
    for measure in _measures(truth, prediction, pairing, few, ways, top_k, gate_threshold):
        yield replace(measure, protocol="released")


def _measures(
    truth: Videos,
    prediction: Videos,
    pairing: Pairing,
    few: Pairing,
    ways: Sequence[int],
    top_k: Sequence[int],
    gate_threshold: float,
) -> Iterator[Measure]:
    for scope in ("video", "frame"):
        yield from identifications(scope, truth, prediction, ways, top_k, TRUTHS)
    definition = (
        "Mean CLIP cosine of all pairs of different predicted frames (published as CLIP-pcc); the truth is not looked at, a"
        " frozen frame scores 1."
    )
    yield mean_of_clips(
        "clip_allpairs", "clip", definition, allpairs_cosine(prediction.clip), higher_is_better=None
    )
    yield mean_of_clips(
        "clip_allpairs_truth", "clip", "The true videos' own clip_allpairs.", allpairs_cosine(truth.clip),
        higher_is_better=None,
    )  # fmt: skip
    if truth.gate is not None and prediction.gate is not None:
        yield _gated(truth, prediction, gate_threshold)
    for name, pairs in (("ssim_columns", pairing), ("ssim_rgb7", pairing), ("ssim_gray425", few)):
        yield _similarity(name, truth.frames, prediction.frames, pairs)
    definition = (
        "Cosine of uncentred 8-bit hue planes with red and blue exchanged (published as hue-pcc); any two images score"
        " high."
    )
    yield mean_of_pairs("hue_cosine", "pixels", definition, hue_cosine(truth.frames, prediction.frames))


def _similarity(name: str, truth: np.ndarray, prediction: np.ndarray, pairing: Pairing) -> Measure:
    form = FORMS[name]
    values = pairing.fill(lambda i, j: ssim(form, truth, prediction, i, j).mean(1))
    return mean_of_pairs(name, "pixels", form.definition, values, permutations=pairing.permutations)


def _gated(truth: Videos, prediction: Videos, threshold: float) -> Measure:
    assert truth.gate is not None and prediction.gate is not None
    passed = normalised(truth.gate) @ normalised(prediction.gate).T > threshold
    definition = (
        "clip_adjacent, set to 0 for clips whose embedding by the model evaluate.gate has a cosine with the truth's of"
        f" {threshold:g} or less; values are bimodal."
    )
    values = np.where(passed, adjacent_cosine(prediction.clip), 0.0)
    return mean_of_pairs("clip_adjacent_gated", "clip", definition, values)
