"""First weights of the classifiers: the vision tower of the miniature CLIP, moved into ViT and VideoMAE."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import CLIPVisionModel, VideoMAEForVideoClassification, ViTForImageClassification

from neurons.artifacts import InputError

VIT_NAMES = {
    "self_attn.q_proj": "attention.q_proj",
    "self_attn.k_proj": "attention.k_proj",
    "self_attn.v_proj": "attention.v_proj",
    "self_attn.out_proj": "attention.o_proj",
    "layer_norm1": "layernorm_before",
    "layer_norm2": "layernorm_after",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
VIDEOMAE_NAMES = {
    "self_attn.q_proj": "attention.attention.query",
    "self_attn.k_proj": "attention.attention.key",
    "self_attn.v_proj": "attention.attention.value",
    "self_attn.out_proj": "attention.output.dense",
    "layer_norm1": "layernorm_before",
    "layer_norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


@torch.no_grad()
def start_vit(model: ViTForImageClassification, vision: CLIPVisionModel, frames: Tensor) -> None:
    """Copy CLIP's vision tower into a ViT of the same size.

    CLIP normalises its embeddings before the first layer and ViT does not: that norm's centring, gain and bias
    are folded into the embeddings exactly, its division by the standard deviation as the mean over `frames`.
    """
    scale, centre = embedding_scale(vision, frames)
    embeddings = vision.embeddings
    weights = {
        "vit.embeddings.cls_token": (scale * (centre @ embeddings.class_embedding))[None, None],
        "vit.embeddings.position_embeddings": (
            scale * (embeddings.position_embedding.weight @ centre) + vision.pre_layrnorm.bias
        )[None],
        "vit.embeddings.patch_embeddings.projection.weight": patch_kernel(vision, scale, centre),
        "vit.embeddings.patch_embeddings.projection.bias": torch.zeros_like(scale),
        "vit.layernorm.weight": vision.post_layernorm.weight,
        "vit.layernorm.bias": vision.post_layernorm.bias,
    }
    load(model, weights | layer_weights(vision, "vit.layers", VIT_NAMES))


@torch.no_grad()
def start_videomae(model: VideoMAEForVideoClassification, vision: CLIPVisionModel, frames: Tensor) -> None:
    """Copy CLIP's vision tower into a VideoMAE; each frame of a tubelet gets an equal share of the kernel.

    VideoMAE's fixed position table stays; its keys have no bias, which attention would ignore anyway.
    """
    scale, centre = embedding_scale(vision, frames)
    kernel = patch_kernel(vision, scale, centre)
    tubelet = model.config.tubelet_size
    weights = {
        "videomae.embeddings.patch_embeddings.projection.weight": kernel[:, :, None].repeat(
            1, 1, tubelet, 1, 1
        )
        / tubelet,
        "videomae.embeddings.patch_embeddings.projection.bias": vision.pre_layrnorm.bias,
    }
    layers = layer_weights(vision, "videomae.encoder.layer", VIDEOMAE_NAMES)
    load(model, weights | {name: value for name, value in layers.items() if not name.endswith("key.bias")})


def embedding_scale(vision: CLIPVisionModel, frames: Tensor) -> tuple[Tensor, Tensor]:
    """Gain over mean spread of the embeddings, (width,), and the centring matrix, (width, width)."""
    width = vision.config.hidden_size
    spread = vision.embeddings(frames).std(-1, unbiased=False).mean()
    return vision.pre_layrnorm.weight / spread, torch.eye(width) - 1.0 / width


def patch_kernel(vision: CLIPVisionModel, scale: Tensor, centre: Tensor) -> Tensor:
    """CLIP's patch kernel with the folded norm, (width, 3, patch, patch)."""
    kernel = vision.embeddings.patch_embedding.weight
    return (scale[:, None] * (centre @ kernel.flatten(1))).view_as(kernel)


def layer_weights(vision: CLIPVisionModel, prefix: str, names: dict[str, str]) -> dict[str, Tensor]:
    """Weights of all transformer layers under the names of another model class."""
    weights = {}
    for index, layer in enumerate(vision.encoder.layers):
        for name, value in layer.state_dict().items():
            module, kind = name.rsplit(".", 1)
            weights[f"{prefix}.{index}.{names[module]}.{kind}"] = value
    return weights


def load(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load some weights; every name must exist in the model.

    Raises
    ------
    InputError
        If a name is unknown, which means that the installed transformers names its weights differently.
    """
    unknown = model.load_state_dict(weights, strict=False).unexpected_keys
    if unknown:
        raise InputError(
            f"{type(model).__name__} has no weights {', '.join(unknown)}. "
            f"It has: {', '.join(model.state_dict())}. "
            "Train the miniatures with the transformers version of requirements.lock."
        )
