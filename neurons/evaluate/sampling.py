"""Predicted frames at the times of the true frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurons.artifacts import InputError, split_clip_id

TOLERANCE_S = 1e-6
SAME_S = 1e-9


def clip_length(time_s: np.ndarray) -> float:
    """Length of a clip, in s, from the times of its frames: they are cut at even intervals of length / frames.

    Parameters
    ----------
    time_s
        In s, shape (clips, frames).

    Raises
    ------
    InputError
        If there are fewer than two frames per clip.
    """
    if time_s.shape[1] < 2:
        raise InputError("scores need at least two frames per clip (cut.frames_per_clip)")
    return float(np.median(np.diff(time_s, axis=1)) * time_s.shape[1])


def times_in_clip(time_s: np.ndarray, clip_ids: Sequence[str]) -> np.ndarray:
    """Times from the start of each clip.

    Parameters
    ----------
    time_s
        Times from the start of the movie, in s, shape (clips, frames); clips of one or several movies.

    Returns
    -------
    numpy.ndarray
        In s, shape (clips, frames).
    """
    start_s = clip_length(time_s) * np.array([split_clip_id(identity)[1] for identity in clip_ids])
    return time_s - start_s[:, None]


def nearest_frames(frame_time_s: np.ndarray, wanted_s: np.ndarray, where: str) -> np.ndarray:
    """Predicted frame nearest to each wanted time; the earlier of two equally near ones.

    Parameters
    ----------
    frame_time_s
        Times of the predicted frames from the start of their clip, in s, shape (frames,), evenly spaced.
    wanted_s
        In s, shape (clips, wanted).
    where
        File of the predicted frames, for the message.

    Returns
    -------
    numpy.ndarray
        int64, shape (clips, wanted).

    Raises
    ------
    InputError
        If a wanted time is further than half a frame from all predicted frames.
    """
    if len(frame_time_s) < 2 or (np.diff(frame_time_s) <= 0).any():
        raise InputError(
            f"{where}: frame_time_s must hold at least two ascending times, it is {frame_time_s.tolist()}"
        )
    distance = np.abs(wanted_s[..., None] - frame_time_s)
    chosen = np.argmin(np.round(distance / SAME_S), -1)
    half = np.diff(frame_time_s).max() / 2
    far = np.take_along_axis(distance, chosen[..., None], -1)[..., 0] > half + TOLERANCE_S
    if far.any():
        times = sorted({round(float(t), 4) for t in wanted_s[far]})
        raise InputError(
            f"{where} has no frame within half a frame ({half:.4f} s) of the times {times} s at which the truth was cut;"
            f" its frames are at {frame_time_s.tolist()} s"
        )
    return chosen
