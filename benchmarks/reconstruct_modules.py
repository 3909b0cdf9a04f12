"""The video model's networks at the paper's widths, random weights: parameters, arithmetic, and a real step each.

    python benchmarks/reconstruct_modules.py

Parameters and the arithmetic of one evaluation at full size are counted on PyTorch's meta device (no memory, no time). Then
each network runs once on the CPU in bfloat16, its widths real, its pictures tiny, in a process of its own, whose peak memory
is printed. Machines with less than 9 GiB free should leave it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from cyclopts import run
from diffusers import (
    AutoencoderKL,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModel

CONFIG = "resources/stable-diffusion-1.5"
FRAMES = 16


def unclip() -> UNet2DConditionModel:
    """MindEye2's unCLIP."""
    return UNet2DConditionModel(
        block_out_channels=(320, 640, 1280), transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=1664,
        use_linear_projection=True, class_embed_type="projection", projection_class_embeddings_input_dim=1024,
    )  # fmt: skip


def image_unet() -> UNet2DConditionModel:
    """Stable Diffusion 1.5."""
    return UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(CONFIG, subfolder="unet"))


def motion() -> MotionAdapter:
    """AnimateDiff v3."""
    return MotionAdapter(use_motion_mid_block=False)


def video_unet() -> UNetMotionModel:
    """Both together."""
    return UNetMotionModel.from_unet2d(image_unet(), motion(), load_weights=False)


def control() -> SparseControlNetModel:
    """SparseCtrl for pictures."""
    return SparseControlNetModel(
        cross_attention_dim=768, conditioning_channels=4, use_simplified_condition_embedding=True
    )


def text() -> CLIPTextModel:
    """Text encoder of Stable Diffusion 1.5."""
    return CLIPTextModel(CLIPTextConfig.from_pretrained(CONFIG, subfolder="text_encoder"))


def vae() -> AutoencoderKL:
    """Autoencoder of Stable Diffusion 1.5."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4,
    )  # fmt: skip


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "unCLIP": unclip,
    "SD-1.5 U-Net": image_unet,
    "motion modules": motion,
    "video U-Net (both)": video_unet,
    "SparseCtrl": control,
    "text encoder": text,
    "autoencoder": vae,
}
SIZES = {"unCLIP": (96, 8), "video U-Net (both)": (32, 8), "SparseCtrl": (32, 8), "autoencoder": (32, 8)}
"""Latent positions along an axis: at the paper's size of pictures, and tiny."""


def evaluate(name: str, network: Any, size: int, frames: int, device: str, dtype: torch.dtype) -> Tensor:
    """Run a network once, on noise."""
    noise = partial(torch.randn, device=device, dtype=dtype)
    step = torch.tensor(500, device=device)
    if name == "unCLIP":
        return network(
            noise(1, 4, size, size), step,
            encoder_hidden_states=noise(1, 256, 1664), class_labels=noise(1, 1024),
        ).sample  # fmt: skip
    if name == "autoencoder":
        return network.decode(noise(1, 4, size, size)).sample
    if name == "text encoder":
        return network(torch.zeros(1, 77, dtype=torch.long, device=device)).last_hidden_state
    latents, words = noise(1, 4, frames, size, size), noise(frames, 77, 768)
    if name == "SparseCtrl":
        nowhere = torch.zeros(1, 1, frames, size, size, device=device, dtype=dtype)
        return network(
            latents, step, encoder_hidden_states=words, controlnet_cond=latents, conditioning_mask=nowhere,
            return_dict=False,
        )[1]  # fmt: skip
    return network(latents, step, encoder_hidden_states=words).sample


def counted(name: str) -> tuple[int, float]:
    """Parameters, and TFLOP of one evaluation at full size (NaN for parts that do not run alone)."""
    with torch.device("meta"):
        network = NETWORKS[name]().eval()
        parameters = sum(weight.numel() for weight in network.parameters())
        if name in ("SD-1.5 U-Net", "motion modules"):
            return parameters, float("nan")
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            evaluate(name, network, SIZES.get(name, (0, 0))[0], FRAMES, "meta", torch.float32)
        return parameters, counter.get_total_flops() / 1e12


@torch.no_grad()
def one_step(name: str) -> None:
    """Run one network on the CPU and print time and peak memory."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.bfloat16)
    network = NETWORKS[name]().eval()
    begun = time.perf_counter()
    output = evaluate(name, network, SIZES.get(name, (0, 0))[1], 4, "cpu", torch.bfloat16)
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{tuple(output.shape)}, {'finite' if output.isfinite().all() else 'NOT FINITE'}\t{seconds:.1f}\t{peak:.1f}"
    )


def main(*, only: str | None = None) -> None:
    """Count, then run each network in a process of its own.

    Parameters
    ----------
    only
        Run this network here.
    """
    if only is not None:
        one_step(only)
        return
    print("network\tparameters\tTFLOP at full size\toutput of a tiny step\tseconds\tpeak GiB")
    for name in NETWORKS:
        parameters, tflop = counted(name)
        alone = name not in ("SD-1.5 U-Net", "motion modules")
        command = [sys.executable, __file__, "--only", name]
        step = (
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            if alone
            else "-\t-\t-"
        )
        print(f"{name}\t{parameters:,}\t{tflop:.3g}\t{step}", flush=True)


if __name__ == "__main__":
    run(main)
