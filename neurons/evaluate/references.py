"""Reference videos: what can be had without decoding (the average training video) and by looking up a training clip."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV, PredefinedSplit

PENALTIES = tuple(float(10.0**exponent) for exponent in np.arange(-2, 5.5, 0.5))
"""Ridge penalties, relative to the mean squared length of a training response."""


def mean_video(videos: Sequence[np.ndarray]) -> np.ndarray:
    """Average of clips, rounded to uint8.

    Parameters
    ----------
    videos
        Arrays of shape (clips, frames, height, width, 3), uint8 (one per movie).
    """
    total = sum(np.asarray(video).sum(0, dtype=np.int64) for video in videos)
    return np.round(total / sum(len(video) for video in videos)).astype(np.uint8)


def nearest_in_time(from_s: np.ndarray, to_s: np.ndarray) -> np.ndarray:
    """Index of the frame nearest to each time; the earlier of two equally near ones."""
    return np.argmin(np.round(np.abs(to_s[:, None] - from_s) * 1e9), -1)


def retrieve(
    train: np.ndarray, train_embeddings: np.ndarray, test: np.ndarray, validation: np.ndarray
) -> tuple[np.ndarray, float]:
    """For each test response the training clip whose embedding is nearest to what a ridge regression predicts.

    The penalty is the one with the smallest squared error on the validation clips, when fitted to the others; the
    regression is then fitted to all training clips. Nearest: the largest cosine of embeddings centred on the training mean
    (a ridge prediction lies near the mean; without centring the most average clip would be nearest to all).

    Parameters
    ----------
    train
        Responses, shape (clips, repeats, features), standardised; every repeat is a sample.
    train_embeddings
        Shape (clips, width).
    test
        Responses, shape (test clips, features).
    validation
        bool, shape (clips,).

    Returns
    -------
    tuple
        Training clips, int64, shape (test clips,), and the chosen penalty.
    """
    clips, repeats, features = train.shape
    samples = train.reshape(clips * repeats, features).astype(np.float64)
    scale = np.square(samples).sum(1).mean()
    centred = train_embeddings - train_embeddings.mean(0)
    fold = np.repeat(np.where(validation, 0, -1), repeats)
    search = GridSearchCV(
        KernelRidge(kernel="precomputed"),
        {"alpha": PENALTIES},
        cv=PredefinedSplit(fold),
        scoring="neg_mean_squared_error",
    )
    search.fit(samples @ samples.T / scale, np.repeat(centred, repeats, axis=0))
    predicted = search.predict(test.astype(np.float64) @ samples.T / scale)
    length = np.linalg.norm(centred, axis=1)
    cosines = (
        predicted
        @ np.divide(centred, length[:, None], out=np.zeros_like(centred), where=length[:, None] > 0).T
    )
    return cosines.argmax(1), float(search.best_params_["alpha"])
