"""SAM: masks in boxes. Of any size: a checkpoint's tensors say which network it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from segment_anything import SamPredictor
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from neurons.artifacts import InputError

KEY = "annotate.grounded_sam.sam"
PIXEL_MEAN, PIXEL_STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
"""Of SAM's training images, in 0-255."""

DECODER_HEADS = 8
"""Heads of the mask decoder's attention, which its tensors do not tell; the same in all published sizes."""


def load_sam(path: Path, device: torch.device) -> Sam:
    """SAM from a checkpoint of its weights (``.pth`` as published, or ``.safetensors``), for inference in float32.

    Raises
    ------
    InputError
        If the file is missing or is not such a checkpoint.
    """
    try:
        weights = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        model = build_sam(weights)
        model.load_state_dict(weights)
    except (OSError, RuntimeError, KeyError, ValueError, AttributeError, EOFError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{KEY}: {path} cannot be loaded as SAM ({said}). Expected a checkpoint such as sam_vit_h_4b8939.pth"
        ) from error
    return model.to(device).eval().requires_grad_(False)


def build_sam(weights: dict[str, torch.Tensor]) -> Sam:
    """The network whose tensors have the shapes of `weights`, with initial weights.

    Widths, depths, image size, window size, and which blocks attend globally follow from the shapes: a block's relative
    positions have 2 s - 1 rows, s being the window's or the whole grid's size.
    """
    prefix = "image_encoder."
    position = weights[f"{prefix}pos_embed"]
    grid, width = int(position.shape[1]), int(position.shape[3])
    patch = int(weights[f"{prefix}patch_embed.proj.weight"].shape[-1])
    spans = _block_spans(weights, prefix)
    windows = {span for span, _ in spans if span != grid}
    if len(windows) > 1:
        raise ValueError(f"blocks of the image encoder have several window sizes: {sorted(windows)}")
    heads = width // spans[0][1]
    out = int(weights[f"{prefix}neck.0.weight"].shape[0])
    image_px = grid * patch
    iou_layers = [
        name for name in weights if name.startswith("mask_decoder.iou_prediction_head") and "weight" in name
    ]
    decoder_layers = {
        name.split(".")[3] for name in weights if name.startswith("mask_decoder.transformer.layers.")
    }
    return Sam(
        image_encoder=ImageEncoderViT(
            img_size=image_px,
            patch_size=patch,
            embed_dim=width,
            depth=len(spans),
            num_heads=heads,
            mlp_ratio=weights[f"{prefix}blocks.0.mlp.lin1.weight"].shape[0] / width,
            out_chans=out,
            qkv_bias=f"{prefix}blocks.0.attn.qkv.bias" in weights,
            norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
            use_rel_pos=True,
            window_size=windows.pop() if windows else 0,
            global_attn_indexes=tuple(number for number, (span, _) in enumerate(spans) if span == grid),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=out,
            image_embedding_size=(grid, grid),
            input_image_size=(image_px, image_px),
            mask_in_chans=int(weights["prompt_encoder.mask_downscaling.3.weight"].shape[0]),
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=int(weights["mask_decoder.mask_tokens.weight"].shape[0]) - 1,
            transformer=TwoWayTransformer(
                depth=len(decoder_layers),
                embedding_dim=out,
                mlp_dim=int(weights["mask_decoder.transformer.layers.0.mlp.lin1.weight"].shape[0]),
                num_heads=DECODER_HEADS,
            ),
            transformer_dim=out,
            iou_head_depth=len(iou_layers),
            iou_head_hidden_dim=int(weights["mask_decoder.iou_prediction_head.layers.0.weight"].shape[0]),
        ),
        pixel_mean=PIXEL_MEAN,
        pixel_std=PIXEL_STD,
    )


def _block_spans(weights: dict[str, Any], prefix: str) -> list[tuple[int, int]]:
    """Rows and columns that each block of the image encoder attends over, and the width of a head."""
    spans: list[tuple[int, int]] = []
    while (name := f"{prefix}blocks.{len(spans)}.attn.rel_pos_h") in weights:
        rows, head = weights[name].shape
        spans.append(((int(rows) + 1) // 2, int(head)))
    if not spans:
        raise ValueError("it has no image encoder with relative positions")
    return spans


class Segmenter:
    """SAM's predictor over batches of frames of one size; the image embedding of a frame is computed once."""

    def __init__(self, model: Sam) -> None:
        self._predictor = SamPredictor(model)

    @torch.inference_mode()
    def segment(
        self, frames: Sequence[np.ndarray], boxes: Sequence[np.ndarray]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Masks of boxes in frames.

        Parameters
        ----------
        frames
            RGB, uint8, each of shape (H, W, 3).
        boxes
            Of each frame, float, shape (k, 4): x0, y0, x1, y1 in px.

        Returns
        -------
        list
            Of each frame, masks bool (k, H, W), and SAM's own estimates of their IoU (k,).
        """
        predictor, (height, width) = self._predictor, frames[0].shape[:2]
        images = np.stack([predictor.transform.apply_image(frame) for frame in frames])
        tensor = torch.as_tensor(images, device=predictor.device).permute(0, 3, 1, 2).contiguous()
        predictor.set_torch_image(tensor, (height, width))
        features = predictor.get_image_embedding()
        results = []
        for number, corners in enumerate(boxes):
            if not len(corners):
                results.append((np.zeros((0, height, width), bool), np.zeros(0, np.float32)))
                continue
            predictor.features = features[number : number + 1]
            scaled = predictor.transform.apply_boxes_torch(
                torch.as_tensor(np.asarray(corners), dtype=torch.float32, device=predictor.device),
                (height, width),
            )
            masks, scores, _ = predictor.predict_torch(None, None, scaled, multimask_output=False)
            results.append((masks[:, 0].cpu().numpy(), scores[:, 0].float().cpu().numpy()))
        predictor.reset_image()
        return results
