"""The released NEURONS decoupler: heads that read a sample of the prior, and a describer that writes in CLIP's tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn import functional
from transformers import GPT2Config

from neurons.decouple.heads import DescriptionHead
from neurons.decouple.model import TaskTensors
from neurons.pretrain.model import MotionProjection, TextProjection
from neurons.published.decoder import PublishedDecoder
from neurons.published.prior import MindEye2Prior, PriorSizes

COMPANIONS = 20
"""Clips that the release decodes together, in the order of the test movies; their masks and latents depend on it."""
CAPTION_TOKENS = 30
CLIP_END = 49407
"""End token of CLIP's vocabulary, in which the released describer writes."""


@dataclass(frozen=True)
class PublishedSizes:
    """Sizes of a released decoupler.

    Attributes
    ----------
    frames, tokens, channels, text, concepts
        F, N, C, T and the number of concepts.
    prior
        `PriorSizes`, as a dictionary.
    maps, stages, groups
        Of `PublishedDecoder`.
    mask_size, latents
        (h, w) of masks and (c, h, w) of a frame's latents that the outputs are brought to, by nearest neighbours.
    language_model
        Configuration of GPT-2.
    """

    frames: int
    tokens: int
    channels: int
    text: int
    concepts: int
    prior: dict[str, int]
    maps: Sequence[int]
    stages: Sequence[int]
    groups: int
    mask_size: Sequence[int]
    latents: Sequence[int]
    language_model: dict[str, Any]

    @property
    def heads_input(self) -> str:
        """What the heads read, as in `DecouplerSizes`."""
        return "prior"


class UnitLength(nn.Module):
    """Scale to length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, T) to (B, T)."""
        return functional.normalize(x, dim=-1)


class PublishedDecoupler(nn.Module):
    """Prior, motion projection, decoder, classifier and describer of the release."""

    def __init__(self, sizes: PublishedSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.motion = MotionProjection(sizes.channels, sizes.frames)
        self.text = TextProjection(sizes.channels, sizes.text)
        self.prior = MindEye2Prior(PriorSizes(**sizes.prior))
        self.decoder = PublishedDecoder(
            sizes.channels, sizes.text, sizes.maps, sizes.stages, sizes.groups, sizes.latents[0]
        )
        self.concepts = nn.Sequential(
            nn.Linear(sizes.channels, sizes.text), nn.Linear(sizes.text, sizes.concepts)
        )
        self.description = DescriptionHead(sizes.text, GPT2Config(**sizes.language_model), 1, whiten=False)
        self.description.norm = UnitLength()

    def run_tasks(
        self, brain: Tensor, concept_texts: Tensor, seeds: list[int], prior_steps: int
    ) -> TaskTensors:
        """All task outputs of clips that are decoded together.

        Parameters
        ----------
        brain
            Brain tokens (B, N, C).
        concept_texts
            Pooled CLIP text embeddings (concepts, T) of the concepts' names.
        seeds
            Of the prior, one per clip.
        prior_steps
            Sampling steps of the prior (released: 100).
        """
        image_tokens = self.prior.sample(brain, seeds, prior_steps)
        video = self.motion(image_tokens)
        text = self.text(video)
        concepts = self.concepts(video.mean(dim=(1, 2))).float().sigmoid()
        driven = self.decoder.features(video, concept_texts[concepts.argmax(dim=1)])
        mask = self._resized(self.decoder.masks(driven), self.sizes.mask_size)[:, :, 0].sigmoid()
        latents = self.decoder.latents(self.decoder.features(video, text))
        return TaskTensors(
            mask=mask,
            concepts=concepts,
            ids=self.description.generate(text, CAPTION_TOKENS),
            latents=self._resized(latents, self.sizes.latents[1:]),
            image_tokens=image_tokens.float(),
            text=text.float(),
        )

    def _resized(self, x: Tensor, size: Sequence[int]) -> Tensor:
        """(B, F, c, h, w) of (B * F, c, ., .), by nearest neighbours."""
        resized = functional.interpolate(x.float(), tuple(size), mode="nearest")
        return resized.unflatten(0, (-1, self.sizes.frames))
