"""Detrending and z-scoring against independent implementations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from neurons.artifacts import InputError
from neurons.preprocess.standardise import faint, polynomial_basis, spikes, standardise


@pytest.fixture
def courses() -> np.ndarray:
    random = np.random.default_rng(3)
    time = np.linspace(0, 1, 240)
    drift = 300 * np.outer(random.standard_normal(25), time**3) + 100 * np.outer(
        random.standard_normal(25), time
    )
    return (9000 + drift + 60 * random.standard_normal((25, 240))).astype(np.float32)


@pytest.mark.parametrize("order", [0, 2, 4])
def test_equals_polyfit_and_zscore(courses: np.ndarray, order: int) -> None:
    time = np.linspace(0, 1, courses.shape[1])
    expected = []
    for course in courses.astype(np.float64):
        residual = course - np.polyval(np.polyfit(time, course, order), time)
        expected.append(scipy.stats.zscore(residual, ddof=1))
    result = courses.copy()
    valid, _, _ = standardise(result, order)
    assert valid.all()
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_basis_is_orthonormal_and_spans_powers() -> None:
    basis = polynomial_basis(50, 4)
    np.testing.assert_allclose(basis.T @ basis, np.eye(5), atol=1e-12)
    powers = np.vander(np.arange(50) / 50, 5)
    np.testing.assert_allclose(basis @ (basis.T @ powers), powers, atol=1e-12)


def test_polynomials_and_gain_change_nothing(courses: np.ndarray) -> None:
    volumes = np.arange(240, dtype=np.float32)
    changed = 3 * courses + 2 * volumes + 0.01 * volumes**2
    for array in (courses, changed):
        standardise(array, 4)
    np.testing.assert_allclose(
        changed, courses, atol=2e-4
    )  # float32 resolves the larger intensities less well


def test_constant_and_purely_drifting_vertices_are_not_valid(courses: np.ndarray) -> None:
    courses[3] = 0
    courses[7] = 10000
    courses[11] = 10000 + 2 * np.arange(240)
    valid, tsnr, _ = standardise(courses, 4)
    assert np.flatnonzero(~valid).tolist() == [3, 7, 11]
    assert not courses[~valid].any() and not tsnr[~valid].any()
    assert np.isfinite(courses).all()


def test_tsnr_is_mean_over_sd(courses: np.ndarray) -> None:
    random = np.random.default_rng(0)
    white = (5000 + 50 * random.standard_normal((200, 240))).astype(np.float32)
    _, tsnr, sd = standardise(white, 0)
    assert np.median(tsnr) == pytest.approx(100, rel=0.02)
    assert np.median(sd) == pytest.approx(50, rel=0.02)


def test_vertices_that_hardly_change_are_faint_and_constant_ones_are_not(courses: np.ndarray) -> None:
    random = np.random.default_rng(0)
    courses = (5000 + 50 * random.standard_normal((200, 240))).astype(np.float32)
    courses[3] = 5000
    courses[7] = 5000 + (courses[7] - 5000) / 150
    courses[9] = 5000 + (courses[9] - 5000) / 50
    valid, _, sd = standardise(courses, 4)
    assert np.flatnonzero(faint(sd, valid)).tolist() == [7]
    assert not faint(np.zeros(5, np.float32), np.zeros(5, bool)).any()


def test_a_vertex_does_not_depend_on_the_others(courses: np.ndarray) -> None:
    alone = courses[4:6].copy()
    standardise(courses, 4)
    standardise(alone, 4)
    np.testing.assert_allclose(alone, courses[4:6], atol=1e-6)


def test_too_few_volumes_for_the_order() -> None:
    with pytest.raises(InputError, match=r"6 volumes are too few .* at least 7"):
        standardise(np.ones((2, 6), np.float32), 4)


def test_planted_spikes_are_found_and_nothing_else() -> None:
    courses = np.random.default_rng(1).standard_normal((300, 240)).astype(np.float32)
    planted = np.zeros(courses.shape, bool)
    planted[5, 17] = planted[100:200, 60] = True
    courses[planted] = -20
    np.testing.assert_array_equal(spikes(courses), planted)


def test_constant_vertices_do_not_spike() -> None:
    assert not spikes(np.zeros((2, 10), np.float32)).any()
