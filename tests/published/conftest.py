"""Small checkpoints under the published names, made from the published list of names and shapes."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from .restated import cosine

HERE = Path(__file__).parent
VOXELS, HIDDEN, TOKENS, CHANNELS, FRAMES, TEXT, LEVELS, HEAD = 9, 6, 16, 72, 2, 20, 8, 36
SMALLER = {
    13447: VOXELS, 15724: VOXELS, 4096: HIDDEN, 425984: TOKENS * CHANNELS, 1664: CHANNELS, 9984: FRAMES * CHANNELS,
    1280: TEXT, 104: 2 * HEAD, 52: HEAD, 13312: 8 * CHANNELS, 6656: 4 * CHANNELS, 3328: 2 * CHANNELS, 256: TOKENS,
    100: LEVELS, 512: 24, 128: 96, 768: 64, 2304: 192, 3072: 256, 1024: 40,
}  # fmt: skip
"""Published sizes, and those of the small checkpoints."""

NEURONS, MINDEYE2 = "neurons_brain_model_prior_last.tsv", "mindeye2_last.tsv"


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Published names and shapes."""
    table = pd.read_csv(HERE / name, sep="\t")
    return {
        row["key"]: tuple(int(size) for size in str(row["shape"]).split("x"))
        for row in table.to_dict("records")
    }


def schedule(name: str) -> Tensor:
    """Tables of the noise schedule, from the share of signal variance at each level."""
    signal = torch.tensor(cosine(LEVELS), dtype=torch.float64)
    before = torch.cat([torch.ones(1, dtype=torch.float64), signal[:-1]])
    betas = 1 - signal / before
    variance = betas * (1 - before) / (1 - signal)
    tables = {
        "betas": betas, "alphas_cumprod": signal, "alphas_cumprod_prev": before, "sqrt_alphas_cumprod": signal**0.5,
        "sqrt_one_minus_alphas_cumprod": (1 - signal) ** 0.5, "log_one_minus_alphas_cumprod": (1 - signal).log(),
        "sqrt_recip_alphas_cumprod": signal**-0.5, "sqrt_recipm1_alphas_cumprod": (1 / signal - 1) ** 0.5,
        "posterior_variance": variance, "posterior_log_variance_clipped": variance.clamp(min=1e-20).log(),
        "posterior_mean_coef1": betas * before**0.5 / (1 - signal),
        "posterior_mean_coef2": (1 - before) * (1 - betas) ** 0.5 / (1 - signal), "p2_loss_weight": torch.ones(LEVELS),
    }  # fmt: skip
    return tables[name].float()


def value(key: str, published: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """A random weight of a small size that keeps activations near 1; tables as they must be."""
    if key.startswith("diffusion_prior.noise_scheduler."):
        return schedule(key.rpartition(".")[2])
    if key.endswith("rotary_emb.freqs"):
        return torch.tensor([10000 ** (-2 * i / 32) for i in range(16)])
    shape = tuple(SMALLER.get(size, size) for size in published)
    if key.endswith("relative_attention_bias.weight"):
        shape = (32, CHANNELS // HEAD)
    drawn = torch.randn(shape, generator=generator)
    if len(shape) == 1:
        gain = key.endswith(("norm.weight", ".g", ".0.weight", "1.weight", "3.weight", "6.weight"))
        return 1 + 0.2 * drawn if gain else 0.3 * drawn
    if key.startswith("diffusion_prior.net.") and key.endswith(("query", "embeds", "embed", "null_kv")):
        return drawn
    return drawn / math.sqrt(drawn[0].numel())


def checkpoint(name: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(11)
    state = {key: value(key, shape, generator) for key, shape in shapes(name).items()}
    if name == NEURONS:
        state["text_dec.decoder.lm_head.weight"] = state["text_dec.decoder.transformer.wte.weight"]
    return state


@pytest.fixture(scope="session")
def neurons_state() -> dict[str, Tensor]:
    return checkpoint(NEURONS)


@pytest.fixture(scope="session")
def mindeye2_state() -> dict[str, Tensor]:
    return checkpoint(MINDEYE2)
