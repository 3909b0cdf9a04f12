"""Scores of single clips that need no video: identification by embeddings, ranking of concepts, correlation of latents."""

from __future__ import annotations

import numpy as np


def identification(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How often a clip's own truth is closer to its prediction than the truth of another clip (2-way; chance .5).

    Closeness is the cosine after both have lost their mean over the clips, so that neither offset nor scale of a prediction
    matters.

    Parameters
    ----------
    predicted, truth
        Shape (clips, ...), of the same clips.

    Returns
    -------
    numpy.ndarray
        Shape (clips,): share of the other clips; equally close ones (clips of one scene with one caption) count by half.
    """
    first, second = (_directions(values) for values in (predicted, truth))
    similarity = first @ second.T
    own = similarity.diagonal()[:, None]
    same = np.isclose(similarity, own, rtol=0, atol=1e-6)
    wins = np.where(same, 0.5, similarity < own).sum(axis=1) - 0.5
    return wins / (len(truth) - 1)


def _directions(values: np.ndarray) -> np.ndarray:
    flat = values.reshape(len(values), -1).astype(np.float64)
    flat = flat - flat.mean(axis=0)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-12)


def ranking_precision(probability: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Average precision of ranking the concepts of a clip, per clip; NaN where none is present.

    Parameters
    ----------
    probability, labels
        Shape (clips, concepts); labels 0 or 1. Equal probabilities share their ranks.
    """
    values = np.full(len(labels), np.nan)
    for clip, (score, present) in enumerate(zip(probability, labels.astype(bool), strict=True)):
        if present.any():
            at_least = score[None, :] >= score[present][:, None]
            values[clip] = ((at_least & present).sum(axis=1) / at_least.sum(axis=1)).mean()
    return values


def deviation_correlation(predicted: np.ndarray, truth: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Pearson correlation of what is left of prediction and truth without the mean training clip; 0 if one is constant.

    Parameters
    ----------
    predicted, truth
        Shape (clips, ...).
    mean
        Of the training clips, shape (...).

    Returns
    -------
    numpy.ndarray
        Shape (clips,).
    """
    first, second = ((values - mean).reshape(len(truth), -1) for values in (predicted, truth))
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    norms = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return np.where(norms > 0, (first * second).sum(axis=1) / np.maximum(norms, 1e-12), 0.0)
