"""MindEye2's unCLIP checkpoint (latent-diffusion layout) as networks of diffusers, every key accounted for.

The checkpoint is an SDXL-type U-Net with cross-attention to CLIP image tokens and a vector of size and crop, and SDXL's
autoencoder. diffusers renames the weights; what it needs to know of the architecture is read off their shapes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from torch import Tensor, nn

from neurons.artifacts import InputError

UNET, VAE = "model.diffusion_model.", "first_stage_model."
NOT_NEEDED = {
    "conditioner.": "text and image encoders that the size and crop vector and the tokens stand in for",
    "denoiser.": "noise levels, which the scheduler computes",
    "model_ema.": "a moving average of weights",
    "first_stage_model.loss.": "the training loss of the autoencoder",
}
HEAD_CHANNELS = 64
"""Channels per attention head in SDXL, which no shape tells."""
SIZE_PX = 768
SCALING_FACTOR = 0.13025
"""Of SDXL's latents."""
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "epsilon",
    "timestep_spacing": "trailing",
}
"""Noise schedule of SDXL, for `EulerDiscreteScheduler`."""


@dataclass(frozen=True)
class Unclip:
    """The converted networks, and which keys were left out, by reason."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    left_out: Mapping[str, int]


def convert(state: Mapping[str, Tensor], head_channels: int = HEAD_CHANNELS, groups: int = 32) -> Unclip:
    """Convert a state dict.

    Parameters
    ----------
    state
        Weights by name in the layout of latent diffusion.
    head_channels
        Channels per attention head.
    groups
        Groups of group normalisation.

    Raises
    ------
    InputError
        Listing keys that nobody knows, that are missing, or whose shape does not fit.
    """
    unknown = [key for key in state if not key.startswith((UNET, VAE, *NOT_NEEDED))]
    if unknown:
        raise InputError(
            f"the checkpoint holds {len(unknown)} keys that are neither the U-Net's ({UNET}...), nor the autoencoder's"
            f" ({VAE}...), nor known to be unneeded: {_shown(unknown)}. Is it an unCLIP checkpoint of MindEye2?"
        )
    left_out = {reason: sum(key.startswith(prefix) for key in state) for prefix, reason in NOT_NEEDED.items()}
    own = {key: value for key, value in state.items() if not key.startswith(tuple(NOT_NEEDED))}
    unet = _filled(UNet2DConditionModel, unet_config(own, head_channels, groups), own, UNET)
    vae = _filled(AutoencoderKL, vae_config(own, groups), own, VAE)
    return Unclip(unet, vae, {reason: count for reason, count in left_out.items() if count})


def unet_config(state: Mapping[str, Tensor], head_channels: int, groups: int) -> dict[str, Any]:
    """Architecture of the U-Net from the shapes of its weights."""
    shape = {key.removeprefix(UNET): value.shape for key, value in state.items() if key.startswith(UNET)}
    _require(shape, ["input_blocks.0.0.weight", "out.2.weight", "label_emb.0.0.weight"], UNET)
    channels: list[int] = []
    depths: list[int] = []
    layers: list[int] = []
    for block in range(1, _count(shape, "input_blocks")):
        resnet = shape.get(f"input_blocks.{block}.0.in_layers.2.weight")
        if resnet is None:
            continue  # a downsampling layer: the next block begins a level
        if block == 1 or f"input_blocks.{block - 1}.0.op.weight" in shape:
            channels.append(resnet[0])
            depths.append(_count(shape, f"input_blocks.{block}.1.transformer_blocks"))
            layers.append(0)
        layers[-1] += 1
    if len(set(layers)) != 1:
        raise InputError(
            f"the U-Net has {layers} layers at its levels; diffusers takes the same number at all"
        )
    middle = _count(shape, "middle_block.1.transformer_blocks")
    if middle != depths[-1]:
        raise InputError(
            f"the U-Net has {middle} transformer layers in the middle and {depths[-1]} before it"
        )
    level = depths.index(max(depths))
    first = 1 + level * (layers[0] + 1)
    key = f"input_blocks.{first}.1.transformer_blocks.0.attn2.to_k.weight"
    _require(shape, [key, f"input_blocks.{first}.1.proj_in.weight"], UNET)
    return {
        "sample_size": SIZE_PX // 8,
        "in_channels": shape["input_blocks.0.0.weight"][1],
        "out_channels": shape["out.2.weight"][0],
        "block_out_channels": tuple(channels),
        "down_block_types": tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths),
        "up_block_types": tuple("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths)),
        "layers_per_block": layers[0],
        "transformer_layers_per_block": tuple(max(depth, 1) for depth in depths),
        # diffusers calls the number of heads so
        "attention_head_dim": tuple(count // head_channels for count in channels),
        "cross_attention_dim": shape[key][1],
        "use_linear_projection": len(shape[f"input_blocks.{first}.1.proj_in.weight"]) == 2,
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": shape["label_emb.0.0.weight"][1],
        "norm_num_groups": groups,
    }


def vae_config(state: Mapping[str, Tensor], groups: int) -> dict[str, Any]:
    """Architecture of the autoencoder from the shapes of its weights."""
    shape = {key.removeprefix(VAE): value.shape for key, value in state.items() if key.startswith(VAE)}
    _require(shape, ["encoder.conv_in.weight", "decoder.conv_in.weight", "decoder.conv_out.weight"], VAE)
    levels = _count(shape, "encoder.down")
    channels = [shape[f"encoder.down.{level}.block.0.conv2.weight"][0] for level in range(levels)]
    return {
        "sample_size": SIZE_PX,
        "in_channels": shape["encoder.conv_in.weight"][1],
        "out_channels": shape["decoder.conv_out.weight"][0],
        "latent_channels": shape["decoder.conv_in.weight"][1],
        "block_out_channels": tuple(channels),
        "down_block_types": ("DownEncoderBlock2D",) * levels,
        "up_block_types": ("UpDecoderBlock2D",) * levels,
        "layers_per_block": _count(shape, "encoder.down.0.block"),
        "norm_num_groups": groups,
        "scaling_factor": SCALING_FACTOR,
    }


def _filled(kind: Any, config: dict[str, Any], state: Mapping[str, Tensor], prefix: str) -> Any:
    """A network of class `kind` with the weights of `state` that begin with `prefix`, renamed."""
    rename = convert_ldm_unet_checkpoint if kind is UNet2DConditionModel else convert_ldm_vae_checkpoint
    # `data` is no view of anything, so that a view of it (a projection that was a convolution) leads back to it.
    own = {key: value.data for key, value in state.items() if key.startswith(prefix)}
    renamed = rename(dict(own), config)
    with torch.device("meta"):
        network: nn.Module = kind(**config)
    expected = {name: value.shape for name, value in network.state_dict().items()}
    # diffusers leaves out what it does not know.
    taken = {id(tensor) for value in renamed.values() for tensor in (value, value._base)}
    problems = {
        "missing": [name for name in expected if name not in renamed],
        "not in the network": [name for name in renamed if name not in expected],
        "without a place": [key for key, value in own.items() if id(value) not in taken],
        "of another shape": [
            f"{name} {tuple(renamed[name].shape)}, expected {tuple(shape)}"
            for name, shape in expected.items()
            if name in renamed and renamed[name].shape != shape
        ],
    }
    found = {what: names for what, names in problems.items() if names}
    if found:
        listed = "; ".join(f"{len(names)} {what}: {_shown(names)}" for what, names in found.items())
        raise InputError(
            f"{prefix}...: the weights do not fit the network that their shapes tell of: {listed}"
        )
    network.load_state_dict(renamed, strict=True, assign=True)
    return network.eval()


def _count(names: Mapping[str, Any], prefix: str) -> int:
    found = {int(match[1]) for name in names if (match := re.match(rf"{re.escape(prefix)}\.(\d+)\.", name))}
    return max(found) + 1 if found else 0


def _require(shape: Mapping[str, Any], keys: list[str], prefix: str) -> None:
    missing = [prefix + key for key in keys if key not in shape]
    if missing:
        raise InputError(
            f"the checkpoint lacks {_shown(missing)}. Is it complete, and an unCLIP checkpoint of MindEye2?"
        )


def _shown(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
