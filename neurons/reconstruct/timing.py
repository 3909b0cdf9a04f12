"""When frames of a clip are shown."""

from __future__ import annotations

import numpy as np

MIDDLE = 0.5


def frame_times(count: int, clip_s: float, phase: float = MIDDLE) -> np.ndarray:
    """Times of `count` frames that divide a clip evenly.

    Parameters
    ----------
    count
        Frames per clip.
    clip_s
        Length of the clip, in s.
    phase
        Where in its interval a frame lies: 0 its start, 0.5 its middle.

    Returns
    -------
    numpy.ndarray
        float64 (count,), in s from the start of the clip.
    """
    return (np.arange(count) + phase) * clip_s / count


def source_frame(frames: int) -> int:
    """The frame of the cut clip that image tokens and control image stand for: the middle one, ``frames // 2``."""
    return frames // 2


def nearest(times: np.ndarray, time_s: float) -> int:
    """Index of the time nearest to `time_s`; the earlier of two equally near ones."""
    return int(np.argmin(np.abs(times - time_s)))
