"""Mask emphasis: the key object keeps its brightness, the background is dimmed (NEURONS, aggregated reconstruction)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def weights(masks: Tensor, floor: float) -> Tensor:
    """Mask probabilities in [0, 1] rescaled to [`floor`, 1]; any shape."""
    return floor + (1 - floor) * masks


def emphasise(pictures: Tensor, masks: Tensor, floor: float) -> Tensor:
    """Multiply pictures by rescaled masks.

    Parameters
    ----------
    pictures
        (..., C, H, W): pixels in [0, 1] (so that background darkens), or latents.
    masks
        (..., h, w) probabilities with the leading shape of `pictures`; resampled bilinearly to (H, W).
    floor
        Weight where the mask is 0.
    """
    leading, size = pictures.shape[:-3], pictures.shape[-2:]
    flat = masks.reshape(-1, 1, *masks.shape[-2:]).to(pictures)
    return pictures * weights(resize(flat, (size[0], size[1])), floor).reshape(*leading, 1, *size)


def resize(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Pictures (n, C, H, W) resampled to `size` (height, width), antialiased; unchanged if they have it."""
    if tuple(pictures.shape[-2:]) == size:
        return pictures
    return F.interpolate(pictures, size, mode="bilinear", antialias=True)
