"""Which volumes answer which clip.

Clip j covers movie time ``[j * clip, (j + 1) * clip)``. Its response is what is measured `delay` later: the mean signal
over scan time ``[clip * j + delay - onset, clip * (j + 1) + delay - onset)``, where `onset` is the movie time at which the
scan began (negative if the movie began later than the scan). Each volume counts by its overlap with that window, so that any
repetition time, clip length and delay are paired, and in one way only.

With clips of one volume and the usual delay of 4 s the window is exactly one volume, and this is the trim of the cc2017
study (Wen et al. 2018): one volume dropped where the scan began 2 s into the movie (245 volumes), two where it began with
the movie (246).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurons.artifacts import InputError

TOLERANCE_VOLUMES = 1e-6


@dataclass(frozen=True)
class Timing:
    """Timing of one run: number of clips, and times in s; `tail_s` is the scanning after the movie, None if not known."""

    clips: int
    clip_s: float
    repetition_time_s: float
    onset_s: float
    tail_s: float | None = None

    def expected_volumes(self) -> int | None:
        """Volumes from the scan's onset to the end of the tail, ``(movie + tail - onset) / TR``; None without a tail.

        Raises
        ------
        InputError
            If that is not a whole number.
        """
        if self.tail_s is None:
            return None
        volumes = (self.clips * self.clip_s + self.tail_s - self.onset_s) / self.repetition_time_s
        if abs(volumes - round(volumes)) > TOLERANCE_VOLUMES:
            raise InputError(
                f"a scan that begins {self.onset_s:g} s after the movie (onset_s) and ends {self.tail_s:g} s after its end "
                f"(study.tail_s) is not a whole number of volumes of {self.repetition_time_s:g} s ({volumes:.4f} volumes). "
                "Correct these times, or set study.tail_s to null to accept any number that covers the clips."
            )
        return round(volumes)


def clip_weights(timing: Timing, delay_s: float, available: int) -> np.ndarray:
    """Share of each volume in the response to each clip; rows sum to 1.

    Parameters
    ----------
    timing
        Of the run.
    delay_s
        Delay between a clip and its response.
    available
        Volumes in the file.

    Returns
    -------
    numpy.ndarray
        float64 (clips, volumes).

    Raises
    ------
    InputError
        If the file has another number of volumes than the run's timing says (a shift is never guessed), or the delay
        needs volumes before its start or after its end.
    """
    _check_count(timing, available)
    starts = (np.arange(timing.clips) * timing.clip_s + delay_s - timing.onset_s) / timing.repetition_time_s
    ends = starts + timing.clip_s / timing.repetition_time_s
    lag = f"a delay of {delay_s:g} s (preprocess.hemodynamic_delay_s) and an onset of {timing.onset_s:g} s (onset_s)"
    if starts[0] < -TOLERANCE_VOLUMES:
        raise InputError(
            f"{lag} ask for {-starts[0] * timing.repetition_time_s:g} s before the scan began. The delay must be at least "
            "the onset: raise preprocess.hemodynamic_delay_s or correct onset_s in the run table."
        )
    if ends[-1] > available + TOLERANCE_VOLUMES:
        raise InputError(
            f"{lag} need volumes {starts[0]:g} to {ends[-1]:g} (counted from 0), but only {available} are available. "
            "Lower preprocess.hemodynamic_delay_s, or correct onset_s or the movie of this run in the run table."
        )
    volumes = np.arange(available)
    overlap = np.minimum(ends[:, None], volumes + 1) - np.maximum(starts[:, None], volumes)
    overlap[overlap < TOLERANCE_VOLUMES] = 0
    return overlap / overlap.sum(axis=1, keepdims=True)


def _check_count(timing: Timing, available: int) -> None:
    expected = timing.expected_volumes()
    if expected is not None and available != expected:
        raise InputError(
            f"{available} volumes found, {expected} expected ({timing.clips} clips of {timing.clip_s:g} s, then "
            f"{timing.tail_s:g} s of rest, scan begun {timing.onset_s:g} s after the movie). No shift is guessed: correct "
            "onset_s or the movie of this run in the run table, or leave the run out (study.exclude)."
        )


def clip_courses(courses: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Signal of each clip: weighted means of volumes, a plain choice of columns where each clip is one volume.

    Parameters
    ----------
    courses
        float32 (vertices, volumes).
    weights
        From `clip_weights`.

    Returns
    -------
    numpy.ndarray
        float32 (vertices, clips), a copy.
    """
    if (weights.max(axis=1) == 1).all():
        chosen = weights.argmax(axis=1)
        if (
            np.diff(chosen) == 1
        ).all():  # clips and volumes are equally long: a slice is copied five times as fast
            return courses[:, chosen[0] : chosen[-1] + 1].copy()
        return np.ascontiguousarray(courses[:, chosen])
    # In single precision a mean of intensities of 10,000 keeps an error of 0.001, far below the noise of a scanner.
    return courses @ weights.T.astype(np.float32)
