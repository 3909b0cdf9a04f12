"""From what is seen to what a scanner measures: haemodynamic response and sampling at volumes."""

from __future__ import annotations

from math import gamma

import numpy as np
from numpy.typing import NDArray

STATIC_S = 12.0
"""The first frame stands for 12 s before a movie, the last one for 12 s after it (cc2017)."""
PEAK_S = 4.0
"""Of the peak, as in the feature models of the authors of cc2017: hence the 4 s delay of a clip's volume."""
UNDERSHOOT_S = 14.0
UNDERSHOOT_RATIO = 1 / 6
RESPONSE_S = 30.0


def haemodynamic_response(time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Double-gamma response to an impulse at time 0, in 1/s; its integral is 1.

    Difference of two gamma densities with scale 1 s and modes at 4 and 14 s, the second weighted by 1/6
    (Friston et al., 1998, with an earlier peak).
    """
    late: NDArray[np.float64] = np.asarray(np.maximum(time_s, 0.0), np.float64)
    response = _gamma_density(late, PEAK_S) - UNDERSHOOT_RATIO * _gamma_density(late, UNDERSHOOT_S)
    return response / (1 - UNDERSHOOT_RATIO)


def _gamma_density(time_s: NDArray[np.float64], mode_s: float) -> NDArray[np.float64]:
    return np.asarray(time_s**mode_s * np.exp(-time_s) / gamma(mode_s + 1), np.float64)


def n_volumes(movie_s: float, onset_s: float, repetition_time_s: float) -> int:
    """Volumes of a run that begins `onset_s` after the movie and ends 12 s after the movie's end."""
    return round((movie_s + STATIC_S - onset_s) / repetition_time_s)


def feature_times(movie_s: float, step_s: float) -> NDArray[np.float64]:
    """Middles of the time steps from 12 s before a movie to 12 s after it, in s of movie time."""
    steps = round((movie_s + 2 * STATIC_S) / step_s)
    return np.asarray(-STATIC_S + (np.arange(steps) + 0.5) * step_s, np.float64)


def sample_volumes(
    features: NDArray[np.floating],
    times_s: NDArray[np.float64],
    onset_s: float,
    repetition_time_s: float,
    volumes: int,
) -> NDArray[np.float64]:
    """Haemodynamic response to features, at the middle of each volume.

    Volume k covers movie time ``[onset_s + k TR, onset_s + (k + 1) TR)``; its value is the response at the
    middle.

    Parameters
    ----------
    features
        (steps, features), constant within each time step.
    times_s
        Middles of the steps, evenly spaced; what comes before them is taken to be like the first step.

    Returns
    -------
    numpy.ndarray
        (volumes, features) float64.
    """
    step_s = times_s[1] - times_s[0]
    padding = round(RESPONSE_S / step_s)
    before = times_s[0] - step_s * np.arange(padding, 0, -1)
    all_times = np.concatenate([before, times_s])
    held = np.concatenate([np.repeat(features[:1], padding, axis=0), features]).astype(np.float64)
    middles = onset_s + (np.arange(volumes) + 0.5) * repetition_time_s
    kernel = haemodynamic_response(middles[:, None] - all_times[None, :]) * step_s
    return kernel @ held
