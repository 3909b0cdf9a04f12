"""The decoupler: task heads and prior on the embeddings of a frozen brain model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import GPT2Config

from neurons.decouple.attention import heads_for
from neurons.decouple.decoder import TextDrivenDecoder
from neurons.decouple.heads import ConceptHead, DescriptionHead
from neurons.decouple.prior import Prior
from neurons.pretrain.model import MotionProjection, TextProjection
from neurons.published.prior import MindEye2Prior, PriorSizes


@dataclass(frozen=True)
class DecouplerSizes:
    """What decides the shapes and the wiring of a decoupler.

    Attributes
    ----------
    frames, tokens, channels, text
        F, N, C and T of the brain model.
    text_token, concepts
        Width of a CLIP text token; number of concepts.
    mask_size, latents
        (h, w) of the masks; (c, h, w) of a frame's latents.
    decoder_width, prior_blocks, prefix_tokens, whiten_text
        From the configuration.
    caption_tokens
        Longest description that is generated.
    heads_input
        ``brain``: heads read the video embedding; ``prior``: they read the prior's prediction (as released).
    language_model
        Configuration of GPT-2.
    prior
        ``paired``: `neurons.decouple.prior.Prior`; ``mindeye2``: the released one.
    """

    frames: int
    tokens: int
    channels: int
    text: int
    text_token: int
    concepts: int
    mask_size: tuple[int, ...]
    latents: tuple[int, ...]
    decoder_width: int
    prior_blocks: int
    prefix_tokens: int
    whiten_text: bool
    caption_tokens: int
    heads_input: str
    language_model: dict[str, Any]
    prior: str = "paired"


@dataclass(frozen=True)
class TaskTensors:
    """Outputs of the tasks for a batch, on the model's device.

    Attributes
    ----------
    mask
        Probabilities (B, F, h, w).
    concepts
        Probabilities (B, concepts).
    ids
        Tokens of the descriptions, int64 (B, <= caption_tokens), -100 after the end.
    latents
        (B, F, c, h, w).
    image_tokens
        Sample of the prior (B, N, C).
    text
        Text embedding (B, T).
    """

    mask: Tensor
    concepts: Tensor
    ids: Tensor
    latents: Tensor
    image_tokens: Tensor
    text: Tensor


def prior_of(sizes: DecouplerSizes, dropout: float) -> Prior | MindEye2Prior:
    """The prior that the sizes name (the released one has no dropout)."""
    if sizes.prior == "paired":
        return Prior(sizes.tokens, sizes.channels, sizes.prior_blocks, dropout)
    heads = heads_for(sizes.channels, most=32)
    return MindEye2Prior(
        PriorSizes(sizes.tokens, sizes.channels, sizes.prior_blocks, head_channels=sizes.channels // heads)
    )


class DecouplerModel(nn.Module):
    """Four task heads and the prior (NEURONS section 3.3).

    The motion projection starts from the brain model's and is trained on or frozen (`decouple.train_motion`); the text
    projection is frozen.

    Attributes
    ----------
    mask_shift
        Added to the logits of the masks in `run_tasks` (see `neurons.decouple.calibration`); 0 while training.
    """

    mask_shift: Tensor

    def __init__(self, sizes: DecouplerSizes, dropout: float = 0.0) -> None:
        super().__init__()
        self.sizes = sizes
        self.register_buffer("mask_shift", torch.zeros(()))
        self.motion = MotionProjection(sizes.channels, sizes.frames)
        self.text = TextProjection(sizes.channels, sizes.text).requires_grad_(False)
        self.prior = prior_of(sizes, dropout)
        self.decoder = TextDrivenDecoder(
            sizes.frames,
            sizes.tokens,
            sizes.channels,
            sizes.text_token,
            sizes.decoder_width,
            tuple(sizes.mask_size),
            tuple(sizes.latents),
            dropout,
        )
        self.concepts = ConceptHead(sizes.channels, sizes.concepts, dropout)
        self.description = DescriptionHead(
            sizes.text, GPT2Config(**sizes.language_model), sizes.prefix_tokens, sizes.whiten_text
        )

    def embed(self, brain: Tensor, prior_tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Video embedding (B, F, N, C) and text embedding (B, T) that the heads read.

        Parameters
        ----------
        brain
            Brain tokens (B, N, C).
        prior_tokens
            Prediction or sample of the prior (B, N, C), read instead if ``heads_input`` is ``prior``.
        """
        video = self.motion(brain if self.sizes.heads_input == "brain" else prior_tokens)
        return video, self.text(video)

    def run_tasks(
        self, brain: Tensor, concept_tokens: Tensor, concept_valid: Tensor, seeds: list[int], prior_steps: int
    ) -> TaskTensors:
        """All task outputs of a batch, as at inference: the most probable concept drives masks and blurry video.

        Parameters
        ----------
        brain
            Brain tokens (B, N, C).
        concept_tokens, concept_valid
            CLIP text tokens (concepts, L, W) of each concept's name, and which of them exist, bool (concepts, L).
        seeds
            Of the prior, one per clip.
        prior_steps
            Sampling steps of the prior.
        """
        image_tokens = self.prior.sample(brain, seeds, prior_steps)
        video, text = self.embed(brain, image_tokens)
        concepts = self.concepts(video).float().sigmoid()
        top = concepts.argmax(dim=1)
        features = self.decoder.features(video, concept_tokens[top], concept_valid[top])
        return TaskTensors(
            mask=(self.decoder.masks(features).float() + self.mask_shift).sigmoid(),
            concepts=concepts,
            ids=self.description.generate(text, self.sizes.caption_tokens),
            latents=self.decoder.latents(features).float(),
            image_tokens=image_tokens.float(),
            text=text.float(),
        )
