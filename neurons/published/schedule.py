"""The released prior's diffusion: a cosine schedule of a hundred levels, noise added forwards, taken away backwards."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from math import pi

import torch
from torch import Tensor, nn

OFFSET, LARGEST = 0.008, 0.999
"""Of the cosine schedule (Nichol and Dhariwal 2021)."""

TABLES = (
    "betas", "alphas_cumprod", "alphas_cumprod_prev", "sqrt_alphas_cumprod", "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod", "sqrt_recip_alphas_cumprod", "sqrt_recipm1_alphas_cumprod", "posterior_variance",
    "posterior_log_variance_clipped", "posterior_mean_coef1", "posterior_mean_coef2", "p2_loss_weight",
)  # fmt: skip
"""Tables of the schedule that released checkpoints hold; all follow from the number of levels."""


Denoiser = Callable[[Tensor, Tensor], Tensor]
"""A network that predicts clean tokens: (noisy tokens (B, N, C), levels int64 (B,)) to (B, N, C)."""


def schedule_tables(levels: int) -> dict[str, Tensor]:
    """All of `TABLES`, float64 (levels,)."""
    times = torch.arange(levels + 1, dtype=torch.float64) / levels
    kept = torch.cos((times + OFFSET) / (1 + OFFSET) * pi / 2).square()
    betas = (1 - kept[1:] / kept[:-1]).clamp(0, LARGEST)
    signal = torch.cumprod(1 - betas, dim=0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    variance = betas * (1 - before) / (1 - signal)
    return {
        "betas": betas,
        "alphas_cumprod": signal,
        "alphas_cumprod_prev": before,
        "sqrt_alphas_cumprod": signal.sqrt(),
        "sqrt_one_minus_alphas_cumprod": (1 - signal).sqrt(),
        "log_one_minus_alphas_cumprod": (1 - signal).log(),
        "sqrt_recip_alphas_cumprod": signal.rsqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / signal - 1).sqrt(),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before.sqrt() / (1 - signal),
        "posterior_mean_coef2": (1 - before) * (1 - betas).sqrt() / (1 - signal),
        "p2_loss_weight": torch.ones(levels, dtype=torch.float64),
    }


class CosineSchedule(nn.Module):
    """Noise by level, 0 (least) to ``levels - 1``."""

    betas: Tensor
    signal: Tensor
    before: Tensor

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels = levels
        tables = schedule_tables(levels)
        for name, table in (
            ("betas", "betas"),
            ("signal", "alphas_cumprod"),
            ("before", "alphas_cumprod_prev"),
        ):
            self.register_buffer(name, tables[table].float(), persistent=False)

    def add_noise(self, clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Noisy tokens (B, N, C) at levels int64 (B,)."""
        signal = self.signal[level].view(-1, 1, 1)
        return signal.sqrt() * clean + (1 - signal).sqrt() * noise

    def sample(
        self, denoise: Denoiser, shape: Sequence[int], seeds: Sequence[int], steps: int, device: torch.device
    ) -> Tensor:
        """Draw tokens (B, N, C), each clip from its own seed.

        Parameters
        ----------
        denoise
            Predicts the clean tokens.
        shape
            Of a clip's tokens, (N, C).
        seeds
            One per clip.
        steps
            As many as there are levels: ancestral sampling through all of them; fewer: DDIM with the full noise
            (eta = 1), whose last level is skipped, as in the release.
        """
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def noise() -> Tensor:
            drawn = [torch.randn(tuple(shape), generator=generator) for generator in generators]
            return torch.stack(drawn).to(device)

        def predict(x: Tensor, level: int) -> Tensor:
            return denoise(x, torch.full((len(seeds),), level, device=device)).float()

        x = noise()
        if steps == self.levels:
            for level in reversed(range(self.levels)):
                x = self._ancestral(x, predict(x, level), level, noise() if level else None)
            return x
        levels = torch.linspace(-1, self.levels, steps + 1)[:-1].int().tolist()[::-1]
        for level, following in itertools.pairwise(levels):
            clean = predict(x, level)
            x = (
                clean
                if following < 0
                else self._jump(x, clean, level, following, noise() if following else None)
            )
        return x

    def _ancestral(self, x: Tensor, clean: Tensor, level: int, noise: Tensor | None) -> Tensor:
        """One level down, with the noise of the posterior (none at the last)."""
        beta, signal, before = self.betas[level], self.signal[level], self.before[level]
        mean = (beta * before.sqrt() * clean + (1 - before) * (1 - beta).sqrt() * x) / (1 - signal)
        if noise is None:
            return mean
        return mean + (beta * (1 - before) / (1 - signal)).sqrt() * noise

    def _jump(self, x: Tensor, clean: Tensor, level: int, following: int, noise: Tensor | None) -> Tensor:
        """From a level to a lower one (the release takes the signal of the levels below both)."""
        residual = (x / self.signal[level].sqrt() - clean) / (1 / self.signal[level] - 1).sqrt()
        signal, signal_next = self.before[level], self.before[following]
        added = ((1 - signal / signal_next) * (1 - signal_next) / (1 - signal)).sqrt()
        kept = (1 - signal_next - added.square()).sqrt()
        jumped = signal_next.sqrt() * clean + kept * residual
        return jumped if noise is None else jumped + added * noise
