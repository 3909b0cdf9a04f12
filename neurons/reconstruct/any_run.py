"""One run of anybody's scanner session as responses of clips, in the way in which the training responses were made.

Clips follow each other without gaps; times count from the beginning of the scan, or of the movie if `onset_s` says how they
lie. A clip's response is the signal one delay later, in the subject's selected vertices; a polynomial is removed from each
vertex's course over the run's clips, and it is divided by its SD over them (`neurons.preprocess.standardise`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurons.artifacts import InputError, clip_id
from neurons.console import logger
from neurons.preprocess.standardise import standardise
from neurons.preprocess.timing import Timing, clip_courses, clip_weights

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Reading:
    """How a run is read, times in s; `onset_s` is the movie time at which the scan began (0: times count from the scan)."""

    clip_s: float
    delay_s: float
    repetition_time_s: float
    onset_s: float
    detrend_order: int

    def span(self, volumes: int) -> tuple[float, float]:
        """The first and the last time at which a clip may begin whose response lies within the scan."""
        first = max(0.0, self.onset_s - self.delay_s)
        return first, volumes * self.repetition_time_s + self.onset_s - self.delay_s - self.clip_s


@dataclass(frozen=True)
class RunClips:
    """Clips of a run.

    Attributes
    ----------
    clip_ids
        ``<run>:<k>``.
    starts_s
        When each clip begins, float64 (n,).
    """

    clip_ids: list[str]
    starts_s: np.ndarray


def clips_of_run(name: str, reading: Reading, volumes: int, at_s: float = 0.0) -> RunClips:
    """All clips of a run whose beginnings lie whole clips apart from `at_s`.

    Parameters
    ----------
    name
        Of the run, in clip ids.
    volumes
        Number of volumes.
    at_s
        A time at which a clip begins.

    Raises
    ------
    InputError
        If the run is too short for a single clip.
    """
    first, last = reading.span(volumes)
    start = at_s + math.ceil((first - at_s) / reading.clip_s - TOLERANCE) * reading.clip_s
    count = math.floor((last - start) / reading.clip_s + TOLERANCE) + 1
    if count < 1:
        raise InputError(
            f"run {name}: {volumes} volumes of {reading.repetition_time_s:g} s hold no response to a clip of "
            f"{reading.clip_s:g} s with a delay of {reading.delay_s:g} s"
        )
    starts = start + reading.clip_s * np.arange(count)
    return RunClips([clip_id(name, index) for index in range(count)], starts)


def clip_at(clips: RunClips, reading: Reading, volumes: int, at_s: float) -> str:
    """The clip that begins at `at_s`.

    Raises
    ------
    InputError
        If its response is not within the scan.
    """
    first, last = reading.span(volumes)
    if not first - TOLERANCE <= at_s <= last + TOLERANCE:
        raise InputError(
            f"--at {at_s:g} is out of range: a clip may begin {first:g} to {last:g} s after "
            f"{'the movie' if reading.onset_s else 'the scan'} began, so that its response, {reading.delay_s:g} s later, "
            f"lies within the {volumes} volumes of {reading.repetition_time_s:g} s"
        )
    return clips.clip_ids[int(np.abs(clips.starts_s - at_s).argmin())]


def responses_of_run(
    courses: np.ndarray, vertices: np.ndarray, clips: RunClips, reading: Reading
) -> np.ndarray:
    """Standardised responses.

    Parameters
    ----------
    courses
        float32 (locations, volumes).
    vertices
        The subject's selected locations.

    Returns
    -------
    numpy.ndarray
        float32 (clips, selected locations).
    """
    # A timing counts from a movie's first clip, which begins at its time 0.
    onset = reading.onset_s - float(clips.starts_s[0])
    timing = Timing(len(clips.clip_ids), reading.clip_s, reading.repetition_time_s, onset)
    weights = clip_weights(timing, reading.delay_s, courses.shape[1])
    chosen = clip_courses(courses[vertices], weights)
    valid, _, _ = standardise(chosen, reading.detrend_order)
    if not valid.all():
        logger.warning(
            "%d of %d selected vertices are constant in this run; their response is 0",
            (~valid).sum(),
            len(valid),
        )
    return chosen.T


def check_repetition_time(header_s: float, study_s: float, given_s: float | None) -> float:
    """The repetition time to use, in s: the given one, or the study's if the header agrees with it.

    Raises
    ------
    InputError
        If header and study differ and none was given, or the given one is not positive.
    """
    if given_s is not None:
        if given_s <= 0:
            raise InputError(f"--repetition-time-s {given_s:g} is not a time between volumes")
        return given_s
    if not np.isclose(header_s, study_s):
        raise InputError(
            f"the header says {header_s:g} s between volumes, the study has {study_s:g} s (study.repetition_time_s). "
            "Say which is right: --repetition-time-s (any will do; volumes count by their overlap with a clip's window)."
        )
    return study_s
