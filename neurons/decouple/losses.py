"""Losses of the tasks; the mean of each is over clips, so a clip weighs the same in every batch."""

from __future__ import annotations

from math import cos, pi

from torch import Tensor
from torch.nn import functional

from neurons.parallel import batch_mean
from neurons.pretrain.losses import similarities

IGNORED = -100
SOFT_TEMPERATURES = (0.004, 0.0075)
"""First and last temperature of `soft_contrastive` (MindEye2)."""


def mask_loss(logits: Tensor, masks: Tensor, dice_weight: float) -> Tensor:
    """Binary cross-entropy over pixels, plus ``dice_weight`` times the Dice loss of each clip.

    Parameters
    ----------
    logits
        (B, F, h, w).
    masks
        0 or 1, same shape.
    """
    masks = masks.to(logits.dtype)
    loss = functional.binary_cross_entropy_with_logits(logits, masks)
    if dice_weight:
        loss = loss + dice_weight * dice_loss(logits.sigmoid(), masks).mean()
    return batch_mean(loss, len(masks))


def dice_loss(probability: Tensor, masks: Tensor) -> Tensor:
    """1 - Dice of each clip over its frames and pixels, (B,); 0 if both are empty."""
    overlap = 2 * (probability * masks).flatten(1).sum(dim=1)
    total = (probability + masks).flatten(1).sum(dim=1)
    return 1 - (overlap + 1) / (total + 1)


def caption_loss(logits: Tensor, ids: Tensor) -> Tensor:
    """Prefix language modelling: cross-entropy of each caption token given the prefix and the tokens before it.

    Parameters
    ----------
    logits
        (B, L, vocabulary): position t predicts token t.
    ids
        int64 (B, L); -100 after the end token.
    """
    loss = functional.cross_entropy(logits.flatten(0, 1).float(), ids.flatten(), ignore_index=IGNORED)
    return batch_mean(loss, (ids != IGNORED).sum())


def soft_contrastive(predicted: Tensor, target: Tensor, progress: float) -> Tensor:
    """SoftCLIP (MindEye2): predictions match targets as strongly as the targets match each other, in both directions.

    Parameters
    ----------
    predicted, target
        (B, ...), flattened here.
    progress
        Share of training done, in [0, 1]: the temperature rises by a cosine from .004 to .0075.
    """
    first, last = SOFT_TEMPERATURES
    temperature = last + (first - last) * (1 + cos(pi * progress)) / 2
    teacher = (similarities(target, target) / temperature).softmax(dim=1)
    logits = similarities(predicted, target) / temperature
    rows = -(teacher * logits.log_softmax(dim=1)).sum(dim=1).mean()
    columns = -(teacher * logits.T.log_softmax(dim=1)).sum(dim=1).mean()
    return (rows + columns) / 2
