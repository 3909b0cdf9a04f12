"""The text-driven video decoder: masks of the key object and the blurry video.

A clip's vision tokens ask the CLIP text tokens of its own concept; keys and values are never another clip's, so a
result does not depend on the batch. Temporal attention runs over the clip's own frames, which carry position codes.
"""

from __future__ import annotations

import itertools
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurons.decouple.attention import Attention, heads_for
from neurons.memory import remember_less


class ConvBlock(nn.Module):
    """GroupNorm, SiLU, 3x3 convolution; a residual if the width stays."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = inputs == outputs
        self.layers = nn.Sequential(
            nn.GroupNorm(max(1, inputs // 8), inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w)."""
        return x + self.layers(x) if self.residual else self.layers(x)


class TextDrivenDecoder(nn.Module):
    """Video embedding and text tokens to masks and latents (NEURONS section 3.3).

    Parameters
    ----------
    frames, tokens, channels
        Of the video embedding; tokens form a square grid.
    text_width
        Width of a text token.
    width
        Channels of the decoder.
    mask_size
        Height and width of the masks, in px.
    latents
        Channels, height and width of a frame's VAE latents.
    """

    def __init__(
        self,
        frames: int,
        tokens: int,
        channels: int,
        text_width: int,
        width: int,
        mask_size: tuple[int, ...],
        latents: tuple[int, ...],
        dropout: float,
    ) -> None:
        super().__init__()
        self.grid = isqrt(tokens)
        if self.grid**2 != tokens:
            raise ValueError(f"{tokens} image tokens do not form a square grid")
        self.mask_size, self.latent_size = mask_size, latents[1:]
        heads = heads_for(width)
        self.vision = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, width))
        self.place = nn.Parameter(0.02 * torch.randn(tokens, width))
        self.text = Attention(width, text_width, heads)
        self.gate = nn.Parameter(torch.ones(width))
        self.frame_code = nn.Parameter(0.02 * torch.randn(frames, width))
        self.frame_norm = nn.LayerNorm(width)
        self.frames = Attention(width, width, heads)
        self.drop = nn.Dropout(dropout)
        self.mix = nn.Sequential(ConvBlock(width, width), ConvBlock(width, width))
        widths = self._widths(width)
        self.mask_stages = nn.ModuleList(ConvBlock(*pair) for pair in itertools.pairwise(widths))
        self.mask_head = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.latent_head = nn.Sequential(
            ConvBlock(width, width), nn.SiLU(), nn.Conv2d(width, latents[0], 3, padding=1)
        )

    def _widths(self, width: int) -> list[int]:
        """Channels before and after each doubling of the grid, up to half the mask's size; halved down to 8."""
        widths, size = [width], self.grid
        while 2 * size < max(self.mask_size):
            widths.append(max(8, widths[-1] // 2))
            size *= 2
        return widths

    def features(self, video: Tensor, text: Tensor, valid: Tensor) -> Tensor:
        """Fused features.

        Parameters
        ----------
        video
            (B, F, N, C).
        text
            (B, L, text_width): text tokens of each clip's concept.
        valid
            bool (B, L): which text tokens exist.

        Returns
        -------
        Tensor
            (B, F, width, grid, grid).
        """
        batch, frames, tokens, _ = video.shape
        vision = self.vision(video) + self.place
        attended = self.text(vision.flatten(1, 2), text.to(vision.dtype), valid).view_as(vision)
        fused = self.drop(attended) + self.gate * vision
        sequences = (fused + self.frame_code[:, None]).transpose(1, 2).flatten(0, 1)
        normed = self.frame_norm(sequences)
        over_time = self.frames(normed, normed).view(batch, tokens, frames, -1).transpose(1, 2)
        grid = (fused + self.drop(over_time)).flatten(0, 1).transpose(1, 2)
        mixed = remember_less(self.mix, grid.unflatten(2, (self.grid, self.grid)))
        return mixed.unflatten(0, (batch, frames))

    def masks(self, features: Tensor) -> Tensor:
        """Mask logits (B, F, h, w) of features."""
        x = features.flatten(0, 1)
        for stage in self.mask_stages:
            x = remember_less(stage, functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        logits = self.mask_head(functional.silu(x))
        logits = functional.interpolate(logits, self.mask_size, mode="bilinear", align_corners=False)
        return logits[:, 0].unflatten(0, features.shape[:2])

    def latents(self, features: Tensor) -> Tensor:
        """VAE latents (B, F, c, h, w) of features, emitted on the latent grid itself."""
        x = features.flatten(0, 1)
        if tuple(x.shape[-2:]) != self.latent_size:
            x = functional.interpolate(x, self.latent_size, mode="bilinear", align_corners=False)
        return remember_less(self.latent_head, x).unflatten(0, features.shape[:2])
