"""What remains of videos after the grid and the GIF that released evaluators score."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from neurons.evaluate.grid_gif import round_trip
from neurons.evaluate.pixels import psnr


def textures(size: int = 64) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(2, 3, size, size, 3))
    smooth = gaussian_filter(noise, (0, 0, 5, 5, 0))
    return (255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


VIDEOS = textures()


def test_halves_have_a_border_and_are_shifted_by_one_pixel() -> None:
    white = np.full((1, 2, 8, 10, 3), 255, np.uint8)
    left, right = round_trip(white, white)
    assert left.shape == right.shape == (1, 2, 12, 13, 3)
    rows, columns = np.nonzero(left[0, 0, ..., 0] == 255)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 9, 2, 11)
    rows, columns = np.nonzero(right[0, 0, ..., 0] == 255)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 9, 1, 10)


def test_the_palette_costs_about_thirty_decibels() -> None:
    left, right = round_trip(VIDEOS, VIDEOS)
    own = psnr(VIDEOS, left[:, :, 2:66, 2:66]).mean()
    assert 26 < own < 40
    assert (left[:, :, 2:66, 2:66] == right[:, :, 2:66, 1:65]).mean() > 0.99


def test_identical_videos_are_no_longer_identical() -> None:
    left, right = round_trip(VIDEOS, VIDEOS)
    assert psnr(left, right).max() < 35


def test_frozen_and_black_clips_keep_their_frames() -> None:
    frozen = np.repeat(VIDEOS[:, :1], 3, axis=1)
    left, _ = round_trip(frozen, np.zeros_like(frozen))
    assert left.shape[1] == 3
    assert (left == left[:, :1]).all()
    black, _ = round_trip(np.zeros_like(frozen), np.zeros_like(frozen))
    assert not black.any()
