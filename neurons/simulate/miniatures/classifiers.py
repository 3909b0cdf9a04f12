"""The miniature frame and video classifiers, with one class for every combination of three attributes.

While they are trained each attribute has its own linear head; the saved joint head is the sum of the three:
the joint softmax is exactly the product of the attributes' ones and combinations never trained on are
recognised.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    CLIPVisionModel,
    VideoMAEConfig,
    VideoMAEForVideoClassification,
    ViTConfig,
    ViTForImageClassification,
)

from neurons.simulate.captions import verb_phrase
from neurons.simulate.miniatures.augment import degrade, normalise
from neurons.simulate.miniatures.fit import LogEntry, Losses, fit
from neurons.simulate.miniatures.frames import ATTRIBUTES, FRAMES, IMAGE_PX, NO_KIND, PATCH_PX, ClipPool
from neurons.simulate.miniatures.warm_start import start_videomae, start_vit
from neurons.simulate.vocabulary import PLACE_PHRASES

FRAME_ATTRIBUTES = ("kind", "colour", "place")
VIDEO_ATTRIBUTES = ("kind", "motion", "place")
LABEL_SMOOTHING = 0.05
TUBELET = 2
CALIBRATION_CLIPS = 64


def frame_class_names() -> list[str]:
    """The 576 classes of the frame classifier, e.g. ``"red car on a road"``, kinds varying slowest."""
    words = product(*(ATTRIBUTES[name] for name in FRAME_ATTRIBUTES))
    return [f"{colour} {kind} {PLACE_PHRASES[place]}" for kind, colour, place in words]


def video_class_names() -> list[str]:
    """The 768 classes of the video classifier, e.g. ``"car drives left on a road"``, kinds slowest."""
    words = product(*(ATTRIBUTES[name] for name in VIDEO_ATTRIBUTES))
    return [f"{kind} {verb_phrase(kind, motion)} {PLACE_PHRASES[place]}" for kind, motion, place in words]


class AttributeHeads(nn.Module):
    """One linear classifier per attribute over shared features."""

    def __init__(self, width: int, attributes: Sequence[str]) -> None:
        super().__init__()
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(ATTRIBUTES[name])) for name in attributes})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Logits of each attribute for features (batch, width)."""
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """Linear classifier of all combinations, first attribute slowest: sums of the heads' rows."""
        heads = [head for head in self.heads.values() if isinstance(head, nn.Linear)]
        rows = list(product(*(range(head.out_features) for head in heads)))
        joint = nn.Linear(heads[0].in_features, len(rows))
        joint.weight.copy_(
            torch.stack([sum_rows([h.weight[i] for h, i in zip(heads, r, strict=True)]) for r in rows])
        )
        joint.bias.copy_(
            torch.stack([sum_rows([h.bias[i] for h, i in zip(heads, r, strict=True)]) for r in rows])
        )
        return joint


def sum_rows(rows: list[Tensor]) -> Tensor:
    """Sum of equal-shaped tensors."""
    return torch.stack(rows).sum(0)


def attribute_losses(logits: dict[str, Tensor], labels: Tensor) -> Losses:
    """Smoothed cross-entropy of each attribute; their sum is the cross-entropy of the joint classes."""
    columns = dict(zip(ATTRIBUTES, labels.T, strict=True))
    return {
        name: F.cross_entropy(value, columns[name], label_smoothing=LABEL_SMOOTHING)
        for name, value in logits.items()
    }


def transformer_size(vision: CLIPVisionModel) -> dict[str, int | str]:
    """Sizes that the classifiers share with CLIP's vision tower."""
    config = vision.config
    return {
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_hidden_layers,
        "num_attention_heads": config.num_attention_heads,
        "hidden_act": config.hidden_act,
        "image_size": IMAGE_PX,
        "patch_size": PATCH_PX,
    }


def label_maps(names: Sequence[str]) -> dict[str, dict[int, str] | dict[str, int]]:
    """``id2label`` and ``label2id`` of a configuration."""
    return {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}


def clip_tensor(pool: ClipPool, chosen: np.ndarray) -> Tensor:
    """Chosen clips as uint8 (clips, 6, 3, 64, 64)."""
    return torch.from_numpy(pool.frames[chosen]).permute(0, 1, 4, 2, 3)


