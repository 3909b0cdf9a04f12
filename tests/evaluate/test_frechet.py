"""The Frechet distance against its definition, and its interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from neurons.evaluate.frechet import frechet_distance, jackknife_interval

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("clips", "width"), [(40, 6), (40, 40), (12, 30)])
def test_equals_the_definition(clips: int, width: int) -> None:
    x, y = RANDOM.normal(size=(clips, width)), 0.5 + 1.7 * RANDOM.normal(size=(clips, width))
    a, b = np.cov(x.T), np.cov(y.T)
    root = np.real(sqrtm(a @ b))
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(a + b - 2 * root)
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-4)


def test_a_set_is_at_no_distance_from_itself_in_any_order() -> None:
    x = RANDOM.normal(size=(30, 8))
    assert frechet_distance(x, x[RANDOM.permutation(30)]) == pytest.approx(0, abs=1e-9)


def test_a_shift_costs_its_square_and_rotations_nothing() -> None:
    x, y = RANDOM.normal(size=(2, 30, 8))
    assert frechet_distance(x, x + 3) == pytest.approx(8 * 9)
    turn = np.linalg.qr(RANDOM.normal(size=(8, 8)))[0]
    assert frechet_distance(x @ turn, y @ turn) == pytest.approx(frechet_distance(x, y))


def test_interval_is_the_block_jackknife() -> None:
    x, y, blocks = RANDOM.normal(size=(24, 5)), RANDOM.normal(size=(24, 5)) + 1, np.repeat(np.arange(6), 4)
    without = [frechet_distance(x[blocks != b], y[blocks != b]) for b in range(6)]
    error = np.sqrt(5 / 6 * sum((value - np.mean(without)) ** 2 for value in without))
    low, high = jackknife_interval(x, y, blocks)
    value = frechet_distance(x, y)
    assert (low, high) == pytest.approx((value - 1.96 * error, value + 1.96 * error))
    assert np.isnan(jackknife_interval(x, y, np.zeros(24))).all()
