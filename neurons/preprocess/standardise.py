"""Slow drifts out, unit variance in: the processing of each run after trimming (Wen et al. 2018)."""

from __future__ import annotations

from functools import cache

import numpy as np

from neurons.artifacts import InputError

CONSTANT = 1e-6
"""A vertex whose SD after detrending is below this share of its largest value holds rounding errors only."""

FAINT = 0.01
"""Share of the median SD below which a vertex hardly changes."""

ROBUST_SD = 1.4826
"""SD of a normal distribution, in median absolute deviations."""


@cache
def polynomial_basis(volumes: int, order: int) -> np.ndarray:
    """Orthonormal basis of the polynomials up to `order` on equally spaced volumes; read-only float64, (volumes, order + 1).

    Raises
    ------
    InputError
        If fewer than two degrees of freedom would remain.
    """
    if volumes < order + 3:
        raise InputError(
            f"{volumes} volumes are too few for a polynomial of order {order} (preprocess.detrend_order): at least "
            f"{order + 3} are needed"
        )
    powers = np.polynomial.legendre.legvander(np.linspace(-1, 1, volumes), order)
    basis, _ = np.linalg.qr(powers)
    basis.flags.writeable = False
    return np.asarray(basis)


def standardise(courses: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Remove a polynomial from each time course and divide by the sample SD (n - 1), **in place**.

    Needs as much memory again as `courses` for the fitted polynomials.

    Parameters
    ----------
    courses
        Time courses, float32 (vertices, volumes); becomes z-scores. Constant vertices become 0.
    order
        Of the polynomial; 0 removes the mean only.

    Returns
    -------
    tuple
        `valid`, bool (vertices,): not constant; `tsnr`, float32 (vertices,): mean over SD after detrending, 0 if not valid;
        `sd`, float32 (vertices,): that SD.
    """
    volumes = courses.shape[1]
    basis = polynomial_basis(volumes, order).astype(np.float32)
    scale = np.maximum(courses.max(axis=1), -courses.min(axis=1))
    mean = courses.mean(axis=1, dtype=np.float64).astype(np.float32)
    courses -= mean[:, None]  # first, so that large intensities cost no precision below
    courses -= (courses @ basis) @ basis.T
    sd = np.sqrt(np.einsum("vt,vt->v", courses, courses) / (volumes - 1))
    valid = sd > CONSTANT * scale
    courses *= np.divide(1, sd, out=np.zeros_like(sd), where=valid)[:, None]
    return valid, np.divide(mean, sd, out=np.zeros_like(sd), where=valid), sd


def faint(sd: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Vertices that change, but less than a hundredth as much as the typical one: rounding or interpolation, no recording.

    Parameters
    ----------
    sd, valid
        Of all vertices of a run, from `standardise`.

    Returns
    -------
    numpy.ndarray
        bool, (vertices,).
    """
    typical = float(np.median(sd[valid])) if valid.any() else 0.0
    return valid & (sd < FAINT * typical)


def spikes(courses: np.ndarray, threshold: float = 6.0) -> np.ndarray:
    """Values further than `threshold` robust SD from 0.

    Parameters
    ----------
    courses
        Standardised time courses, float32 (vertices, volumes).

    Returns
    -------
    numpy.ndarray
        bool, (vertices, volumes).
    """
    deviation = np.abs(courses)
    middle = courses.shape[1] // 2
    robust_sd = ROBUST_SD * np.partition(deviation, middle, axis=1)[:, middle]
    return deviation > threshold * np.where(robust_sd > 0, robust_sd, np.inf)[:, None]
