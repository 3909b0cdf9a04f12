"""Where the diffusion miniatures and what they are made from lie, and how training loads and reports them."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.artifacts import TensorFile, read_table
from neurons.console import logger
from neurons.simulate.miniatures.motion import ClipPool
from neurons.simulate.miniatures.optimise import LogRow
from neurons.simulate.miniatures.text import all_token_ids

VAE, VIDEO, UNCLIP, CLIP = "vae", "video", "unclip", "clip"
"""Folders of the shipped miniatures."""

IMAGE, POOL, PROMPTS = "image", "clips.safetensors", "clips_prompts.parquet"
"""Folder of the image model that the video model and unCLIP start from, files of training clips and of their prompts: not
shipped."""

WEIGHTS = "diffusion_pytorch_model.safetensors"


def report(row: LogRow) -> None:
    """Log the course of a training."""
    logger.info("step %d  %.0f s  loss %.4f", row.step, row.elapsed_s, row.loss)


def load_vae(output: Path, device: torch.device) -> AutoencoderKL:
    """The autoencoder in OUTPUT/vae, frozen."""
    return AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval().to(device)


def load_image_model(
    folder: Path, device: torch.device
) -> tuple[UNet2DConditionModel, CLIPTextModel, CLIPTokenizer]:
    """Frame weights, text encoder (float32) and tokenizer of an image or video model."""
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True).to(device)
    encoder = CLIPTextModel.from_pretrained(
        folder / "text_encoder", dtype=torch.float32, local_files_only=True
    )
    return (
        unet,
        encoder.to(device),
        CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
    )


def load_pool(work: Path, tokenizer: CLIPTokenizer) -> ClipPool:
    """The training clips that `draw-clips` wrote, with their prompts in the tokens of a model's own tokenizer."""
    file = TensorFile(work / POOL)
    prompts = read_table(work / PROMPTS, ["prompts"])["prompts"].map(list).to_list()
    latents = torch.from_numpy(np.array(file["latents"]))
    return ClipPool(np.asarray(file["frames"]), latents, all_token_ids(tokenizer, prompts))
