"""Inner products of all pairs of clips, with one set of features in memory, in single precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CLIPS_AT_ONCE = 32


def products(
    truth: np.ndarray, prediction: np.ndarray, features: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Inner products of the features of every truth with those of every prediction.

    Parameters
    ----------
    truth, prediction
        Shape (clips, ...).
    features
        From some clips (n, ...) to their features (n, ...), which are flattened.

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips); features of truths are rounded to float32, products are summed in float64.
    """
    blocks = [slice(start, start + CLIPS_AT_ONCE) for start in range(0, len(truth), CLIPS_AT_ONCE)]
    held = [_flat(features(truth[block])).astype(np.float32) for block in blocks]
    values = np.empty((len(truth), len(prediction)))
    for start in range(0, len(prediction), CLIPS_AT_ONCE):
        some = slice(start, start + CLIPS_AT_ONCE)
        y = _flat(features(prediction[some])).astype(np.float64).T
        for block, x in zip(blocks, held, strict=True):
            values[block, some] = x.astype(np.float64) @ y
    return values


def _flat(features: np.ndarray) -> np.ndarray:
    return features.reshape(len(features), -1)
