"""How well each task is decoded from held-out clips, beside the answer of someone who saw no brain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurons.decouple.data import Column
from neurons.decouple.decoding import DecodedTasks

Scores = dict[str, dict[str, float]]

LEVELS = (0.1, 0.2, 0.3, 0.5)
"""Where the mean mask of the training clips is cut for the constant answer; the most favourable is taken."""


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


def validation_scores(
    decoded: DecodedTasks,
    columns: dict[str, Column],
    captions: Sequence[str],
    train_clips: np.ndarray,
    held_out: np.ndarray,
) -> Scores:
    """Scores of decoded held-out clips.

    Parameters
    ----------
    decoded
        Of the held-out clips, in their order.
    columns
        Truth by name: ``masks``, ``concepts``, ``latents``, ``tokens``.
    captions
        Of all clips.
    train_clips, held_out
        Numbers of the clips; constant answers come from the training clips only.

    Returns
    -------
    dict
        By score: ``value``, and ``constant``, what the best constant answer from the training clips scores.
    """
    truth = {name: columns[name].of(held_out).numpy() for name in ("masks", "concepts", "latents")}
    mean = {
        name: columns[name].mean(train_clips).numpy() for name in ("masks", "concepts", "latents", "tokens")
    }
    middle = mean["tokens"].shape[0] // 2
    tokens = columns["tokens"].of(held_out)[:, middle].numpy()
    masks = truth["masks"].astype(bool)
    usual = max(mask_dice(np.broadcast_to(mean["masks"] >= level, masks.shape), masks) for level in LEVELS)
    prevalence = np.broadcast_to(mean["concepts"], truth["concepts"].shape)
    said = [captions[clip] for clip in held_out]
    commonest = Counter(captions[clip] for clip in train_clips).most_common(1)[0][0]
    pairs = {
        "segmentation_dice": (mask_dice(decoded.mask >= 0.5, masks), usual),
        "concepts_average_precision": (
            average_precision(decoded.concepts, truth["concepts"]),
            average_precision(prevalence, truth["concepts"]),
        ),
        "concepts_top1_present": (
            _top1_present(decoded.concepts, truth["concepts"]),
            _top1_present(prevalence, truth["concepts"]),
        ),
        "description_word_f1": (word_f1(decoded.captions, said), word_f1([commonest] * len(said), said)),
        "blurry_video_mean_absolute_error": (
            float(np.abs(decoded.latents - truth["latents"]).mean()),
            float(np.abs(mean["latents"] - truth["latents"]).mean()),
        ),
        "blurry_video_correlation": (
            centred_correlation(decoded.latents, truth["latents"], mean["latents"]),
            0.0,
        ),
        "prior_correlation": (centred_correlation(decoded.image_tokens, tokens, mean["tokens"][middle]), 0.0),
    }
    return {name: {"value": value, "constant": constant} for name, (value, constant) in pairs.items()}


def _top1_present(probability: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Share of clips in which the most probable concept is present."""
    return float(labels[np.arange(len(labels)), probability.argmax(axis=1)].mean())
