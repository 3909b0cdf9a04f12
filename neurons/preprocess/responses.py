"""From the time series of a run to one z-scored response per clip, a block of locations after the other.

Every location is processed on its own, so that a block of them passes through all operations while it lies in the
processor's cache: the run is read once and its responses are written once, whatever happens between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurons.preprocess.confounds import remove_confounds
from neurons.preprocess.standardise import spikes, standardise
from neurons.preprocess.timing import clip_courses

BLOCK = 512
"""Locations at once: 240 float32 values of each are half a MB."""


@dataclass(frozen=True)
class Responses:
    """What is made of one run.

    Attributes
    ----------
    responses
        Z-scores, float32 (clips, locations); 0 where not valid.
    valid
        Locations that are not constant, bool (locations,).
    tsnr, sd
        Mean over SD after detrending (0 where not valid), and that SD; float32 (locations,).
    spiking
        Locations that spike at each clip, int64 (clips,).
    """

    responses: np.ndarray
    valid: np.ndarray
    tsnr: np.ndarray
    sd: np.ndarray
    spiking: np.ndarray


def clip_responses(
    series: np.ndarray, weights: np.ndarray, order: int, confounds: np.ndarray | None = None
) -> Responses:
    """Regress out confounds, take the signal of each clip, remove a polynomial, divide by the sample SD.

    Parameters
    ----------
    series
        Float32 (volumes, locations), such as a memory-mapped file; it is not changed.
    weights
        From `neurons.preprocess.timing.clip_weights`, (clips, volumes).
    order
        Of the polynomial.
    confounds
        From `neurons.preprocess.confounds.confound_basis`, (volumes, columns); None removes nothing.

    Raises
    ------
    InputError
        If clips are too few for the polynomial.
    """
    clips, (volumes, locations) = len(weights), series.shape
    made = Responses(
        responses=np.empty((clips, locations), np.float32),
        valid=np.empty(locations, bool),
        tsnr=np.empty(locations, np.float32),
        sd=np.empty(locations, np.float32),
        spiking=np.zeros(clips, np.int64),
    )
    for first in range(0, locations, BLOCK):
        block = slice(first, first + BLOCK)
        measured = np.empty((min(BLOCK, locations - first), volumes), np.float32)
        measured.T[...] = series[:, block]  # reads along rows: three times as fast as a copy of the transpose
        if confounds is not None:
            remove_confounds(measured, confounds)
        courses = clip_courses(measured, weights)
        made.valid[block], made.tsnr[block], made.sd[block] = standardise(courses, order)
        made.spiking[:] += np.bincount(np.nonzero(spikes(courses))[1], minlength=clips)
        made.responses[:, block] = courses.T
    return made
