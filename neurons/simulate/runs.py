"""One simulated run: the evoked response of a brain to a movie, and all else that a scanner records."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurons.artifacts import seed_for
from neurons.preprocess import atlas
from neurons.simulate.brain import FEATURE_STEP_S, weight_matrix
from neurons.simulate.features import stimulus_features
from neurons.simulate.haemodynamics import feature_times, n_volumes, sample_volumes
from neurons.simulate.movies import TimedScene

MEAN_INTENSITY = 10_000.0
NOISE_SD = 120.0
"""Median over vertices of the SD of the autocorrelated noise: about 1 % of the intensity."""
AUTOCORRELATION = 0.3
"""Of the noise, from one volume to the next."""
GAIN_SD = 0.1
"""Of the logarithm of a run's factor on the evoked response."""
DRIFT_SD = (1.5, 1.0, 0.6)
"""Of the linear, quadratic and cubic drift of a vertex, in units of its noise."""
N_ARTEFACTS = 3
ARTEFACT_SD = 0.3
"""Of a vertex's loading on each artefact, in units of its noise."""
JUMP_PROBABILITY = 0.03
"""Of a sudden movement at a volume."""
SPIKE_PROBABILITY = 0.003
"""Of a volume with a spike."""
SPIKE_SD = 8.0


def evoked_response(
    timeline: Sequence[TimedScene],
    movie_s: float,
    vertices: pd.DataFrame,
    onset_s: float,
    repetition_time_s: float,
    delay_s: float = 0.0,
) -> NDArray[np.float32]:
    """Evoked response of the cortex at each volume of a run, in units of the noise of each vertex.

    Parameters
    ----------
    vertices
        Table of `simulate_brain`.
    onset_s
        Movie time at which the scan begins, by the run table.
    delay_s
        How much later the scan really began.

    Returns
    -------
    numpy.ndarray
        (volumes, 59412) float32; the last volume ends 12 s after the movie (by the run table).
    """
    times_s = feature_times(movie_s, FEATURE_STEP_S)
    features = stimulus_features(timeline, movie_s, times_s)
    volumes = n_volumes(movie_s, onset_s, repetition_time_s)
    # After the static last frame nothing is known: the screen is taken to keep showing it.
    beyond = np.arange(1, round(delay_s / FEATURE_STEP_S) + 1) * FEATURE_STEP_S
    times_s = np.concatenate([times_s, times_s[-1] + beyond])
    features = np.concatenate([features, np.repeat(features[-1:], len(beyond), axis=0)])
    responses = sample_volumes(features, times_s, onset_s + delay_s, repetition_time_s, volumes)
    return np.asarray((weight_matrix(vertices) @ responses.T.astype(np.float32)).T, np.float32)


def autocorrelated_noise(rng: np.random.Generator, volumes: int, count: int) -> NDArray[np.float32]:
    """First-order autoregressive noise with mean 0 and SD 1, (volumes, count)."""
    noise = rng.standard_normal((volumes, count), dtype=np.float32)
    fresh = np.float32(np.sqrt(1 - AUTOCORRELATION**2))
    for volume in range(1, volumes):
        noise[volume] = AUTOCORRELATION * noise[volume - 1] + fresh * noise[volume]
    return noise


def drift(rng: np.random.Generator, volumes: int, count: int) -> NDArray[np.float32]:
    """Slow polynomial drift in units of the noise, (volumes, count)."""
    along = np.linspace(-1, 1, volumes)
    shapes = np.polynomial.legendre.legvander(along, len(DRIFT_SD))[:, 1:].astype(np.float32)
    loadings = rng.standard_normal((len(DRIFT_SD), count), dtype=np.float32)
    return shapes @ (loadings * np.array(DRIFT_SD, np.float32)[:, None])


def artefact_courses(rng: np.random.Generator, volumes: int) -> NDArray[np.float32]:
    """Courses of head-motion-like artefacts: random walks with jumps, mean 0 and SD 1, (volumes, 3)."""
    steps = rng.standard_normal((volumes, N_ARTEFACTS)) * 0.3
    jumps = (rng.random((volumes, 1)) < JUMP_PROBABILITY) * rng.standard_normal((volumes, N_ARTEFACTS)) * 4
    walk = np.cumsum(steps + jumps, axis=0)
    return np.asarray((walk - walk.mean(axis=0)) / walk.std(axis=0), np.float32)


def measured_run(seed: int, subject: str, run: str, evoked: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the scanner records: intensities of all grayordinates.

    Parameters
    ----------
    seed, subject, run
        Decide the noise. Intensity, noise level and artefact loadings of a vertex depend on the subject only.
    evoked
        (volumes, 59412) in units of the noise.

    Returns
    -------
    numpy.ndarray
        (volumes, 91282) float32; beyond the cortex there is only noise.
    """
    volumes = len(evoked)
    person = np.random.default_rng(seed_for(seed, "simulate", "scanner", subject))
    intensity = MEAN_INTENSITY * (1 + 0.15 * person.standard_normal(atlas.GRAYORDINATES, dtype=np.float32))
    noise_sd = NOISE_SD * np.exp(0.3 * person.standard_normal(atlas.GRAYORDINATES, dtype=np.float32))
    loadings = ARTEFACT_SD * person.standard_normal((N_ARTEFACTS, atlas.GRAYORDINATES), dtype=np.float32)
    rng = np.random.default_rng(seed_for(seed, "simulate", "run", subject, run))
    gain = np.float32(np.exp(GAIN_SD * rng.standard_normal()))
    offset = np.float32(1 + 0.02 * rng.standard_normal())
    signal = autocorrelated_noise(rng, volumes, atlas.GRAYORDINATES)
    signal += drift(rng, volumes, atlas.GRAYORDINATES)
    signal += artefact_courses(rng, volumes) @ loadings
    spikes = (rng.random(volumes) < SPIKE_PROBABILITY) * SPIKE_SD * rng.choice([-1.0, 1.0], volumes)
    signal += spikes[:, None].astype(np.float32)
    signal[:, : evoked.shape[1]] += gain * evoked
    return np.asarray(offset * np.maximum(intensity, 0.2 * MEAN_INTENSITY) + noise_sd * signal, np.float32)
