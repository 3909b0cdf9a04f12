"""How well each task is decoded from held-out clips, beside the answer of someone who saw no brain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurons.decouple.decoding import DecodedTasks

Scores = dict[str, dict[str, float]]


def mask_dice(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Mean over clips of the Dice coefficient over a clip's frames and pixels, (n, F, h, w) each; 1 if both are empty."""
    overlap = 2.0 * (predicted & truth).sum(axis=(1, 2, 3))
    total = predicted.sum(axis=(1, 2, 3)) + truth.sum(axis=(1, 2, 3))
    return float(np.where(total > 0, overlap / np.maximum(total, 1), 1.0).mean())


def average_precision(probability: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Mean over the labels that occur of the average precision of ranking clips, (n, labels) each.

    Equal probabilities share their ranks, so that a constant scores the prevalence.
    """
    values = []
    for score, truth in zip(probability.T, labels.T.astype(bool), strict=True):
        if truth.any():
            at_least = score[None, :] >= score[truth][:, None]
            values.append(float(((at_least & truth).sum(axis=1) / at_least.sum(axis=1)).mean()))
    return float(np.mean(values)) if values else 0.0


def word_f1(predicted: Sequence[str], truth: Sequence[str]) -> float:
    """Mean over clips of the F1 of the words of two captions (with multiplicity, without order)."""
    values = []
    for one, other in zip(predicted, truth, strict=True):
        first, second = Counter(one.lower().split()), Counter(other.lower().split())
        common = (first & second).total()
        values.append(2 * common / (first.total() + second.total()) if common else 0.0)
    return float(np.mean(values))


def centred_correlation(
    predicted: NDArray[np.float32], truth: NDArray[np.float32], mean: NDArray[np.float32]
) -> float:
    """Mean over clips of the Pearson correlation after removing the training mean, (n, ...) each; 0 if constant."""
    first, second = (predicted - mean).reshape(len(truth), -1), (truth - mean).reshape(len(truth), -1)
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return float(np.where(norms > 0, (first * second).sum(axis=1) / np.maximum(norms, 1e-12), 0.0).mean())


def validation_scores(decoded: DecodedTasks, truth: dict[str, NDArray], train: dict[str, NDArray]) -> Scores:
    """Scores on held-out clips.

    Parameters
    ----------
    decoded
        Of the held-out clips.
    truth
        ``masks`` (n, F, h, w), ``concepts`` (n, labels), ``captions`` (n strings), ``latents``, ``image_tokens``.
    train
        Means over training clips of ``masks``, ``concepts``, ``latents``, ``image_tokens``; their commonest caption
        (``captions``, a string).

    Returns
    -------
    dict
        By score: ``value``, and ``constant``, what the best constant answer from the training clips scores.
    """
    masks = truth["masks"].astype(bool)
    usual = max(
        (np.broadcast_to(train["masks"] >= level, masks.shape) for level in (0.5, 0.3, 0.2, 0.1)),
        key=lambda m: mask_dice(m, masks),
    )
    concepts = np.broadcast_to(train["concepts"], truth["concepts"].shape)
    rows = np.arange(len(masks))

    def pair(value: float, constant: float) -> dict[str, float]:
        return {"value": value, "constant": constant}

    def hit(probability: NDArray) -> float:
        return float(truth["concepts"][rows, probability.argmax(axis=1)].mean())

    latents_error = float(np.abs(decoded.latents - truth["latents"]).mean())
    return {
        "segmentation_dice": pair(mask_dice(decoded.mask >= 0.5, masks), mask_dice(usual, masks)),
        "concepts_average_precision": pair(
            average_precision(decoded.concepts, truth["concepts"]),
            average_precision(concepts, truth["concepts"]),
        ),
        "concepts_top1_present": pair(hit(decoded.concepts), hit(concepts)),
        "description_word_f1": pair(
            word_f1(decoded.captions, list(truth["captions"])),
            word_f1([str(train["captions"])] * len(masks), list(truth["captions"])),
        ),
        "blurry_video_mean_absolute_error": pair(
            latents_error, float(np.abs(train["latents"] - truth["latents"]).mean())
        ),
        "blurry_video_correlation": pair(
            centred_correlation(decoded.latents, truth["latents"], train["latents"]), 0.0
        ),
        "prior_correlation": pair(
            centred_correlation(decoded.image_tokens, truth["image_tokens"], train["image_tokens"]), 0.0
        ),
    }
