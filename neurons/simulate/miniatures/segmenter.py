"""The miniature SAM: its network, its material (frames with the masks of what is in them), its training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from torch import Tensor, nn

from neurons.simulate.miniatures.fit import LogEntry, Losses, fit
from neurons.simulate.render import render, render_masks
from neurons.simulate.vocabulary import OBJECTS
from neurons.simulate.world import MAX_DURATION_S, MIN_DURATION_S, combinations, sample_scene

FRAME_PX = 64
SEGMENTER_PX = 128
FEWEST_PX = 12
"""Items with fewer visible px than this are left out."""


@dataclass(frozen=True)
class FramePool:
    """Rendered frames with what is in them.

    Attributes
    ----------
    frames
        uint8, shape (n, 64, 64, 3), RGB.
    kinds
        Of each frame, its items' places in `OBJECTS`.
    masks
        Of each frame, bool, shape (items, 64, 64).
    """

    frames: NDArray[np.uint8]
    kinds: list[list[int]]
    masks: list[NDArray[np.bool_]]


def render_frames(part: Literal["train", "test"], count: int, seed: int) -> FramePool:
    """Frames at random moments of scenes of a part's combinations, with the items that are visible in them."""
    rng = np.random.default_rng(seed)
    allowed = combinations(part)
    frames = np.empty((count, FRAME_PX, FRAME_PX, 3), np.uint8)
    kinds, masks = [], []
    for row in range(count):
        duration_s = float(rng.uniform(MIN_DURATION_S, MAX_DURATION_S))
        scene = sample_scene(rng, allowed[rng.integers(len(allowed))], duration_s)
        time_s = float(rng.uniform(0, duration_s))
        frames[row] = render(scene, time_s, FRAME_PX)
        drawn = render_masks(scene, time_s, FRAME_PX)
        seen = drawn.sum(axis=(1, 2)) >= FEWEST_PX
        kinds.append(
            [OBJECTS.index(item.kind) for item, is_seen in zip(scene.items, seen, strict=True) if is_seen]
        )
        masks.append(drawn[seen])
    return FramePool(frames, kinds, masks)


def corners(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Boxes x0, y0, x1, y1 in px around masks (n, H, W), none of them empty; shape (n, 4)."""
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        boxes.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    return np.array(boxes, np.float32).reshape(-1, 4)


def new_segmenter() -> Sam:
    """A small SAM with random weights, 128 px."""
    width, out, patch = 64, 32, 8
    grid = SEGMENTER_PX // patch
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=SEGMENTER_PX, patch_size=patch, embed_dim=width, depth=3, num_heads=2, mlp_ratio=2.0,
            out_chans=out, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True,
            window_size=4, global_attn_indexes=(2,),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=out, image_embedding_size=(grid, grid), input_image_size=(SEGMENTER_PX, SEGMENTER_PX),
            mask_in_chans=8,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=2, embedding_dim=out, mlp_dim=64, num_heads=8),
            transformer_dim=out, iou_head_depth=2, iou_head_hidden_dim=32,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )  # fmt: skip


def train_segmenter(
    model: Sam, pool: FramePool, steps: int, batch: int, peak_learning_rate: float, seed: int
) -> list[LogEntry]:
    """Train SAM to fill boxes: the true boxes of items, jittered by a tenth of their sides.

    The loss is binary cross-entropy and soft Dice of the mask, and the squared error of the estimated IoU.
    """
    generator = np.random.default_rng(seed)
    usable = [row for row, kinds in enumerate(pool.kinds) if kinds]

    def losses(step: int) -> Losses:
        rows = generator.choice(usable, batch)
        frames = torch.from_numpy(pool.frames[rows]).permute(0, 3, 1, 2).float()
        large = F.interpolate(frames, size=SEGMENTER_PX, mode="bilinear", align_corners=False)
        features = model.image_encoder(model.preprocess(large))
        total: dict[str, list[Tensor]] = {"bce": [], "dice": [], "iou": []}
        for number, row in enumerate(rows):
            box = corners(pool.masks[row]) * (SEGMENTER_PX / FRAME_PX)
            sides = np.concatenate([box[:, 2:] - box[:, :2]] * 2, axis=1)
            jittered = box + generator.uniform(-0.1, 0.1, box.shape) * sides
            sparse, dense = model.prompt_encoder(None, torch.from_numpy(jittered.astype(np.float32)), None)
            low, estimated = model.mask_decoder(
                image_embeddings=features[number : number + 1],
                image_pe=model.prompt_encoder.get_dense_pe(),
                sparse_prompt_embeddings=sparse,
                dense_prompt_embeddings=dense,
                multimask_output=False,
            )
            logits = F.interpolate(low, size=FRAME_PX, mode="bilinear", align_corners=False)[:, 0]
            for name, loss in _mask_losses(logits, estimated[:, 0], pool.masks[row]).items():
                total[name].append(loss)
        return {name: torch.stack(values).mean() for name, values in total.items()}

    model.train()
    return fit(model.parameters(), losses, steps, peak_learning_rate, weight_decay=1e-4)


def _mask_losses(logits: Tensor, estimated: Tensor, truth: NDArray[np.bool_]) -> Losses:
    target = torch.from_numpy(truth).float()
    shown = logits.sigmoid()
    shared = (shown * target).sum(dim=(1, 2))
    dice = 1 - (2 * shared + 1) / (shown.sum(dim=(1, 2)) + target.sum(dim=(1, 2)) + 1)
    cut = (logits > 0).float()
    iou = (cut * target).sum(dim=(1, 2)) / (cut + target).clamp(max=1).sum(dim=(1, 2)).clamp(min=1)
    return {
        "bce": 5 * F.binary_cross_entropy_with_logits(logits, target),
        "dice": dice.mean(),
        "iou": F.mse_loss(estimated, iou.detach()),
    }
