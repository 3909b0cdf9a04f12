"""What a movie shows, in plain numbers, and responses predicted from it: the encoding model that checks runs and selects.

Features are luminance, contrast and motion of the picture in a grid of blocks, from the frames that `cut` keeps. They go
through the same detrending as the responses, and a ridge maps them to responses. A movie's own prediction comes from the
other training movies only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from neurons.preprocess.standardise import standardise

GRID = 4
"""Rows and columns of blocks."""
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
SHRINKAGE = 0.1
"""Ridge penalty, as a share of the sum of squares of a standardised feature."""


def picture_features(frames: np.ndarray) -> np.ndarray:
    """Features of each clip.

    Parameters
    ----------
    frames
        uint8 (clips, F, H, W, 3).

    Returns
    -------
    numpy.ndarray
        float32 (clips, 48): per block the mean of luminance, its SD, and the mean absolute difference of neighbouring
        frames (0 if F is 1); the logarithm of the last two, since brains see contrasts.
    """
    blocks = np.stack([_blocks(clip) for clip in frames])  # clips, F, blocks, pixels
    luminance = blocks.mean(axis=(1, 3))
    contrast = np.log(1 + blocks.std(axis=3).mean(axis=1))
    motion = np.zeros_like(luminance)
    if frames.shape[1] > 1:
        motion = np.log(1 + np.abs(np.diff(blocks, axis=1)).mean(axis=(1, 3)))
    return np.concatenate([luminance, contrast, motion], axis=1).astype(np.float32)


def _blocks(clip: np.ndarray) -> np.ndarray:
    """Luminance of a clip (F, H, W, 3) by block: (F, 16, pixels); what the grid does not divide is cut off."""
    height, width = (size // GRID for size in clip.shape[1:3])
    grey = clip[:, : height * GRID, : width * GRID].astype(np.float32) @ LUMINANCE
    cut = grey.reshape(len(clip), GRID, height, GRID, width)
    return cut.transpose(0, 1, 3, 2, 4).reshape(len(clip), GRID * GRID, height * width)


def like_responses(features: np.ndarray, order: int) -> np.ndarray:
    """Features (clips, K) detrended and z-scored as responses are."""
    courses = np.array(features.T, np.float32, order="C")
    standardise(courses, order)
    return courses.T


@dataclass
class Encoding:
    """Sums over training movies that a ridge needs: memory K x (K + vertices) per movie.

    Attributes
    ----------
    features
        Standardised features (clips, K) of every movie, also of test movies.
    """

    features: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        self._gram: dict[str, np.ndarray] = {}
        self._product: dict[str, np.ndarray] = {}

    def learn(self, movie: str, responses: np.ndarray, lag: int = 0) -> None:
        """Take a training movie in: its responses (clips, vertices), as they come `lag` clips late."""
        x, y = shifted(responses, self.features[movie], lag)[::-1]
        self._gram[movie] = x.T.astype(np.float64) @ x
        self._product[movie] = x.T @ y

    def predict(self, movie: str) -> np.ndarray:
        """Responses (clips, vertices) that a movie should evoke, learnt from the other training movies."""
        others = [name for name in self._gram if name != movie]
        gram = np.sum([self._gram[name] for name in others], axis=0)
        product = np.sum([self._product[name] for name in others], axis=0, dtype=np.float64)
        penalty = SHRINKAGE * max(float(np.trace(gram)) / len(gram), 1e-12)
        weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), product)
        return (self.features[movie] @ weights).astype(np.float32)


def shifted(late: np.ndarray, early: np.ndarray, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two arrays that belong together if `late` comes `lag` rows after `early` (before, if negative)."""
    if lag < 0:
        return shifted(early, late, -lag)[::-1]
    return late[lag:], early[: len(early) - lag]


def mean_response(repeats: Iterable[np.ndarray]) -> np.ndarray:
    """Mean over presentations, float32 (clips, vertices); one is held beside the sum."""
    total, count = None, 0
    for responses in repeats:
        total = np.array(responses, np.float32) if total is None else total + responses
        count += 1
    assert total is not None
    return total / np.float32(count)