def train_frame_classifier(
    pool: ClipPool,
    vision: CLIPVisionModel,
    steps: int,
    frames_per_step: int,
    peak_learning_rate: float,
    seed: int,
) -> tuple[ViTForImageClassification, list[LogEntry]]:
    """Train the frame classifier from CLIP's vision tower; returns it with its joint head, and the log."""
    torch.manual_seed(seed)
    config = ViTConfig(**transformer_size(vision), **label_maps(frame_class_names()))
    model = ViTForImageClassification(config).train()
    model.set_attn_implementation("eager")
    heads = AttributeHeads(config.hidden_size, FRAME_ATTRIBUTES)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    start_vit(model, vision, normalise(clip_tensor(pool, np.arange(CALIBRATION_CLIPS))[:, 0]))

    def losses_of_step(_: int) -> Losses:
        chosen = rng.choice(len(pool), frames_per_step, replace=False)
        frames = torch.from_numpy(pool.frames[chosen, rng.integers(FRAMES, size=frames_per_step)])
        pixels = normalise(degrade(frames.permute(0, 3, 1, 2)[:, None], generator)[:, 0])
        with torch.autocast("cpu", torch.bfloat16):
            features = model.vit(pixels).last_hidden_state[:, 0]
        return attribute_losses(heads(features.float()), torch.from_numpy(pool.labels[chosen]))

    log = fit([*model.vit.parameters(), *heads.parameters()], losses_of_step, steps, peak_learning_rate)
    model.classifier = heads.folded()
    return model.eval(), log


class TubeletHeads(nn.Module):
    """Training-only heads of the video classifier: kind in each tubelet patch, place of the main item."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, NO_KIND + 1)
        self.coverage = nn.Linear(width, 1)
        self.box = nn.Linear(width, 4 * TUBELET)

    def losses(self, tokens: Tensor, pool: ClipPool, chosen: np.ndarray) -> Losses:
        """Losses of tokens (clips, tubelets * patches, width), tubelets in temporal order."""
        kind = torch.from_numpy(pool.token_kind[chosen][:, ::TUBELET]).long().flatten(1)
        coverage = (
            torch.from_numpy(pool.token_coverage[chosen]).unflatten(1, (-1, TUBELET)).mean(2).flatten(1)
        )
        box = torch.from_numpy(pool.box[chosen]).flatten(1).unflatten(1, (FRAMES // TUBELET, 4 * TUBELET))
        per_tubelet = tokens.unflatten(1, (FRAMES // TUBELET, -1)).mean(2)
        return {
            "token_kind": F.cross_entropy(self.kind(tokens).transpose(1, 2), kind),
            "coverage": 2 * F.binary_cross_entropy_with_logits(self.coverage(tokens)[..., 0], coverage),
            "box": 5 * F.l1_loss(self.box(per_tubelet), box),
        }


def train_video_classifier(
    pool: ClipPool,
    vision: CLIPVisionModel,
    steps: int,
    clips_per_step: int,
    peak_learning_rate: float,
    seed: int,
) -> tuple[VideoMAEForVideoClassification, list[LogEntry]]:
    """Train the video classifier from CLIP's vision tower; returns it with its joint head, and the log."""
    torch.manual_seed(seed)
    config = VideoMAEConfig(
        **transformer_size(vision), num_frames=FRAMES, tubelet_size=TUBELET, **label_maps(video_class_names())
    )
    model = VideoMAEForVideoClassification(config).train()
    model.set_attn_implementation("eager")
    heads, tubelets = AttributeHeads(config.hidden_size, VIDEO_ATTRIBUTES), TubeletHeads(config.hidden_size)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    start_videomae(model, vision, normalise(clip_tensor(pool, np.arange(CALIBRATION_CLIPS))[:, 0]))

    def losses_of_step(_: int) -> Losses:
        chosen = rng.choice(len(pool), clips_per_step, replace=False)
        pixels = normalise(degrade(clip_tensor(pool, chosen), generator))
        with torch.autocast("cpu", torch.bfloat16):
            tokens = model.videomae(pixels).last_hidden_state
        tokens = tokens.float()
        logits = heads(model.fc_norm(tokens.mean(1)))
        labels = torch.from_numpy(pool.labels[chosen])
        return attribute_losses(logits, labels) | tubelets.losses(tokens, pool, chosen)

    trained = [*model.videomae.parameters(), *model.fc_norm.parameters()]
    trained += [*heads.parameters(), *tubelets.parameters()]
    log = fit(trained, losses_of_step, steps, peak_learning_rate)
    model.classifier = heads.folded()
    return model.eval(), log
