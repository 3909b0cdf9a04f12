"""Frechet distance between two sets of videos, in the features of the video classifier."""

from __future__ import annotations

import numpy as np


def frechet_distance(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians with the means and covariances of two sets (Heusel et al. 2017, eq. 6).

    ``|mean difference|^2 + trace(A) + trace(B) - 2 trace((A B)^(1/2))``. The last trace is the sum of the singular values of
    the product of the centred features, ``|X Y^T|_* / (n - 1)``, which is small and needs no matrix root.

    Parameters
    ----------
    truth, prediction
        Features, shape (clips, width), equally many clips.

    Returns
    -------
    float
        Its expectation falls with the number of clips: compare only equal numbers.
    """
    x, y = truth.astype(np.float64), prediction.astype(np.float64)
    shift = x.mean(0) - y.mean(0)
    x, y = x - x.mean(0), y - y.mean(0)
    spread = np.square(x).sum() + np.square(y).sum()
    free = max(len(x) - 1, 1)
    if len(x) > x.shape[1]:
        # The singular values of X Y^T do not change when X and Y are replaced by their small triangular factors.
        x, y = _triangular(x), _triangular(y)
    common = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    return float(np.square(shift).sum() + (spread - 2 * common) / free)


def jackknife_interval(truth: np.ndarray, prediction: np.ndarray, blocks: np.ndarray) -> tuple[float, float]:
    """95 % interval by leaving out one block of clips at a time: the bootstrap, which repeats clips, is biased upwards.

    Parameters
    ----------
    truth, prediction
        Features, shape (clips, width).
    blocks
        Number of each clip's block, shape (clips,).

    Returns
    -------
    tuple
        The distance plus and minus 1.96 standard errors, not below 0; (NaN, NaN) if there is one block only.
    """
    numbers = np.unique(blocks)
    if len(numbers) < 2:
        return float("nan"), float("nan")
    without = np.array([frechet_distance(truth[blocks != b], prediction[blocks != b]) for b in numbers])
    error = np.sqrt((len(without) - 1) / len(without) * np.square(without - without.mean()).sum())
    value = frechet_distance(truth, prediction)
    return max(value - 1.96 * float(error), 0.0), value + 1.96 * float(error)


def _triangular(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.qr(matrix, mode="r"))
