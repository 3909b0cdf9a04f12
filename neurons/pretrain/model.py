"""The brain model: ridge per lag, residual backbone, brain tokens, motion projection, text embedding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from neurons.memory import remember_less
from neurons.published.backbone import ScalarMixer


@dataclass(frozen=True)
class BrainSizes:
    """Sizes of a brain model.

    Attributes
    ----------
    vertices, lags
        Of the responses, V and number of lags.
    hidden
        Width after the ridge.
    blocks
        Residual blocks of the backbone.
    frames, tokens, channels
        CLIP image tokens per clip: F, N, C.
    text
        Width of CLIP's joint space, T.
    residual_projector
        Whether the token projector's output is added to its input, which a start at the linear decoding needs; the
        paper's replaces it.
    backbone
        ``residual``: residual MLP blocks; ``mindeye2``: the function that MindEye2 and NEURONS released.
    """

    vertices: int
    lags: int
    hidden: int
    blocks: int
    frames: int
    tokens: int
    channels: int
    text: int
    residual_projector: bool
    backbone: str = "residual"


def _silence(layer: nn.Module) -> None:
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()


class RidgePerLag(nn.Module):
    """Sum over lags of one linear map each: (B, lags, V) to (B, hidden)."""

    def __init__(self, vertices: int, lags: int, hidden: int) -> None:
        super().__init__()
        self.lags = nn.ModuleList(nn.Linear(vertices, hidden, bias=lag == 0) for lag in range(lags))

    def set_weights(self, weights: Tensor) -> None:
        """Take weights (lags * V, hidden) of windows that are flattened lag by lag; the bias becomes 0."""
        _silence(self)
        with torch.no_grad():
            for linear, part in zip(self.lags, weights.chunk(len(self.lags)), strict=True):
                for parameter in linear.parameters():
                    if parameter.ndim == 2:
                        parameter.copy_(part.T)

    def forward(self, windows: Tensor) -> Tensor:
        """Responses of a window to hidden features."""
        return torch.stack([linear(windows[:, lag]) for lag, linear in enumerate(self.lags)]).sum(dim=0)


class ResidualBlock(nn.Module):
    """Pre-norm residual MLP: x + Dropout(Linear(GELU(Linear(LayerNorm(x)))))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )

    def silence(self) -> None:
        """Let the block start as the identity."""
        _silence(self.layers[3])

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        return x + self.layers(x)


def backbone_of(sizes: BrainSizes, dropout: float) -> nn.Sequential:
    """The backbone's blocks, from hidden features to hidden features."""
    if sizes.backbone == "mindeye2":
        return nn.Sequential(*(ScalarMixer(dropout) for _ in range(sizes.blocks)))
    return nn.Sequential(*(ResidualBlock(sizes.hidden, dropout) for _ in range(sizes.blocks)))


class MotionProjection(nn.Module):
    """One linear map per token from brain tokens (B, N, C) to the tokens of every frame (B, F, N, C)."""

    def __init__(self, channels: int, frames: int) -> None:
        super().__init__()
        self.frames = frames
        self.linear = nn.Linear(channels, frames * channels)

    def forward(self, tokens: Tensor) -> Tensor:
        """Video embedding e_v."""
        batch, count, channels = tokens.shape
        return self.linear(tokens).view(batch, count, self.frames, channels).transpose(1, 2)


class TextProjection(nn.Module):
    """Mean of the video embedding over frames and tokens, to CLIP's joint space: (B, F, N, C) to (B, T)."""

    def __init__(self, channels: int, text: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, text)

    def forward(self, video: Tensor) -> Tensor:
        """Text embedding e_t."""
        return self.linear(video.mean(dim=(1, 2)))


def token_projector(channels: int) -> nn.Sequential:
    """Three times LayerNorm, GELU and Linear on each token (MindEye2's projector)."""
    layers = [
        layer
        for _ in range(3)
        for layer in (nn.LayerNorm(channels), nn.GELU(), nn.Linear(channels, channels))
    ]
    return nn.Sequential(*layers)


class BrainModel(nn.Module):
    """Responses to brain tokens, video embedding and text embedding (NEURONS section 3.2).

    Parameters
    ----------
    sizes
        See `BrainSizes`.
    dropout
        Of ridge output (not MindEye2's) and backbone, in training only.

    Attributes
    ----------
    token_mean, token_scale
        The video embedding predicts ``(image tokens - mean) / scale``; 0 and 1 unless targets are standardised.
    """

    token_mean: Tensor
    token_scale: Tensor

    def __init__(self, sizes: BrainSizes, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("token_mean", torch.zeros(sizes.frames, sizes.tokens, sizes.channels))
        self.register_buffer("token_scale", torch.ones(()))
        self.ridge = RidgePerLag(sizes.vertices, sizes.lags, sizes.hidden)
        self.drop = nn.Dropout(dropout if sizes.backbone == "residual" else 0.0)
        self.backbone = backbone_of(sizes, dropout)
        self.unfold = nn.Linear(sizes.hidden, sizes.tokens * sizes.channels)
        self.projector = token_projector(sizes.channels)
        self.motion = MotionProjection(sizes.channels, sizes.frames)
        self.text = TextProjection(sizes.channels, sizes.text)

    def standardise(self, tokens: Tensor) -> Tensor:
        """CLIP image tokens (B, F, N, C) as the video embedding predicts them."""
        return (tokens - self.token_mean) / self.token_scale

    def silence_branches(self) -> None:
        """Let the residual branches of backbone and projector start at zero."""
        for block in self.backbone:
            if isinstance(block, ResidualBlock | ScalarMixer):
                block.silence()
        _silence(self.projector[-1])

    def brain_tokens(self, hidden: Tensor) -> Tensor:
        """Brain tokens e_i (B, N, C) of hidden features (B, hidden)."""
        refined = self.backbone(self.drop(hidden))
        tokens = self.unfold(refined).unflatten(1, (self.sizes.tokens, self.sizes.channels))
        projected = remember_less(self.projector, tokens)
        return tokens + projected if self.sizes.residual_projector else projected

    def embed(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Brain tokens e_i (B, N, C), video embedding e_v (B, F, N, C) and text embedding e_t (B, T) of hidden features."""
        tokens = self.brain_tokens(hidden)
        video = self.motion(tokens)
        return tokens, video, self.text(video)

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The embeddings of windows of responses (B, lags, V)."""
        return self.embed(self.ridge(windows))
