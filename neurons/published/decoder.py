"""NEURONS' text-driven video decoder as released: masks and latents on a grid four times as fine as the tokens'.

Two habits of the release matter to whoever uses it. The keys and values of the cross-attention are the texts of all clips
that are decoded together, and temporal attention runs over all their frames: a clip's result depends on its companions.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import isqrt

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

EPS = 1e-6


class ChannelAttention(Attention):
    """diffusers' attention of one head over places (or frames), with group norm and residual."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__(
            channels, heads=1, dim_head=channels, eps=EPS, norm_num_groups=groups, residual_connection=True, bias=True,
            upcast_softmax=True, _from_deprecated_attn_block=True,
        )  # fmt: skip


class Blend(nn.Module):
    """Attention over places, and its mixture with attention over frames: ``w * places + (1 - w) * frames``."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.places = ChannelAttention(channels, groups)
        self.frames = ChannelAttention(channels, groups)
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """(frames, channels, h, w) to the same; all frames attend to each other."""
        x = self.places(x)
        sequences = x.permute(2, 3, 0, 1).flatten(0, 1)
        over_time = self.frames(sequences).unflatten(0, x.shape[2:]).permute(2, 3, 0, 1)
        return self.weight * x + (1 - self.weight) * over_time


class Stage(nn.Module):
    """Residual blocks, each with a blend of attentions, and perhaps a doubling of the grid."""

    def __init__(self, inputs: int, outputs: int, groups: int, doubles: bool) -> None:
        super().__init__()
        self.residuals = nn.ModuleList(_residual(width, outputs, groups) for width in (inputs, outputs))
        self.blends = nn.ModuleList(Blend(outputs, groups) for _ in range(2))
        self.finer = Upsample2D(outputs, use_conv=True) if doubles else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(frames, inputs, h, w) to (frames, outputs, h, w) or (frames, outputs, 2 h, 2 w)."""
        for residual, blend in zip(self.residuals, self.blends, strict=True):
            x = blend(residual(x, None))
        return self.finer(x)


def _residual(inputs: int, outputs: int, groups: int) -> ResnetBlock2D:
    return ResnetBlock2D(in_channels=inputs, out_channels=outputs, temb_channels=None, eps=EPS, groups=groups)


class PublishedDecoder(nn.Module):
    """Vision tokens and texts to mask logits or latents.

    Parameters
    ----------
    channels, text
        Widths of a vision token and of a pooled text embedding, C and T.
    maps
        Channels of the maps after the attention (released: 512, 128, 64).
    stages
        Channels of the stages (released: 128, 64, 32); the grid doubles after each but the last.
    groups
        Of the group norms.
    latents
        Channels of the latents.
    """

    def __init__(
        self, channels: int, text: int, maps: Sequence[int], stages: Sequence[int], groups: int, latents: int
    ) -> None:
        super().__init__()
        self.query = nn.Linear(channels, text, bias=False)
        self.key, self.value, self.out = (nn.Linear(text, text, bias=False) for _ in range(3))
        first, second, third = maps
        self.maps = nn.Sequential(
            nn.Conv2d(text, first, 1, bias=False), nn.GroupNorm(1, first), nn.ReLU(),
            nn.Conv2d(first, second, 1, bias=False), nn.GroupNorm(1, second), nn.ReLU(),
            nn.Conv2d(second, third, 1),
        )  # fmt: skip
        self.norm = nn.GroupNorm(1, third)
        self.first = nn.Conv2d(third, stages[0], 3, padding=1)
        self.middle = nn.ModuleList(_residual(stages[0], stages[0], groups) for _ in range(2))
        self.middle_blend = Blend(stages[0], groups)
        pairs = list(itertools.pairwise([stages[0], *stages]))
        self.stages = nn.ModuleList(
            Stage(*pair, groups, doubles=number + 1 < len(pairs)) for number, pair in enumerate(pairs)
        )
        self.last_norm = nn.GroupNorm(groups, stages[-1], eps=EPS)
        self.mask_head = nn.Conv2d(stages[-1], 1, 3, padding=1)
        self.latent_head = nn.Conv2d(stages[-1], latents, 3, padding=1)

    def features(self, video: Tensor, texts: Tensor) -> Tensor:
        """Features (B * F, channels, 4 grid, 4 grid) of a video embedding (B, F, N, C), driven by texts (K, T)."""
        vision = video.flatten(0, 1)
        similarity = self.query(vision) @ self.key(texts).T * vision.shape[-1] ** -0.5
        attended = self.out(similarity.softmax(dim=-1) @ self.value(texts))
        side = isqrt(video.shape[2])
        x = self.norm(self.maps(attended.transpose(1, 2).unflatten(2, (side, side))))
        x = self.middle[1](self.middle_blend(self.middle[0](self.first(x), None)), None)
        for stage in self.stages:
            x = stage(x)
        return nn.functional.silu(self.last_norm(x))

    def masks(self, features: Tensor) -> Tensor:
        """Mask logits (B * F, 1, h, w) of features."""
        return self.mask_head(features)

    def latents(self, features: Tensor) -> Tensor:
        """Latents (B * F, c, h, w) of features."""
        return self.latent_head(features)
