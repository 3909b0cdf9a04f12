"""Ranking of samples: known cosines, identical samples, other models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurons.artifacts import InputError
from neurons.reconstruct.ranking import Viewer, rank

VIDEOS = np.zeros((3, 2, 4, 4, 3), np.uint8)


def test_the_nearest_in_angle_is_best_whatever_its_length():
    decoded = torch.tensor([1.0, 0.0])
    views = torch.tensor([[5.0, 5.0], [0.1, 0.0], [-1.0, 0.0]])
    ranking = rank(VIDEOS, views, decoded)
    assert ranking.best == 1
    assert ranking.scores == pytest.approx([0.5**0.5, 1.0, -1.0])
    # Angles between the three: 45, 180 and 135 degrees.
    assert ranking.spread == pytest.approx(1 - (0.5**0.5 - 1 - 0.5**0.5) / 3)


def test_equal_samples_have_no_spread():
    views = torch.tensor([[1.0, 2.0]]).expand(3, 2)
    ranking = rank(VIDEOS + 7, views, torch.tensor([2.0, 1.0]))
    assert (ranking.best, ranking.pixel_sd) == (0, 0.0)
    assert ranking.spread == pytest.approx(0.0, abs=1e-12)


def test_the_spread_of_pixels_is_their_standard_deviation():
    videos = VIDEOS.copy()
    videos[0], videos[1] = 255, 255
    deviation = np.std([1, 1, 0], ddof=1)
    assert rank(videos, torch.eye(3), torch.ones(3)).pixel_sd == pytest.approx(deviation)


def test_tokens_of_another_model_are_refused():
    with pytest.raises(InputError, match=r"width 2, the decoded ones have 5"):
        rank(VIDEOS, torch.ones(3, 2), torch.ones(5))


def test_a_view_is_the_mean_over_frames_and_positions_whatever_the_batch(models, monkeypatch):
    viewer = Viewer.load(models.embed, torch.device("cpu"), torch.float32)
    videos = np.random.default_rng(0).integers(0, 256, (3, 4, 16, 16, 3), dtype=np.uint8)
    whole = viewer.view(videos)
    frames = torch.stack([viewer.view(videos[1:2, [frame]])[0] for frame in range(4)])
    torch.testing.assert_close(whole[1], frames.mean(dim=0), atol=1e-5, rtol=1e-4)
    monkeypatch.setattr("neurons.reconstruct.ranking.FRAMES_AT_ONCE", 5)
    torch.testing.assert_close(viewer.view(videos), whole, atol=1e-5, rtol=1e-4)
