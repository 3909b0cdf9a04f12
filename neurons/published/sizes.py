"""Sizes of published models, read off the shapes of their weights."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace

from torch import Tensor
from transformers import GPT2Config

from neurons.artifacts import InputError
from neurons.pretrain.model import BrainSizes
from neurons.published.decoupler import CLIP_END, PublishedSizes
from neurons.published.prior import PriorSizes

GPT2_HEAD_CHANNELS = 64
NORM_GROUPS = 32
"""Of the released decoder; neither this nor the above shows in a shape."""

Weights = Mapping[str, Tensor]


def backbone_sizes(brain: Weights) -> BrainSizes:
    """Sizes of a brain model, as far as ridge and backbone tell them; the projections' are 1."""
    hidden, vertices = _shape(brain, "ridge.lags.0.weight")
    channels = _shape(brain, "projector.2.weight")[1]
    return BrainSizes(
        vertices=vertices,
        lags=1,
        hidden=hidden,
        blocks=count(brain, "backbone"),
        frames=1,
        tokens=_shape(brain, "unfold.weight")[0] // channels,
        channels=channels,
        text=1,
        residual_projector=False,
        backbone="mindeye2",
    )


def brain_sizes(brain: Weights) -> BrainSizes:
    """Sizes of a brain model with all its parts."""
    known = backbone_sizes(brain)
    frames = _shape(brain, "motion.linear.weight")[0] // known.channels
    return replace(known, frames=frames, text=_shape(brain, "text.linear.weight")[0])


def prior_sizes(weights: Weights, levels: int) -> PriorSizes:
    """Sizes of a prior whose weights' names begin with ``prior.``."""
    tokens, channels = _shape(weights, "prior.place")
    return PriorSizes(
        tokens=tokens,
        channels=channels,
        layers=count(weights, "prior.layers"),
        head_channels=_shape(weights, "prior.layers.0.attention.nothing")[1],
        buckets=_shape(weights, "prior.distance_bias.weight")[0],
        levels=levels,
    )


def decoupler_sizes(weights: Weights, levels: int, mask_size_px: int, latent_size: int) -> PublishedSizes:
    """Sizes of a decoupler.

    Parameters
    ----------
    levels
        Noise levels of the prior.
    mask_size_px, latent_size
        Height and width that masks and latents are brought to.
    """
    prior = prior_sizes(weights, levels)
    transformer = "description.language_model.transformer"
    vocabulary, width = _shape(weights, f"{transformer}.wte.weight")
    language_model = GPT2Config(
        vocab_size=vocabulary,
        n_positions=_shape(weights, f"{transformer}.wpe.weight")[0],
        n_embd=width,
        n_layer=count(weights, f"{transformer}.h"),
        n_head=width // GPT2_HEAD_CHANNELS,
        eos_token_id=CLIP_END,
        bos_token_id=CLIP_END - 1,
    )
    stages = range(count(weights, "decoder.stages"))
    return PublishedSizes(
        frames=_shape(weights, "motion.linear.weight")[0] // prior.channels,
        tokens=prior.tokens,
        channels=prior.channels,
        text=_shape(weights, "decoder.query.weight")[0],
        concepts=_shape(weights, "concepts.1.weight")[0],
        prior=asdict(prior),
        maps=[_shape(weights, f"decoder.maps.{number}.weight")[0] for number in (0, 3, 6)],
        stages=[_shape(weights, f"decoder.stages.{number}.residuals.0.conv1.weight")[0] for number in stages],
        groups=NORM_GROUPS,
        mask_size=(mask_size_px, mask_size_px),
        latents=(_shape(weights, "decoder.latent_head.weight")[0], latent_size, latent_size),
        language_model=language_model.to_diff_dict(),
    )


def count(names: Iterable[str], prefix: str) -> int:
    """How many numbered parts there are below a prefix."""
    found = {int(match[1]) for name in names if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))}
    return max(found) + 1 if found else 0


def _shape(weights: Weights, name: str) -> tuple[int, ...]:
    if name not in weights:
        raise InputError(f"the checkpoint lacks weights for {name}. Is it complete?")
    return tuple(weights[name].shape)
