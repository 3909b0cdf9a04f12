"""Cosines of CLIP embeddings of frames."""

from __future__ import annotations

import numpy as np


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
