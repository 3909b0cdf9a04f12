"""Which frame of a movie belongs to which time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from fractions import Fraction


def exact(seconds: float) -> Fraction:
    """Seconds as the rational number that was meant (2.0, 0.1, 1.49), so that sums do not drift."""
    return Fraction(seconds).limit_denominator(1_000_000)


def target_times(clip_s: Fraction, frames_per_clip: int, phase: Fraction) -> Iterator[Fraction]:
    """Times of the wanted frames: ``clip_s * j + (f + phase) * clip_s / F`` of frame f of clip j.

    They go on without end.

    Parameters
    ----------
    clip_s
        Length of a clip, in s.
    phase
        Where in its interval of ``clip_s / F`` a frame is taken, in [0, 1).
    """
    interval = clip_s / frames_per_clip
    return ((count + phase) * interval for count in itertools.count())


def clip_count(duration: Fraction, frame_duration: Fraction, clip_s: Fraction) -> int:
    """Number of whole clips: a movie that lacks at most one frame at its end still fills its last clip."""
    return int((duration + frame_duration) // clip_s)


class FramePicker:
    """Decides, frame by frame, which targets the frame that is being replaced has served.

    A target t is served by the frame with the largest presentation time <= t + (1/4 - phase) * d, where d
    is the nominal frame duration. For phase 0 (start of an interval) that is the frame which starts at t,
    with a tolerance of a quarter of a frame; for phase 1/2 (middle) the frame whose own middle is nearest
    to t, the earlier one where t lies between two frames: frames 4, 14, 24, ... of a 30 Hz movie cut to 3
    Hz, as ffmpeg's `fps` filter picks. Keeping a quarter of a frame away from the borders between frames
    makes the choice proof against rounded time stamps.

    Parameters
    ----------
    targets
        Ascending times, in s.
    """

    def __init__(self, targets: Iterator[Fraction], phase: Fraction, frame_duration: Fraction) -> None:
        self._targets = targets
        self._shift = (Fraction(1, 4) - phase) * frame_duration
        self._next = next(targets)

    def served_before(self, time: Fraction) -> list[Fraction]:
        """Targets served by the frames shown before a frame that starts at `time` (s); each is given once."""
        served = []
        while self._next + self._shift < time:
            served.append(self._next)
            self._next = next(self._targets)
        return served

    def served_until(self, end: Fraction) -> list[Fraction]:
        """Targets before `end` (s), served by the last frame of the movie."""
        served = []
        while self._next < end:
            served.append(self._next)
            self._next = next(self._targets)
        return served
