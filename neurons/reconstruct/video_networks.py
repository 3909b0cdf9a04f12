"""Networks of the video model from where the configuration says: folders, or one file in the layout of Stable Diffusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import MotionAdapter, SparseControlNetModel, UNet2DConditionModel, UNetMotionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import CLIPTextModel

from neurons.artifacts import InputError
from neurons.reconstruct.loading import load_network, load_scheduler
from neurons.reconstruct.settings import SINGLE_FILE, Lora, Video
from neurons.sections import Model

CPU = torch.device("cpu")
KEY = "reconstruct.video"
LORA_OUTPUT = ("lora_B.weight", "lora.up.weight", "_lora.up.weight", "lora_up.weight")
"""How the names of a LoRA's second factor end, in the layouts that diffusers reads."""


def load_motion_unet(settings: Video, device: torch.device, dtype: torch.dtype) -> UNetMotionModel:
    """The text-to-image U-Net, with the domain LoRA merged into its weights, and the motion modules.

    Raises
    ------
    InputError
        If a part cannot be loaded, or the motion modules have been made for another U-Net.
    """
    image = _image_unet(settings)
    if settings.domain_lora is not None:
        merge_lora(image, settings.domain_lora)
    model, key, subfolder = _part(settings, "motion_adapter")
    motion = load_network(MotionAdapter, model, key, CPU, torch.float32, subfolder)
    try:
        unet = UNetMotionModel.from_unet2d(image, motion)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"{KEY}.motion_adapter does not fit {KEY}.base ({error}); both must have been made for one architecture"
        ) from error
    # diffusers' own `to` warns of a change of type even if no layer is to keep its own.
    nn.Module.to(unet, device, dtype)
    return unet.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def load_controlnet(settings: Video, device: torch.device, dtype: torch.dtype) -> SparseControlNetModel:
    """SparseCtrl."""
    model, key, subfolder = _part(settings, "controlnet")
    network = load_network(SparseControlNetModel, model, key, device, dtype, subfolder)
    return network.to(memory_format=torch.channels_last)


def load_text_encoder(settings: Video, device: torch.device) -> CLIPTextModel:
    """The text encoder, float32: of a folder, or the one within a Stable Diffusion file."""
    model, key = settings.text_encoder, f"{KEY}.text_encoder"
    if not is_single_file(model):
        return load_network(CLIPTextModel, model, key, device, torch.float32)
    try:
        encoder = create_diffusers_clip_model_from_ldm(
            CLIPTextModel,
            _weights(model.path, key),
            subfolder="text_encoder",
            config=settings.base_config,
            torch_dtype=torch.float32,
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _not_readable(model.path, key, settings.base_config, "text_encoder", error) from error
    return encoder.to(device, torch.float32).eval().requires_grad_(False)


def load_video_scheduler(settings: Video) -> Any:
    """The sampler; its noise schedule from the folder of `base`, or from `base_config` if that is one file."""
    given = is_single_file(settings.base)
    where = Model(path=settings.base_config) if given else settings.base
    key = f"{KEY}.base_config" if given else f"{KEY}.base"
    return load_scheduler(where, key, settings.scheduler, settings.scheduler_options)


def is_single_file(model: Model) -> bool:
    """Whether a model is one file of weights."""
    return Path(model.path).suffix == SINGLE_FILE


def merge_lora(unet: UNet2DConditionModel, lora: Lora) -> None:
    """Add a LoRA times its scale to the weights of `unet`.

    Raises
    ------
    InputError
        If it cannot be read, or has weights without a place in `unet`.
    """
    key = f"{KEY}.domain_lora"
    state = _weights(lora.path, key)
    # AnimateDiff's domain adapter names the U-Net's layers without a prefix.
    plain = ("down_blocks.", "mid_block.", "up_blocks.")
    state = {f"unet.{name}" if name.startswith(plain) else name: value for name, value in state.items()}
    try:
        state, alphas = StableDiffusionLoraLoaderMixin.lora_state_dict(state, unet_config=unet.config)
        StableDiffusionLoraLoaderMixin.load_lora_into_unet(state, alphas, unet)
    except (ValueError, KeyError, RuntimeError) as error:
        raise InputError(f"{key}: {lora.path} does not fit {KEY}.base ({error})") from error
    wanted = [name for name in state if name.startswith("unet.") and name.endswith(LORA_OUTPUT)]
    placed = sum(isinstance(module, BaseTunerLayer) for module in unet.modules())
    if not wanted or placed != len(wanted):
        raise InputError(
            f"{key}: {placed} of the {len(wanted)} layers that {lora.path} changes are layers of {KEY}.base. Expected a "
            "LoRA for this U-Net, as safetensors in the layout of diffusers or kohya."
        )
    unet.fuse_lora(lora_scale=lora.scale)
    unet.unload_lora()


def _image_unet(settings: Video) -> UNet2DConditionModel:
    """In float32 on the CPU, so that what is added to its weights is not rounded twice."""
    model, key = settings.base, f"{KEY}.base"
    if not is_single_file(model):
        return load_network(UNet2DConditionModel, model, key, CPU, torch.float32, "unet")
    state = _weights(model.path, key)
    try:
        unet = UNet2DConditionModel.from_single_file(
            state,
            config=settings.base_config,
            subfolder="unet",
            local_files_only=True,
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise _not_readable(model.path, key, settings.base_config, "unet", error) from error
    empty = [name for name, value in unet.state_dict().items() if value.is_meta]
    if empty:
        raise InputError(f"{key}: {model.path} lacks {len(empty)} weights of the U-Net, such as {empty[0]}")
    return nn.Module.to(unet, torch.float32).eval().requires_grad_(False)


def _part(settings: Video, name: str) -> tuple[Model, str, str]:
    """A part of the video model, the key that names it, and the subfolder: its own folder, or one of the base model."""
    own: Model | None = getattr(settings, name)
    if own is not None:
        return own, f"{KEY}.{name}", ""
    if is_single_file(settings.base):
        raise InputError(
            f"{KEY}.{name} is null, but {KEY}.base is one file, which has no such part; name its folder"
        )
    return settings.base, f"{KEY}.base", name


def _weights(path: str, key: str) -> dict[str, torch.Tensor]:
    if not Path(path).is_file():
        raise InputError(f"{key}: there is no file {path}")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise InputError(
            f"{key}: {path} cannot be read as safetensors ({error}). A pickled checkpoint (.ckpt) must be converted first."
        ) from error


def _not_readable(path: str, key: str, config: str, part: str, error: Exception) -> InputError:
    return InputError(
        f"{key}: {path} does not hold the weights of {config}/{part}/config.json ({error}). Expected a file in the layout "
        f"of Stable Diffusion, and its architecture in the folder {KEY}.base_config."
    )
