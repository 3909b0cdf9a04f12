"""Overlap of masks, pooled over the frames of a clip."""

from __future__ import annotations

import numpy as np

LEVELS = np.linspace(0.02, 0.98, 49)


def overlap(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dice and IoU of all pairs of clips.

    Parameters
    ----------
    truth, prediction
        bool, shapes (clips, frames, height, width) and (predictions, frames, height, width).

    Returns
    -------
    tuple
        ``2 |A and B| / (|A| + |B|)`` and ``|A and B| / |A or B|``, each float64, shape (clips, predictions); NaN
        where both masks are empty.
    """
    if truth.shape[1:] != prediction.shape[1:]:
        raise ValueError(
            f"masks differ in frames or size: truth {truth.shape[1:]}, prediction {prediction.shape[1:]}"
        )
    x = truth.reshape(len(truth), -1).astype(np.float32)
    y = prediction.reshape(len(prediction), -1).astype(np.float32)
    common = (x @ y.T).astype(np.float64)
    both = x.sum(1, dtype=np.float64)[:, None] + y.sum(1, dtype=np.float64)
    dice = np.divide(2 * common, both, out=np.full_like(common, np.nan), where=both > 0)
    return dice, dice / (2 - dice)


def best_constant_mask(training: np.ndarray) -> np.ndarray:
    """The mean training mask, binary at the level that gives the highest mean Dice on the training masks.

    Parameters
    ----------
    training
        0 or 1, shape (clips, frames, height, width); empty ones do not count.

    Returns
    -------
    numpy.ndarray
        bool, shape (frames, height, width); all False if every training mask is empty.
    """
    filled = training[training.any((1, 2, 3))].astype(bool)
    if not len(filled):
        return np.zeros(training.shape[1:], dtype=bool)
    mean = filled.mean(0)
    candidates = mean[None] >= LEVELS[:, None, None, None]
    dice, _ = overlap(filled, candidates)
    return candidates[dice.mean(0).argmax()]
