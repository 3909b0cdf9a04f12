"""MindEye2's token prior: a transformer over brain tokens, a time token and noisy image tokens (DALL-E 2, section 2.2).

Attention is of cosine similarity with one key and value head for all query heads, a learned key and value that stand
for "nothing", rotary codes and a relative bias. The whole of it is one call of PyTorch's fused kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurons.memory import remember_less
from neurons.parallel import alike, noise_like, own, whole
from neurons.published.schedule import CosineSchedule

SIMILARITY_SCALE = 16.0
ROTARY_CHANNELS = 32
FARTHEST = 128
"""Distance in tokens from which on the relative bias is the same."""
FORGOTTEN = 0.2
"""Share of training samples whose brain tokens, and of those whose noisy tokens, are replaced by learned ones."""


@dataclass(frozen=True)
class PriorSizes:
    """Sizes of the prior; the defaults are MindEye2's, with N tokens of C channels.

    Attributes
    ----------
    tokens, channels
        N and C; the sequence has 2 N + 1 tokens.
    layers, head_channels, buckets, levels
        Transformer layers, channels per head, buckets of the relative bias, noise levels.
    """

    tokens: int
    channels: int
    layers: int = 6
    head_channels: int = 52
    buckets: int = 32
    levels: int = 100


class GainNorm(nn.Module):
    """Layer norm with a gain and no bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) to (..., width)."""
        return functional.layer_norm(x, self.gain.shape, self.gain)


class CosineAttention(nn.Module):
    """Self-attention by cosine similarity, one key and value head for all."""

    frequencies: Tensor

    def __init__(self, width: int, head_channels: int) -> None:
        super().__init__()
        self.heads = width // head_channels
        self.norm = GainNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * head_channels, bias=False)
        self.nothing = nn.Parameter(torch.randn(2, head_channels))
        self.out = nn.Sequential(nn.Linear(width, width, bias=False), GainNorm(width))
        self.register_buffer("frequencies", rotary_frequencies(head_channels), persistent=False)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, S, width) to (B, S, width); `bias` (heads, S, S + 1) is added to the similarities."""
        x = self.norm(x)
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = self.key_value(x).chunk(2, dim=-1)
        query, key = rotate(query, self.frequencies), rotate(key, self.frequencies)
        nothing = self.nothing.to(key.dtype)[:, None, None].expand(-1, len(x), -1, -1)
        key, value = torch.cat([nothing[0], key], dim=1), torch.cat([nothing[1], value], dim=1)
        attended = functional.scaled_dot_product_attention(
            functional.normalize(query, dim=-1),
            functional.normalize(key, dim=-1).unsqueeze(1).expand(-1, self.heads, -1, -1),
            value.unsqueeze(1).expand(-1, self.heads, -1, -1),
            attn_mask=bias.to(query.dtype),
            scale=SIMILARITY_SCALE,
        )
        return self.out(attended.transpose(1, 2).flatten(2))


class GatedFeedForward(nn.Module):
    """SwiGLU feed-forward of four times the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = GainNorm(width)
        self.inner = nn.Linear(width, 8 * width, bias=False)
        self.out = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, width) to (B, S, width)."""
        values, gate = self.inner(self.norm(x)).chunk(2, dim=-1)
        return self.out(values * functional.silu(gate))


class Layer(nn.Module):
    """Attention and feed-forward, each added to its input."""

    def __init__(self, width: int, head_channels: int) -> None:
        super().__init__()
        self.attention = CosineAttention(width, head_channels)
        self.feed_forward = GatedFeedForward(width)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """(B, S, width) to (B, S, width)."""
        x = x + self.attention(x, bias)
        return x + self.feed_forward(x)


