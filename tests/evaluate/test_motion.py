"""Optical flow of known motion, and its comparison."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from neurons.evaluate.motion import end_point_error, flow_correlation, flow_direction, moves, optical_flow

TIME_S = np.array([[0.0, 0.25, 0.5]])


def moving(step_x: int, step_y: int, frames: int = 3) -> np.ndarray:
    """A smooth texture that moves by whole pixels, one clip."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(64, 64)), 3, mode="wrap")
    texture = 255 * (texture - texture.min()) / np.ptp(texture)
    shown = [np.roll(texture, (f * step_y, f * step_x), (0, 1)) for f in range(frames)]
    return np.repeat(np.stack(shown)[None, ..., None], 3, -1).astype(np.uint8)


def test_flow_of_a_moving_texture_is_its_velocity() -> None:
    flow = optical_flow(moving(2, -1), TIME_S)
    assert flow.shape == (1, 2, 64, 64, 2)
    inner = flow[:, :, 16:48, 16:48]
    assert np.median(inner[..., 0]) == pytest.approx(2 / 0.25, rel=0.05)
    assert np.median(inner[..., 1]) == pytest.approx(-1 / 0.25, rel=0.05)


def test_flow_is_per_second() -> None:
    slow, fast = optical_flow(moving(1, 0), TIME_S), optical_flow(moving(1, 0), TIME_S / 2)
    np.testing.assert_allclose(fast, 2 * slow, rtol=1e-6)


def test_end_point_error_is_the_mean_distance() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 2, 4, 5, 2))
    expected = np.linalg.norm((x - y).reshape(3, -1, 2), axis=2).mean(1)
    np.testing.assert_allclose(end_point_error(x, y), expected)
    assert (end_point_error(x, x) == 0).all()


def test_error_of_a_frozen_prediction_is_the_speed_of_the_truth() -> None:
    flow = optical_flow(moving(2, 0), TIME_S)
    frozen = optical_flow(np.repeat(moving(2, 0)[:, :1], 3, 1), TIME_S)
    assert end_point_error(flow, frozen) == pytest.approx(
        np.hypot(*np.moveaxis(flow, -1, 0)).mean(), rel=1e-5
    )
    assert not moves(frozen).any()
    assert moves(flow).all()


def test_correlation_equals_numpy_for_all_pairs() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 2, 4, 5, 2))
    values = flow_correlation(x, y)
    for i in range(3):
        for j in range(3):
            assert values[i, j] == pytest.approx(np.corrcoef(x[i].ravel(), y[j].ravel())[0, 1])
    assert np.diagonal(flow_correlation(x, 3 * x + 1)) == pytest.approx(1)


def test_constant_flow_correlates_with_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 5, 2))
    assert (flow_correlation(x, np.zeros_like(x)) == 0).all()


def test_direction_of_known_motion() -> None:
    right = optical_flow(moving(2, 0), TIME_S)
    left, still = -right, np.zeros_like(right)
    for prediction, expected in ((right, 1.0), (3 * right, 1.0), (left, -1.0), (still, 0.0)):
        values, applies = flow_direction(right, prediction, 0.5)
        assert values[0, 0] == pytest.approx(expected, abs=1e-6)
        assert applies.tolist() == [True]
    assert not flow_direction(still, right, 0.5)[1].any()


def test_direction_by_definition() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 3, 2, 4, 5, 2))
    values, applies = flow_direction(x, y, 1.0)
    assert applies.all()
    for i in range(3):
        for j in range(3):
            cosines = []
            for a, b in zip(x[i].reshape(-1, 2), y[j].reshape(-1, 2), strict=True):
                if np.hypot(*a) > 1:
                    cosines.append(a @ b / (np.hypot(*a) * np.hypot(*b)) if np.hypot(*b) > 1 else 0.0)
            assert values[i, j] == pytest.approx(np.mean(cosines), abs=1e-6)
