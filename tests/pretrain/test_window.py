"""Windows never leave their run."""

from __future__ import annotations

import pytest
import torch

from neurons.artifacts import InputError
from neurons.pretrain.window import assemble, repeat_windows, window_positions

IDS = ["seg1:0", "seg1:1", "seg1:2", "seg2:0", "seg2:1", "seg2:3"]


def test_neighbours_are_found_by_clip_id_within_the_movie() -> None:
    positions = window_positions(IDS, IDS, [-1, 0, 1], "file")
    assert positions.tolist() == [[-1, 0, 1], [0, 1, 2], [1, 2, -1], [-1, 3, 4], [3, 4, -1], [-1, 5, -1]]


def test_order_of_rows_does_not_matter() -> None:
    responses = torch.arange(6.0).unsqueeze(1)
    shuffled = [4, 2, 0, 5, 1, 3]
    there = [IDS[i] for i in shuffled]
    one = assemble(responses, torch.from_numpy(window_positions(IDS, IDS, [-1, 0, 2], "file")))
    other = assemble(responses[shuffled], torch.from_numpy(window_positions(IDS, there, [-1, 0, 2], "file")))
    assert torch.equal(one, other)


def test_beyond_the_run_a_lag_is_zero() -> None:
    responses = torch.arange(1.0, 7.0).unsqueeze(1)
    windows = assemble(responses, torch.from_numpy(window_positions(IDS, IDS, [-1, 0, 1], "file")))
    assert windows[:, :, 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 0], [0, 4, 5], [4, 5, 0], [0, 6, 0]]


def test_all_lags_of_a_window_are_of_one_repeat() -> None:
    responses = torch.stack([torch.arange(1.0, 7.0), 10 * torch.arange(1.0, 7.0)], dim=1).unsqueeze(2)
    positions = torch.from_numpy(window_positions(IDS, IDS, [-1, 0, 1], "file"))
    windows = repeat_windows(responses, torch.tensor([0, 1, 0, 1, 0, 1]), positions)
    assert windows[:, :, 0].tolist() == [
        [0, 1, 2],
        [10, 20, 30],
        [2, 3, 0],
        [0, 40, 50],
        [4, 5, 0],
        [0, 60, 0],
    ]


def test_a_clip_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InputError, match=r"train.safetensors lacks 1 of 2 clips: seg2:2"):
        window_positions(["seg1:0", "seg2:2"], IDS, [0], "train.safetensors")


def test_nothing_of_another_run_reaches_a_window() -> None:
    """Responses of all other runs (the other movie, and the other repeat) are poison."""
    responses = torch.full((6, 2, 1), torch.nan)
    responses[:3, 1] = 1.0
    positions = torch.from_numpy(window_positions(IDS, IDS, [-3, -2, -1, 0, 1, 2, 3], "file"))
    windows = repeat_windows(responses, torch.ones(3, dtype=torch.int64), positions[:3])
    present = torch.from_numpy(window_positions(IDS, IDS, [-3, -2, -1, 0, 1, 2, 3], "file")[:3] != -1)
    assert torch.equal(windows[:, :, 0], present.float())
