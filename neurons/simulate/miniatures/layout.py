"""Where the diffusion miniatures and what they are made from lie, and how training loads and reports them."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.artifacts import TensorFile
from neurons.console import logger
from neurons.simulate.miniatures.motion import ClipPool
from neurons.simulate.miniatures.optimise import LogRow

VAE, VIDEO, UNCLIP, CLIP = "vae", "video", "unclip", "clip"
"""Folders of the shipped miniatures."""

IMAGE, POOL = "image", "clips.safetensors"
"""Folder of the image model that the video model and unCLIP start from, and file of training clips: not shipped."""

WEIGHTS = "diffusion_pytorch_model.safetensors"


def report(row: LogRow) -> None:
    """Log the course of a training."""
    logger.info("step %d  %.0f s  loss %.4f", row.step, row.elapsed_s, row.loss)


def load_vae(output: Path) -> AutoencoderKL:
    """The autoencoder in OUTPUT/vae, frozen."""
    return AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval()


def load_image_model(folder: Path) -> tuple[UNet2DConditionModel, CLIPTextModel, CLIPTokenizer]:
    """Frame weights, text encoder (float32) and tokenizer of an image or video model."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(
        folder / "text_encoder", dtype=torch.float32, local_files_only=True
    )
    return unet, encoder, CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)


def load_pool(work: Path) -> ClipPool:
    """The training clips that `draw-clips` wrote."""
    file = TensorFile(work / POOL)
    latents, ids = (torch.from_numpy(np.array(file[name])) for name in ("latents", "token_ids"))
    return ClipPool(np.asarray(file["frames"]), latents, ids)
