"""CLIP embeddings of frames: cosines, and identification of clips by them."""

from __future__ import annotations

import numpy as np

from neurons.evaluate.nway import success_probability


def normalised(embeddings: np.ndarray) -> np.ndarray:
    """Embeddings divided by their length, float64.

    Raises
    ------
    ValueError
        If one has no length or is not finite.
    """
    wide = embeddings.astype(np.float64)
    length = np.linalg.norm(wide, axis=-1, keepdims=True)
    if not (np.isfinite(length).all() and (length > 0).all()):
        raise ValueError("embeddings hold zero vectors, NaN or infinite values")
    return wide / length


def adjacent_cosine(embeddings: np.ndarray) -> np.ndarray:
    """Mean cosine of neighbouring frames of each clip.

    Parameters
    ----------
    embeddings
        Shape (clips, frames, width).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips,); NaN for clips of one frame.
    """
    unit = normalised(embeddings)
    if unit.shape[1] < 2:
        return np.full(len(unit), np.nan)
    return np.einsum("cft,cft->cf", unit[:, 1:], unit[:, :-1]).mean(1)


def framewise_cosine(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Mean cosine of simultaneous frames of all pairs of clips.

    Parameters
    ----------
    truth, prediction
        Shape (clips, frames, width).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips).
    """
    x, y = normalised(truth), normalised(prediction)
    return x.reshape(len(x), -1) @ y.reshape(len(y), -1).T / x.shape[1]


def allpairs_cosine(embeddings: np.ndarray) -> np.ndarray:
    """Mean cosine of all pairs of different frames of each clip, as released code computes "CLIP-pcc".

    Parameters
    ----------
    embeddings
        Shape (clips, frames, width).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips,); NaN for clips of one frame.
    """
    unit = normalised(embeddings)
    count = unit.shape[1]
    if count < 2:
        return np.full(len(unit), np.nan)
    return (np.square(unit.sum(1)).sum(-1) - count) / (count * (count - 1))


def identified(similarity: np.ndarray, pool: int) -> np.ndarray:
    """Probability that the truth is nearer to the prediction than each of `pool` - 1 other truths, drawn at random.

    Parameters
    ----------
    similarity
        Shape (clips, clips): truth i with prediction j.
    pool
        Truths to choose from: 2 for two-way identification.

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips): if truth i were the truth of prediction j. Equally near truths are placed in all
        orders with equal probability.

    Raises
    ------
    ValueError
        If there are fewer than `pool` clips.
    """
    others = len(similarity) - 1
    success = success_probability(others, pool)
    cumulative = np.concatenate([[0.0], success.cumsum()])
    values = np.empty(similarity.shape)
    for j, column in enumerate(similarity.T):
        ascending = np.sort(column)
        nearer = len(column) - np.searchsorted(ascending, column, "right")
        equal = len(column) - np.searchsorted(ascending, column, "left") - nearer - 1
        values[:, j] = (cumulative[nearer + equal + 1] - cumulative[nearer]) / (equal + 1)
    return values
