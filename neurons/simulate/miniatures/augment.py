"""Degradations of decoded or generated video: blur, noise, colour shift, lost resolution, block compression.

Every clip gets its own strength of each; all frames of a clip share it, as in a real video.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK_PX = 8
IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)


def normalise(frames: Tensor) -> Tensor:
    """uint8 or 0..255 frames (..., 3, H, W) as the saved image processors do: CLIP's mean and std."""
    mean = torch.tensor(IMAGE_MEAN).view(3, 1, 1)
    std = torch.tensor(IMAGE_STD).view(3, 1, 1)
    return (frames.float() / 255.0 - mean) / std


def degrade(clips: Tensor, generator: torch.Generator) -> Tensor:
    """Degrade clips at random; about a third of them stay clean.

    Parameters
    ----------
    clips
        uint8, shape (clips, frames, 3, H, W).
    generator
        Source of every random choice.

    Returns
    -------
    Tensor
        float32 of the same shape, 0..255.
    """
    count = clips.shape[0]

    def strengths(probability: float, low: float, high: float) -> Tensor:
        chosen = torch.rand(count, generator=generator) < probability
        return chosen * (low + (high - low) * torch.rand(count, generator=generator))

    frames = shift_colours(clips.float(), strengths(0.5, -0.12, 0.12), strengths(0.5, -18.0, 18.0))
    frames = blur(frames, strengths(0.4, 0.3, 1.1))
    frames = lose_resolution(frames, torch.rand(count, generator=generator) < 0.15)
    frames = compress_blocks(frames, strengths(0.3, 4.0, 30.0))
    noise = torch.randn(frames.shape, generator=generator) * strengths(0.4, 2.0, 12.0).view(-1, 1, 1, 1, 1)
    return (frames + noise).clamp(0, 255)


def shift_colours(frames: Tensor, contrast: Tensor, brightness: Tensor) -> Tensor:
    """Contrast (fraction) about mid grey and brightness (grey levels), one of each per clip."""
    shape = (-1, 1, 1, 1, 1)
    return (frames - 127.5) * (1 + contrast.view(shape)) + 127.5 + brightness.view(shape)


def blur(frames: Tensor, sigma_px: Tensor) -> Tensor:
    """Gaussian blur (7x7, separable) with one standard deviation per clip; 0 leaves a clip as it is."""
    clips, count, channels, height, width = frames.shape
    offsets = torch.arange(-3, 4, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (offsets / sigma_px.clamp(min=1e-2).view(-1, 1)) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    maps = frames.permute(1, 2, 0, 3, 4).reshape(count * channels, clips, height, width)
    padded = F.pad(maps, (3, 3, 3, 3), mode="replicate")
    across = F.conv2d(padded, kernel.view(clips, 1, 1, 7), groups=clips)
    blurred = F.conv2d(across, kernel.view(clips, 1, 7, 1), groups=clips)
    return blurred.view(count, channels, clips, height, width).permute(2, 0, 1, 3, 4)


def lose_resolution(frames: Tensor, chosen: Tensor) -> Tensor:
    """Halve the resolution of the chosen clips by area and interpolate back."""
    if not bool(chosen.any()):
        return frames
    maps = frames[chosen].flatten(0, 1)
    small = F.avg_pool2d(maps, 2)
    restored = F.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
    result = frames.clone()
    result[chosen] = restored.view(-1, *frames.shape[1:])
    return result


def compress_blocks(frames: Tensor, quantisation: Tensor) -> Tensor:
    """Round the 8x8 block cosine coefficients to steps that grow with frequency; 0 leaves a clip as it is."""
    chosen = quantisation > 0
    if not bool(chosen.any()):
        return frames
    transform = cosine_basis(BLOCK_PX)
    blocks = frames[chosen].unflatten(-1, (-1, BLOCK_PX)).unflatten(-3, (-1, BLOCK_PX)).transpose(-3, -2)
    coefficients = transform @ blocks @ transform.T
    frequency = torch.arange(BLOCK_PX, dtype=torch.float32)
    growth = 1 + (frequency.view(-1, 1) + frequency.view(1, -1)) / BLOCK_PX
    step = quantisation[chosen].view(-1, 1, 1, 1, 1, 1, 1) * growth
    rounded = transform.T @ ((coefficients / step).round() * step) @ transform
    result = frames.clone()
    result[chosen] = rounded.transpose(-3, -2).flatten(-2).flatten(-3, -2)
    return result


def cosine_basis(size: int) -> Tensor:
    """Orthonormal type-II discrete cosine transform, shape (size, size): rows are frequencies."""
    position = torch.arange(size, dtype=torch.float32)
    basis = torch.cos(math.pi / size * position.view(-1, 1) * (position.view(1, -1) + 0.5)) * math.sqrt(
        2 / size
    )
    basis[0] /= math.sqrt(2)
    return basis
