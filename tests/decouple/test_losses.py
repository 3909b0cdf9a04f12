"""The tasks' losses against slow restatements and limits."""

from __future__ import annotations

import math

import pytest
import torch

from neurons.decouple.losses import caption_loss, dice_loss, mask_loss, soft_contrastive


def test_mask_loss_is_binary_cross_entropy_plus_weighted_dice_of_each_clip() -> None:
    torch.manual_seed(0)
    logits, masks = torch.randn(3, 2, 4, 4), (torch.rand(3, 2, 4, 4) > 0.6).to(torch.uint8)
    entropy, dice = 0.0, 0.0
    for clip in range(3):
        overlap = total = 0.0
        for logit, truth in zip(logits[clip].flatten().tolist(), masks[clip].flatten().tolist(), strict=True):
            probability = 1 / (1 + math.exp(-logit))
            entropy -= math.log(probability if truth else 1 - probability) / masks.numel()
            overlap += 2 * probability * truth
            total += probability + truth
        dice += (1 - (overlap + 1) / (total + 1)) / 3
    assert float(mask_loss(logits, masks, 0.0)) == pytest.approx(entropy, rel=1e-5)
    assert float(mask_loss(logits, masks, 0.5)) == pytest.approx(entropy + 0.5 * dice, rel=1e-5)


def test_dice_is_zero_for_the_truth_and_for_two_empty_masks_and_near_one_for_the_opposite() -> None:
    masks = torch.zeros(2, 1, 20, 20)
    masks[0, :, :10] = 1
    torch.testing.assert_close(dice_loss(masks, masks), torch.zeros(2))
    assert float(dice_loss(1 - masks, masks)[0]) > 0.99


def test_caption_loss_is_the_mean_negative_log_probability_of_the_tokens_there_are() -> None:
    torch.manual_seed(0)
    logits, ids = torch.randn(2, 4, 7), torch.tensor([[3, 0, -100, -100], [6, 5, 1, 0]])
    expected = []
    for row in range(2):
        for position in range(4):
            if ids[row, position] >= 0:
                values = logits[row, position].tolist()
                expected.append(math.log(sum(map(math.exp, values))) - values[ids[row, position]])
    assert float(caption_loss(logits, ids)) == pytest.approx(sum(expected) / 6, rel=1e-5)


def test_soft_contrast_is_smallest_for_the_targets_themselves() -> None:
    """The targets are as similar as neighbouring clips, or the teacher would be one-hot."""
    torch.manual_seed(0)
    target = torch.randn(3, 4) + 0.1 * torch.randn(6, 3, 4)
    least = soft_contrastive(target, target, 0.5)
    for noise in (0.05, 0.3, 1.0):
        worse = soft_contrastive(target + noise * torch.randn_like(target), target, 0.5)
        assert float(worse) > float(least)


def test_soft_contrast_with_equal_targets_has_no_preference() -> None:
    """All targets equal: the teacher is uniform, and so is any answer: the loss is log B."""
    torch.manual_seed(0)
    target = torch.ones(5, 4)
    predicted = torch.randn(1, 4).expand(5, 4)
    assert float(soft_contrastive(predicted, target, 0.0)) == pytest.approx(math.log(5), rel=1e-4)
