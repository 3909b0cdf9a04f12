"""Which volume answers which clip.

Clip j covers movie time ``[j * clip, (j + 1) * clip)``. Its response is read `delay` later, from the volume
``k = (clip * j + delay - onset) / repetition_time``, where `onset` is the movie time at which the scan began.
With clips of one volume and the usual delay of 4 s this is the trim of the cc2017 study (Wen et al. 2018): one volume
dropped where the scan began 2 s into the movie (245 volumes), two where it began with the movie (246).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurons.artifacts import InputError

TAIL_S = 12.0
"""Scanning goes on this long after the movie, while its last frame stands still (cc2017)."""

TOLERANCE_VOLUMES = 1e-6


@dataclass(frozen=True)
class Timing:
    """Timing of one run: number of clips, and times in s."""

    clips: int
    clip_s: float
    repetition_time_s: float
    onset_s: float

    def expected_volumes(self) -> int:
        """Volumes from the scan's onset to the end of the tail: ``clips + 6 - onset / TR`` for TR = 2 s.

        Raises
        ------
        InputError
            If clip and repetition time differ, or the onset is not a whole number of volumes.
        """
        if not math.isclose(self.clip_s, self.repetition_time_s):
            raise InputError(
                f"clips of {self.clip_s:g} s and volumes of {self.repetition_time_s:g} s cannot be paired: for now "
                "study.clip_s must equal study.repetition_time_s (one volume per clip). Set study.clip_s to the "
                "repetition time of the scan."
            )
        movie_and_tail = self.clips + (TAIL_S - self.onset_s) / self.repetition_time_s
        return self._whole(movie_and_tail, f"a scan that begins {self.onset_s:g} s after the movie (onset_s)")

    def first_volume(self, delay_s: float) -> int:
        """Index of the volume that answers clip 0; clip j is answered by the volume j later.

        Raises
        ------
        InputError
            If it is not a whole number, or lies before the scan.
        """
        lag = f"a delay of {delay_s:g} s (preprocess.hemodynamic_delay_s) and an onset of {self.onset_s:g} s (onset_s)"
        first = self._whole((delay_s - self.onset_s) / self.repetition_time_s, lag)
        if first < 0:
            raise InputError(
                f"{lag} ask for a volume before the scan began (volume {first}). The delay must be at least the "
                "onset: raise preprocess.hemodynamic_delay_s or correct onset_s in the run table."
            )
        return first

    def _whole(self, volumes: float, what: str) -> int:
        if abs(volumes - round(volumes)) > TOLERANCE_VOLUMES:
            raise InputError(
                f"{what} is not a whole number of volumes of {self.repetition_time_s:g} s ({volumes:.4f} volumes). "
                f"Use a multiple of {self.repetition_time_s:g} s."
            )
        return round(volumes)


def kept_volumes(timing: Timing, delay_s: float, available: int) -> slice:
    """Volumes that answer the clips of a run, one per clip, in order.

    Parameters
    ----------
    timing
        Of the run.
    delay_s
        Delay between a clip and its volume.
    available
        Volumes in the file.

    Raises
    ------
    InputError
        If the file has another number of volumes than the run's timing says (a shift is never guessed), or the delay
        needs volumes after its end.
    """
    expected = timing.expected_volumes()
    if available != expected:
        raise InputError(
            f"{available} volumes found, {expected} expected ({timing.clips} clips of {timing.clip_s:g} s, then "
            f"{TAIL_S:g} s of rest, scan begun {timing.onset_s:g} s after the movie). No shift is guessed: correct "
            "onset_s or the movie of this run in the run table, or leave the run out."
        )
    first = timing.first_volume(delay_s)
    if first + timing.clips > available:
        raise InputError(
            f"a delay of {delay_s:g} s needs volumes {first} to {first + timing.clips - 1} (counted from 0), but only "
            f"{available} are available. Lower preprocess.hemodynamic_delay_s."
        )
    return slice(first, first + timing.clips)
