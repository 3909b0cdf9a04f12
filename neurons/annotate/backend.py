"""What any source of annotations gives, be it a table or a vision-language model with a segmenter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class ClipView:
    """A clip as a back end sees it.

    Attributes
    ----------
    clip
        Clip id.
    start_s, end_s
        Interval of the movie.
    frame_times_s
        Presentation times of the clip's frames, float64, shape (F,).
    frame_duration_s
        Time that a frame of the movie is shown.
    frames
        RGB, uint8, shape (F, H, W, 3).
    """

    clip: str
    start_s: float
    end_s: float
    frame_times_s: np.ndarray
    frame_duration_s: float
    frames: np.ndarray


@dataclass(frozen=True)
class Description:
    """Caption of a clip and the nouns of what it shows, singular, each once."""

    caption: str
    tags: tuple[str, ...]


@dataclass(frozen=True)
class TrackedObject:
    """An object followed through the frames of a clip.

    Attributes
    ----------
    instance
        Number that tells objects with the same tag apart, unique in the movie.
    tag
        Noun.
    masks
        bool, shape (F, h, w); all False where it is not visible.
    """

    instance: int
    tag: str
    masks: np.ndarray


class Captions(Protocol):
    """A source of captions and tags."""

    def describe(self, view: ClipView) -> Description:
        """Caption and tags of a clip."""


class Masks(Protocol):
    """A source of masks."""

    def objects(self, view: ClipView, size_px: int) -> list[TrackedObject]:
        """Objects seen in at least one frame of the clip, with masks of `size_px` squared."""
