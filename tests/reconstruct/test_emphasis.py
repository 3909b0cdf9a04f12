"""Mask emphasis."""

from __future__ import annotations

import pytest
import torch

from neurons.reconstruct.emphasis import emphasise, resize, weights


@pytest.mark.parametrize("floor", [0.0, 0.5, 1.0])
def test_the_object_keeps_its_brightness_and_the_background_gets_the_floor(floor):
    pictures = torch.rand(2, 6, 3, 8, 8)
    masks = torch.zeros(2, 6, 8, 8)
    masks[..., 2:5, 3:6] = 1
    result = emphasise(pictures, masks, floor)
    torch.testing.assert_close(result[..., 2:5, 3:6], pictures[..., 2:5, 3:6])
    torch.testing.assert_close(result[..., :2, :], floor * pictures[..., :2, :])


def test_probabilities_are_rescaled_linearly():
    torch.testing.assert_close(weights(torch.tensor([0.0, 0.5, 1.0]), 0.5), torch.tensor([0.5, 0.75, 1.0]))


def test_masks_of_another_size_are_resampled():
    pictures = torch.ones(1, 3, 16, 16)
    masks = torch.zeros(1, 8, 8)
    masks[:, :, 4:] = 1
    result = emphasise(pictures, masks, 0.5)
    torch.testing.assert_close(result[..., :6], torch.full((1, 3, 16, 6), 0.5))
    torch.testing.assert_close(result[..., -6:], torch.ones(1, 3, 16, 6))


def test_pictures_of_the_right_size_are_not_touched():
    pictures = torch.rand(2, 3, 8, 8)
    assert resize(pictures, (8, 8)) is pictures
