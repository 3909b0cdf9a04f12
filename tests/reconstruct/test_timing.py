"""Times of frames, and interpolation in time, against a moving object of known position."""

from __future__ import annotations

import numpy as np
import torch

from neurons.reconstruct.aggregate import interpolate
from neurons.reconstruct.timing import frame_times, nearest, source_frame


def bump(positions, width=64):
    """Pictures (1, len(positions), 1, 1, width) with a bump centred at each position."""
    grid = np.arange(width)
    return torch.tensor(np.exp(-((grid - positions[:, None]) ** 2) / 18.0))[None, :, None, None]


def centre(pictures):
    weights = pictures.flatten(0, -2)
    return ((weights * torch.arange(weights.shape[-1])).sum(-1) / weights.sum(-1)).numpy()


def test_times_are_those_of_the_paper_scale():
    np.testing.assert_allclose(frame_times(6, 2.0), [1 / 6, 1 / 2, 5 / 6, 7 / 6, 3 / 2, 11 / 6])
    np.testing.assert_allclose(frame_times(16, 2.0), (np.arange(16) + 0.5) / 8)
    np.testing.assert_allclose(frame_times(6, 2.0, phase=0.0), np.arange(6) / 3)


def test_an_object_is_where_it_is_at_the_time_of_each_frame():
    def position(times):
        return 16 + 16 * times

    cut, shown = frame_times(6, 2.0), frame_times(16, 2.0)
    moved = centre(interpolate(bump(position(cut)), cut, shown))
    inside = (shown >= cut[0]) & (shown <= cut[-1])
    np.testing.assert_allclose(moved[inside], position(shown[inside]), atol=1e-6)
    np.testing.assert_allclose(moved[shown < cut[0]], position(cut[0]), atol=1e-6)
    np.testing.assert_allclose(moved[shown > cut[-1]], position(cut[-1]), atol=1e-6)


def test_interpolation_at_the_same_times_changes_nothing():
    frames = torch.randn(2, 6, 3, 4, 5)
    times = frame_times(6, 2.0, phase=0.0)
    torch.testing.assert_close(interpolate(frames, times, times), frames)


def test_the_control_image_lies_at_the_time_of_its_source():
    cut, shown = frame_times(6, 2.0), frame_times(16, 2.0)
    index = nearest(shown, cut[source_frame(6)])
    assert source_frame(6) == 3
    assert index == 9
    assert abs(shown[index] - cut[3]) == min(abs(shown - cut[3]))
