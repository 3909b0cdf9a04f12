"""The miniature CLIP: sees objects, colours, places and positions in single frames and reads motion words.

Beside the contrastive loss, training-only heads make the features useful to the models built on them:

- patch tokens (after the final layer norm) tell kind, colour and coverage of the item in their patch;
- the class token tells the main item's box;
- two frames of a clip together (an order-sensitive head) are matched with captions whose motion words count,
  so that the text tower, which single frames teach nothing about motion, tells motions apart;
- the mean of the projected patch tokens is matched with captions as the class token is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from neurons.simulate.miniatures.augment import degrade, normalise
from neurons.simulate.miniatures.fit import LogEntry, Losses, fit
from neurons.simulate.miniatures.frames import (
    ATTRIBUTES,
    FRAMES,
    IMAGE_PX,
    NO_COLOUR,
    NO_KIND,
    PATCH_PX,
    ClipPool,
    partial_caption,
)
from neurons.simulate.miniatures.tokenizers import CLIP_MAX_LENGTH

WIDTH, HEADS, VISION_LAYERS, TEXT_LAYERS = 128, 4, 4, 3
MAX_LOGIT_SCALE = float(np.log(100.0))
STATIC = ("kind", "colour", "place")
PART_PROBABILITY = {"colour": 0.9, "motion": 0.6, "place": 0.9, "others": 0.6}
"""How often a training caption keeps each part; the kind is always kept."""


def build_clip(tokenizer: CLIPTokenizer) -> CLIPModel:
    """Untrained model: 64 px images, 8 px patches, width 128; eager attention trains faster in bf16 on CPUs."""
    tower = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_attention_heads": HEADS,
        "projection_dim": WIDTH,
    }
    config = CLIPConfig(
        text_config={
            **tower,
            "num_hidden_layers": TEXT_LAYERS,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": CLIP_MAX_LENGTH,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        vision_config={
            **tower,
            "num_hidden_layers": VISION_LAYERS,
            "image_size": IMAGE_PX,
            "patch_size": PATCH_PX,
        },
        projection_dim=WIDTH,
    )
    model = CLIPModel(config)
    model.set_attn_implementation("eager")
    return model


class TrainingHeads(nn.Module):
    """Heads that exist only while CLIP is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.token_kind = nn.Linear(WIDTH, NO_KIND + 1)
        self.token_colour = nn.Linear(WIDTH, NO_COLOUR + 1)
        self.token_coverage = nn.Linear(WIDTH, 1)
        self.box = nn.Linear(WIDTH, 4)
        self.image = nn.ModuleDict({name: nn.Linear(WIDTH, len(ATTRIBUTES[name])) for name in STATIC})
        self.text = nn.ModuleDict({name: nn.Linear(WIDTH, len(words)) for name, words in ATTRIBUTES.items()})
        self.order = nn.Sequential(
            nn.Linear(2 * WIDTH + 1, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )


@dataclass(frozen=True)
class Batch:
    """Two frames of each clip and one text about it.

    ``frames`` float (2 * clips, 3, 64, 64), first frames before second ones; ``gap`` (clips, 1) in clips;
    ``said`` int64 (clips, 4): what the text says of kind, colour, place and motion, -1 for nothing.
    """

    frames: Tensor
    gap: Tensor
    labels: Tensor
    said: Tensor
    input_ids: Tensor
    token_kind: Tensor
    token_colour: Tensor
    token_coverage: Tensor
    box: Tensor


class BatchSampler:
    """Draws batches from a pool; one generator makes every choice."""

    def __init__(self, pool: ClipPool, tokenizer: CLIPTokenizer, clips: int, seed: int) -> None:
        self.pool = pool
        self.tokenizer = tokenizer
        self.clips = clips
        self.rng = np.random.default_rng(seed)
        self.generator = torch.Generator().manual_seed(seed)

    def draw(self) -> Batch:
        """A batch of distinct clips."""
        pool = self.pool
        chosen = self.rng.choice(len(pool), self.clips, replace=False)
        pairs = np.sort(np.argsort(self.rng.random((self.clips, FRAMES)), axis=1)[:, :2], axis=1)
        both = np.concatenate([chosen, chosen]), np.concatenate([pairs[:, 0], pairs[:, 1]])
        clips = torch.from_numpy(pool.frames[chosen[:, None], pairs]).permute(0, 1, 4, 2, 3)
        frames = degrade(clips, self.generator).transpose(0, 1).flatten(0, 1)
        texts, said = self._texts(chosen)
        return Batch(
            frames=normalise(frames),
            gap=torch.from_numpy((pairs[:, 1:] - pairs[:, :1]) / FRAMES).float(),
            labels=torch.from_numpy(pool.labels[chosen]),
            said=torch.from_numpy(said),
            input_ids=self.tokenizer(texts, padding=True, return_tensors="pt").input_ids,
            token_kind=torch.from_numpy(pool.token_kind[both]).long(),
            token_colour=torch.from_numpy(pool.token_colour[both]).long(),
            token_coverage=torch.from_numpy(pool.token_coverage[both]),
            box=torch.from_numpy(pool.box[both]),
        )

    def _texts(self, chosen: NDArray[np.int64]) -> tuple[list[str], NDArray[np.int64]]:
        keep = {name: self.rng.random(len(chosen)) < p for name, p in PART_PROBABILITY.items()}
        said = self.pool.labels[chosen].copy()
        for column, name in enumerate(ATTRIBUTES):
            if name in keep:
                said[~keep[name], column] = -1
        texts = [
            partial_caption(self.pool.scenes[clip], **{name: bool(kept[i]) for name, kept in keep.items()})
            for i, clip in enumerate(chosen)
        ]
        return texts, said


def compatible(labels: Tensor, said: Tensor) -> Tensor:
    """Whether each text is true of each clip: (clips, words) and (texts, words) -> (clips, texts) bool."""
    return ((said[None] == -1) | (said[None] == labels[:, None])).all(-1)


def matching_loss(visual: Tensor, text: Tensor, scale: Tensor, true: Tensor) -> Tensor:
    """Symmetric InfoNCE; all true texts of an image (and true images of a text) share its target evenly."""
    logits = scale * F.normalize(visual.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
    share = true.float()
    over_texts = F.cross_entropy(logits, share / share.sum(1, keepdim=True))
    over_images = F.cross_entropy(logits.T, (share / share.sum(0, keepdim=True)).T)
    return (over_texts + over_images) / 2


def dense_loss(heads: TrainingHeads, tokens: Tensor, batch: Batch) -> Tensor:
    """Kind, colour and coverage of every patch, items and background weighted alike."""
    foreground = (batch.token_kind != NO_KIND).float()
    weight = 0.5 * foreground / foreground.mean() + 0.5 * (1 - foreground) / (1 - foreground).mean()
    tokens = tokens.float()
    kind = F.cross_entropy(heads.token_kind(tokens).transpose(1, 2), batch.token_kind, reduction="none")
    colour = F.cross_entropy(heads.token_colour(tokens).transpose(1, 2), batch.token_colour, reduction="none")
    coverage = F.binary_cross_entropy_with_logits(
        heads.token_coverage(tokens)[..., 0], batch.token_coverage, reduction="none"
    )
    return ((kind + colour + 2 * coverage) * weight).mean()


def clip_losses(model: CLIPModel, heads: TrainingHeads, batch: Batch) -> Losses:
    """All losses of a batch, weighted."""
    with torch.autocast("cpu", torch.bfloat16):
        vision = model.vision_model(pixel_values=batch.frames)
        text = model.get_text_features(input_ids=batch.input_ids).pooler_output.float()
    tokens = model.vision_model.post_layernorm(vision.last_hidden_state[:, 1:].float())
    pooled = vision.pooler_output.float()
    image = model.visual_projection(pooled)
    token_mean = model.visual_projection(tokens.mean(1))
    model.logit_scale.data.clamp_(max=MAX_LOGIT_SCALE)
    scale = model.logit_scale.exp()
    first, second = pooled.chunk(2)
    in_order = heads.order(torch.cat([first, second, batch.gap], dim=1))
    static_true = compatible(batch.labels[:, :3], batch.said[:, :3]).repeat(2, 1)
    labels = dict(zip(ATTRIBUTES, batch.labels.T, strict=True))
    said = dict(zip(ATTRIBUTES, batch.said.T, strict=True))
    return {
        "image": matching_loss(image, text, scale, static_true),
        "token_mean": 0.5 * matching_loss(token_mean, text, scale, static_true),
        "clip": matching_loss(in_order, text, scale, compatible(batch.labels, batch.said)),
        "dense": 0.5 * dense_loss(heads, tokens, batch),
        "box": 5.0 * F.l1_loss(heads.box(pooled), batch.box),
        "image_words": 0.5
        * sum_of([F.cross_entropy(heads.image[n](image), labels[n].repeat(2)) for n in STATIC]),
        "text_words": 0.2
        * sum_of([F.cross_entropy(heads.text[n](text), said[n], ignore_index=-1) for n in said]),
    }


def sum_of(losses: list[Tensor]) -> Tensor:
    """Sum of scalar losses."""
    return torch.stack(losses).sum()


def train_clip(
    pool: ClipPool,
    tokenizer: CLIPTokenizer,
    steps: int,
    clips_per_step: int,
    peak_learning_rate: float,
    seed: int,
) -> tuple[CLIPModel, list[LogEntry]]:
    """Train a CLIP on a pool; returns it (float32, evaluation mode) with the training log."""
    torch.manual_seed(seed)
    model, heads = build_clip(tokenizer).train(), TrainingHeads()
    sampler = BatchSampler(pool, tokenizer, clips_per_step, seed)

    def losses_of_step(_: int) -> Losses:
        return clip_losses(model, heads, sampler.draw())

    log = fit([*model.parameters(), *heads.parameters()], losses_of_step, steps, peak_learning_rate)
    return model.eval(), log
