"""Videos with what the frozen models saw in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FEATURES = ("frame_probabilities", "video_probabilities", "video_embedding", "clip")
GATE = "gate"


@dataclass(frozen=True)
class Videos:
    """Videos of the same clips, as frames and as features.

    Attributes
    ----------
    frames
        uint8, shape (clips, frames, height, width, 3).
    time_s
        Times of the frames, in s, shape (clips, frames).
    frame_probabilities, video_probabilities
        Shape (clips, frames, classes) and (clips, classes).
    video_embedding
        What the last layer of the video classifier sees, shape (clips, width).
    clip
        CLIP embeddings, shape (clips, frames, width).
    gate
        Embeddings by the gate model, shape (clips, width); None without one.
    """

    frames: np.ndarray
    time_s: np.ndarray
    frame_probabilities: np.ndarray
    video_probabilities: np.ndarray
    video_embedding: np.ndarray
    clip: np.ndarray
    gate: np.ndarray | None = None