class MindEye2Prior(nn.Module):
    """Clean image tokens from noisy ones and brain tokens; same use as `neurons.decouple.prior.Prior`."""

    buckets: Tensor

    def __init__(self, sizes: PriorSizes) -> None:
        super().__init__()
        width, heads = sizes.channels, sizes.channels // sizes.head_channels
        if heads * sizes.head_channels != width or sizes.head_channels < 2:
            raise ValueError(f"{width} channels are not whole heads of {sizes.head_channels}")
        self.sizes = sizes
        self.place = nn.Parameter(torch.randn(sizes.tokens, width) * width**-0.5)
        self.no_brain = nn.Parameter(torch.randn(sizes.tokens, width))
        self.no_image = nn.Parameter(torch.randn(sizes.tokens, width))
        self.time = nn.Sequential(
            nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, 2 * width), nn.SiLU(),
            nn.Linear(2 * width, width),
        )  # fmt: skip
        self.distance_bias = nn.Embedding(sizes.buckets, heads)
        self.layers = nn.ModuleList(Layer(width, sizes.head_channels) for _ in range(sizes.layers))
        self.norm = GainNorm(width)
        self.out = nn.Linear(width, width, bias=False)
        self.schedule = CosineSchedule(sizes.levels)
        self.register_buffer(
            "buckets", distance_buckets(2 * sizes.tokens + 1, sizes.buckets), persistent=False
        )

    def forward(self, noisy: Tensor, level: Tensor, brain: Tensor) -> Tensor:
        """Predict the clean tokens (B, N, C) from noisy ones (B, N, C) at levels int64 (B,) and brain tokens (B, N, C)."""
        time = self.time(time_code(level, self.sizes.channels)).unsqueeze(1)
        x = torch.cat([brain, time, noisy + self.place], dim=1)
        bias = self.distance_bias(self.buckets).permute(2, 0, 1)
        for layer in self.layers:
            x = remember_less(layer, x, bias)
        # The division by the largest channel is part of the release; it keeps half precision from overflowing.
        x = self.norm(x / x.amax(dim=-1, keepdim=True).detach())
        return self.out(x[:, -self.sizes.tokens :])

    def denoise(self, tokens: Tensor, brain: Tensor) -> tuple[Tensor, Tensor]:
        """Noise the true tokens at a random level and predict them.

        Returns
        -------
        tuple
            Mean squared error (scalar) and predicted tokens (B, N, C).
        """
        noise = noise_like(tokens)
        with alike():
            level = own(torch.randint(self.sizes.levels, (whole(len(tokens)),), device=tokens.device))
        noisy = self.schedule.add_noise(tokens, noise, level)
        predicted = self(_forget(noisy, self.no_image), level, _forget(brain, self.no_brain)).float()
        return functional.mse_loss(predicted, tokens), predicted

    def sample(self, brain: Tensor, seeds: Sequence[int], steps: int) -> Tensor:
        """Draw image tokens (B, N, C) from brain tokens, each clip from its own seed; see `CosineSchedule.sample`."""
        return self.schedule.sample(
            lambda noisy, level: self(noisy, level, brain), brain.shape[1:], seeds, steps, brain.device
        )


def _forget(tokens: Tensor, replacement: Tensor) -> Tensor:
    """Replace the tokens of some samples."""
    with alike():
        kept = torch.rand(whole(len(tokens)), 1, 1, device=tokens.device) >= FORGOTTEN
    return torch.where(own(kept), tokens, replacement.to(tokens.dtype))


def rotary_frequencies(head_channels: int) -> Tensor:
    """Angular frequencies of the rotated channel pairs, in radians per token."""
    rotated = min(ROTARY_CHANNELS, head_channels)
    return 10000.0 ** (-torch.arange(0, rotated, 2)[: rotated // 2].float() / rotated)


def rotate(x: Tensor, frequencies: Tensor) -> Tensor:
    """Turn neighbouring channels of (..., S, channels) by an angle that grows with the token's place; the rest stays."""
    count = 2 * len(frequencies)
    angles = torch.arange(x.shape[-2], device=x.device)[:, None] * frequencies
    cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., :count].unflatten(-1, (-1, 2)).unbind(dim=-1)
    turned = torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], dim=-1)
    return torch.cat([turned.flatten(-2), x[..., count:]], dim=-1)


def distance_buckets(length: int, buckets: int) -> Tensor:
    """Bucket of each (query, key) of a sequence, int64 (length, length + 1), the first key standing before the sequence.

    As in T5 without keys ahead: those and the own place share bucket 0, short distances back have a bucket each, longer
    ones share them by their logarithm.
    """
    back = (torch.arange(length)[:, None] - torch.arange(length + 1)).clamp(min=0)
    exact = buckets // 2
    logarithm = torch.log(back.clamp(min=1).float() / exact) / log(FARTHEST / exact)
    far = exact + (logarithm * (buckets - exact)).long()
    return torch.where(back < exact, back, far.clamp(max=buckets - 1))


def time_code(level: Tensor, width: int) -> Tensor:
    """Sines and cosines of the noise level, float32 (B, width)."""
    half = width // 2
    frequencies = torch.exp(-log(10000.0) / (half - 1) * torch.arange(half, device=level.device))
    angles = level[:, None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
