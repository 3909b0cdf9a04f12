"""Where the diffusion miniatures and what they are made from lie, and how training loads and reports them."""

import copy
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.artifacts import Provenance, TensorFile, read_table
from neurons.console import logger
from neurons.simulate.miniatures import motion, text_to_image
from neurons.simulate.miniatures.motion import ClipPool
from neurons.simulate.miniatures.optimise import LogRow, write_log
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


def load_video_model(
    folder: Path, device: torch.device
) -> tuple[UNetMotionModel, CLIPTextModel, CLIPTokenizer]:
    """The video model in a folder, its text encoder (float32) and tokenizer, to train further."""
    unet, text_encoder, tokenizer = load_image_model(folder, device)
    text_encoder.set_attn_implementation("eager")
    adapter = MotionAdapter.from_pretrained(folder / "motion_adapter", local_files_only=True)
    model = UNetMotionModel.from_unet2d(unet, adapter).to(device)
    model.set_attn_processor(AttnProcessor())
    return model, text_encoder, tokenizer


def save_video_model(
    folder: Path,
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    rows: list[LogRow],
    made_by: Provenance,
    log: str,
) -> None:
    """Write frame weights, motion modules, scheduler, text encoder and tokenizer (float16), and the training log."""
    fresh = text_to_image.new_unet(model.config.in_channels, text_encoder.config.hidden_size)
    unet, adapter = motion.split(model, fresh)
    unet.half().save_pretrained(folder / "unet")
    adapter.half().save_pretrained(folder / "motion_adapter")
    text_to_image.new_scheduler().save_pretrained(folder / "scheduler")
    copy.deepcopy(text_encoder).cpu().half().save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    write_log(folder, rows, made_by, log)
