"""How many weights the brain model and the decoupler have, part by part, beside those of the release.

Built on PyTorch's meta device, so that models of any size cost no memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from transformers import GPT2Config

from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.decouple.settings import Decouple
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.settings import Pretrain
from neurons.published.decoupler import PublishedDecoupler, PublishedSizes

RELEASED_BLOCKS, RELEASED_LAYERS = 4, 6
RELEASED_MAPS, RELEASED_STAGES, RELEASED_GROUPS = (512, 128, 64), (128, 64, 32), 32
BYTES = 4
"""Of a weight, of its gradient and of each of AdamW's two moments, which training keeps in float32."""
BYTES_OF_8BIT = 1 + 4 / 256
"""Of a moment in 8 bits: one, and its part of a float32 scale for each block of 256 (`optimiser.state`)."""


@dataclass(frozen=True)
class Surroundings:
    """Sizes that data and frozen models give.

    Attributes
    ----------
    vertices
        Vertices of each subject.
    frames, tokens, channels, joint, text_token
        F, N, C, T and the width of a CLIP text token.
    concepts
        Number of concepts.
    mask_size_px, latents
        Height and width of masks; (c, h, w) of a frame's latents.
    language_model
        Configuration of GPT-2.
    """

    vertices: Sequence[int]
    frames: int
    tokens: int
    channels: int
    joint: int
    text_token: int
    concepts: int
    mask_size_px: int
    latents: tuple[int, int, int]
    language_model: GPT2Config


@dataclass(frozen=True)
class Part:
    """A row of the table.

    Attributes
    ----------
    stage
        ``pretrain`` or ``decouple``: where it is first trained.
    name
        Of the part.
    weights, released
        Its parameters here, and in the release at the same F, N, C and T.
    trained
        Those of `weights` that the stage trains.
    why
        Why the two differ; empty if they do not.
    """

    stage: str
    name: str
    weights: int
    released: int
    trained: int
    why: str


def count(module: nn.Module) -> int:
    """Parameters of a module (a tied weight once)."""
    return sum(parameter.numel() for parameter in module.parameters())


def pretrain_parts(settings: Pretrain, around: Surroundings) -> list[Part]:
    """The parts of the brain model; a ridge per subject."""
    ours = _brain_models(settings, around)
    released = _released_brain_model(settings, around)
    learned = settings.ridge == "trained"
    lags = len(settings.window_tr)
    parts = []
    for number, (vertices, model) in enumerate(zip(around.vertices, ours, strict=True)):
        own = count(model.ridge)
        one_lag = settings.hidden_width * (vertices + 1)
        why = f"{lags} lags (pretrain.window_tr), each with its own weights" if lags > 1 else ""
        parts.append(Part("pretrain", f"ridge {number + 1}", own, one_lag, own if learned else 0, why))
    first = ours[0]
    blocks = (
        ""
        if settings.backbone == "mindeye2"
        else "residual blocks that act; of the released mixer's weights these alone reach the output"
    )
    for name, module, reference, why in (
        ("backbone", first.backbone, released.backbone, blocks),
        ("unfolding", first.unfold, released.unfold, ""),
        ("token projector", first.projector, released.projector, ""),
        ("motion projection", first.motion, released.motion, ""),
        ("text projection", first.text, released.text, ""),
    ):
        weights, published = count(module), count(reference)
        if name == "text projection":
            published -= around.joint
            why = "a bias; the release keeps its matrix as it is, here it is trained"
        parts.append(Part("pretrain", name, weights, published, weights, why if weights != published else ""))
    return parts


def decouple_parts(settings: Decouple, around: Surroundings) -> list[Part]:
    """The parts of the decoupler; those that come from the brain model only if they are trained on."""
    model, released = _decoupler(settings, around), _released_decoupler(around)
    reasons = {
        "motion projection": "",
        "prior": "each brain token beside the noisy token of its place: half the sequence (decouple.prior)",
        "text-driven decoder": "the clip's own text and frames; masks and latents at their own sizes (decoder_width)",
        "classifier": "a hidden layer with GELU between the two layers",
        "language model": "",
        "prefix": f"{settings.prefix_tokens} prefix tokens and a norm (decouple.prefix_tokens, whiten_text)",
    }
    pairs = {
        "prior": (model.prior, released.prior),
        "text-driven decoder": (model.decoder, released.decoder),
        "classifier": (model.concepts, released.concepts),
        "language model": (model.description.language_model, released.description.language_model),
        "prefix": (
            nn.ModuleList([model.description.prefix, model.description.norm]),
            released.description.prefix,
        ),
    }
    if settings.train_motion:
        pairs = {"motion projection": (model.motion, released.motion), **pairs}
    parts = []
    for name, (own, reference) in pairs.items():
        weights, published = count(own), count(reference)
        why = reasons[name] if weights != published else ""
        parts.append(Part("decouple", name, weights, published, weights, why))
    return parts


def training_bytes(weights: int, trained: int, state: str = "32bit") -> int:
    """Memory of weights, of gradients and of AdamW's state (small tensors are counted as if they were in 8 bits too)."""
    moment = BYTES if state == "32bit" else BYTES_OF_8BIT
    return round(BYTES * (weights + trained) + 2 * moment * trained)


def _brain_models(settings: Pretrain, around: Surroundings) -> list[BrainModel]:
    with torch.device("meta"):
        return [
            BrainModel(
                BrainSizes(
                    vertices, len(settings.window_tr), settings.hidden_width, settings.blocks, around.frames,
                    around.tokens, around.channels, around.joint,
                    residual_projector=settings.ridge == "closed_form", backbone=settings.backbone,
                )
            )
            for vertices in around.vertices
        ]  # fmt: skip


def _released_brain_model(settings: Pretrain, around: Surroundings) -> BrainModel:
    sizes = BrainSizes(
        around.vertices[0], 1, settings.hidden_width, RELEASED_BLOCKS, around.frames, around.tokens,
        around.channels, around.joint, residual_projector=False, backbone="mindeye2",
    )  # fmt: skip
    with torch.device("meta"):
        return BrainModel(sizes)


def _decoupler(settings: Decouple, around: Surroundings) -> DecouplerModel:
    sizes = DecouplerSizes(
        frames=around.frames,
        tokens=around.tokens,
        channels=around.channels,
        text=around.joint,
        text_token=around.text_token,
        concepts=around.concepts,
        mask_size=(around.mask_size_px, around.mask_size_px),
        latents=around.latents,
        decoder_width=settings.decoder_width,
        prior_blocks=settings.prior_blocks,
        prefix_tokens=settings.prefix_tokens,
        whiten_text=settings.whiten_text,
        caption_tokens=1,
        heads_input=settings.heads_input,
        language_model=around.language_model.to_diff_dict(),
        prior=settings.prior,
    )
    with torch.device("meta"):
        return DecouplerModel(sizes)


def _released_decoupler(around: Surroundings) -> PublishedDecoupler:
    heads = max(heads for heads in range(1, 33) if around.channels % heads == 0)
    prior = {
        "tokens": around.tokens,
        "channels": around.channels,
        "layers": RELEASED_LAYERS,
        "head_channels": around.channels // heads,
    }
    with torch.device("meta"):
        return PublishedDecoupler(
            PublishedSizes(
                around.frames, around.tokens, around.channels, around.joint, around.concepts, prior, RELEASED_MAPS,
                RELEASED_STAGES, RELEASED_GROUPS, (around.mask_size_px, around.mask_size_px), around.latents,
                around.language_model.to_diff_dict(),
            )
        )  # fmt: skip
