"""The prior: draws CLIP image tokens of the middle frame given the brain tokens (for the control image).

Denoising diffusion with a cosine schedule that predicts the clean tokens (DALL-E 2, section 2.2). The brain token of
each place enters beside the noisy token of that place, so the sequence is half as long as with a separate condition.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler
from torch import Tensor, nn
from torch.nn import functional

from neurons.artifacts import seed_for
from neurons.decouple.attention import Block, heads_for
from neurons.memory import remember_less
from neurons.parallel import alike, noise_like, own, whole

NOISE_LEVELS = 1000


class Prior(nn.Module):
    """Clean image tokens from noisy ones.

    Parameters
    ----------
    tokens, channels
        N and C.
    blocks
        Transformer blocks.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, tokens: int, channels: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(tokens, channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.condition_norm = nn.LayerNorm(channels)
        self.inputs = nn.Linear(2 * channels, channels)
        self.place = nn.Parameter(0.02 * torch.randn(tokens, channels))
        self.time = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.blocks = nn.Sequential(*(Block(channels, heads_for(channels), dropout) for _ in range(blocks)))
        self.outputs = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, channels))
        self.schedule = DDIMScheduler(
            NOISE_LEVELS,
            beta_schedule="squaredcos_cap_v2",
            prediction_type="sample",
            clip_sample=False,
            timestep_spacing="trailing",
        )

    def standardise(self, tokens: Tensor) -> Tensor:
        """Zero mean at each place and channel, unit SD per channel, by the statistics of training tokens."""
        return (tokens - self.mean) / self.deviation

    def forward(self, noisy: Tensor, level: Tensor, brain: Tensor) -> Tensor:
        """Predict the clean tokens.

        Parameters
        ----------
        noisy
            Standardised tokens with noise, (B, N, C).
        level
            int64 (B,): noise level, 0 to 999.
        brain
            Brain tokens (B, N, C).
        """
        x = self.inputs(torch.cat([noisy, self.condition_norm(brain)], dim=-1)) + self.place
        x = x + self.time(_sinusoid(level, x.shape[-1])).unsqueeze(1)
        for block in self.blocks:
            x = remember_less(block, x)
        return self.outputs(x)

    def denoise(self, tokens: Tensor, brain: Tensor) -> tuple[Tensor, Tensor]:
        """Noise the true tokens at a random level and predict them.

        Returns
        -------
        tuple
            Mean squared error (scalar) and predicted tokens (B, N, C), not standardised.
        """
        clean = self.standardise(tokens)
        noise = noise_like(clean)
        with alike():
            level = own(torch.randint(NOISE_LEVELS, (whole(len(clean)),), device=clean.device))
        predicted = self(self.schedule.add_noise(clean, noise, level), level, brain).float()
        return functional.mse_loss(predicted, clean), predicted * self.deviation + self.mean

    def sample(self, brain: Tensor, seeds: Sequence[int], steps: int) -> Tensor:
        """Draw image tokens (B, N, C): deterministic DDIM from noise that depends on each clip's own seed."""
        self.schedule.set_timesteps(steps)
        noise = [
            torch.randn(brain.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds
        ]
        x = predicted = torch.stack(noise).to(brain)
        for level in self.schedule.timesteps:
            predicted = self(x, level.expand(len(x)).to(x.device), brain)
            x = self.schedule.step(predicted, level, x, eta=0.0).prev_sample
        # The last prediction is the sample; the schedule itself would leave some noise for some numbers of steps.
        return predicted * self.deviation + self.mean


def prior_seeds(seed: int, clip_ids: Sequence[str]) -> list[int]:
    """A seed per clip, so that a clip's sample does not depend on which others are drawn."""
    return [seed_for(seed, "prior", identity) for identity in clip_ids]


def _sinusoid(level: Tensor, width: int) -> Tensor:
    frequencies = torch.exp(torch.arange(width // 2, device=level.device) * (-9.2103 / (width // 2)))
    angles = level[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
