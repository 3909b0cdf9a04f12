"""Hue: the angle itself, and its two comparisons."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import pytest

from neurons.evaluate.colour import circular_correlation, hue_angles, hue_cosine

TRUTH, PREDICTION = np.random.default_rng(0).integers(0, 256, (2, 3, 2, 8, 6, 3), dtype=np.uint8)
GREY = np.repeat(TRUTH[..., :1], 3, -1)


def test_hue_is_that_of_the_standard_library() -> None:
    angles = hue_angles(TRUTH)
    for pixel, angle in zip(TRUTH.reshape(-1, 3), angles.ravel(), strict=True):
        expected = colorsys.rgb_to_hsv(*(pixel / 255))[0] * 2 * np.pi
        assert angle == pytest.approx(expected, abs=1e-9)
    assert np.isnan(hue_angles(GREY)).all()


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Circular correlation of two frames, from complex numbers."""
    centred = []
    for frame in (x, y):
        angle = (
            np.array([colorsys.rgb_to_hsv(*(pixel / 255))[0] for pixel in frame.reshape(-1, 3)]) * 2 * np.pi
        )
        centred.append(np.sin(angle - np.angle(np.exp(1j * angle).sum())))
    a, b = centred
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def test_circular_correlation_by_definition() -> None:
    values = circular_correlation(TRUTH, PREDICTION)
    for i in range(3):
        for j in range(3):
            expected = np.mean([by_definition(TRUTH[i, f], PREDICTION[j, f]) for f in range(2)])
            assert values[i, j] == pytest.approx(expected, abs=1e-6)
    assert np.diagonal(circular_correlation(TRUTH, TRUTH)) == pytest.approx(1, abs=1e-6)


def test_exchanging_the_channels_of_both_does_not_matter() -> None:
    turned = circular_correlation(TRUTH[..., [1, 2, 0]], PREDICTION[..., [1, 2, 0]])
    np.testing.assert_allclose(turned, circular_correlation(TRUTH, PREDICTION), atol=1e-6)


def test_frames_without_hue_or_with_one_correlate_with_nothing() -> None:
    red = np.zeros_like(TRUTH)
    red[..., 0] = 200
    for constant in (GREY, red):
        assert (circular_correlation(TRUTH, constant) == 0).all()


def test_hue_cosine_as_released() -> None:
    values = hue_cosine(TRUTH, PREDICTION)
    for i in range(3):
        for j in range(3):
            cosines = []
            for f in range(2):
                a, b = (
                    cv2.cvtColor(clip, cv2.COLOR_BGR2HSV)[..., 0].astype(float).ravel() / 360
                    for clip in (TRUTH[i, f], PREDICTION[j, f])
                )
                cosines.append(a @ b / np.sqrt((a @ a) * (b @ b)))
            assert values[i, j] == pytest.approx(np.mean(cosines), abs=1e-6)
