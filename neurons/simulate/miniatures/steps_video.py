"""Commands that make the miniature text-to-video model."""

import copy
from pathlib import Path

import numpy as np
import torch
from diffusers import MotionAdapter, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.artifacts import Provenance, provenance, seed_for, write_tensors
from neurons.simulate.miniatures import mixed, motion, text, text_to_image
from neurons.simulate.miniatures.layout import (
    IMAGE,
    POOL,
    VAE,
    VIDEO,
    WEIGHTS,
    load_image_model,
    load_pool,
    load_vae,
    report,
)
from neurons.simulate.miniatures.optimise import LogRow, recipe, write_log


def train_image(
    *,
    output: Path,
    work: Path,
    seed: int = 2,
    steps: int = 2800,
    batch: int = 64,
    frames: int = 20_000,
    max_learning_rate: float = 1.5e-3,
    threads: int = 1,
) -> None:
    """Train the image model on latents of OUTPUT/vae and write it, with its text encoder, to WORK/image.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    frames
        Frames, each of another scene, drawn to train on.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vae = load_vae(output)
    tokenizer = text.prompt_tokenizer()
    torch.manual_seed(seed_for(seed, "text encoder"))
    text_encoder = text.new_text_encoder(tokenizer)
    unet, rows = text_to_image.train_image_model(
        vae, tokenizer, text_encoder, seed, steps, batch, frames, max_learning_rate, report
    )
    folder = work / IMAGE
    unet.save_pretrained(folder / "unet")
    text_encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-image", seed, rows, **settings))


def draw_clips(*, output: Path, work: Path, seed: int = 6, clips: int = 2_000, threads: int = 1) -> None:
    """Draw training clips, encode them with OUTPUT/vae and write them to WORK/clips.safetensors.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of the scenes.
    clips
        How many.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vae = load_vae(output)
    pool = motion.draw_pool(vae, text.prompt_tokenizer(), np.random.default_rng(seed), clips)
    arrays = {"frames": pool.frames, "latents": pool.latents.numpy(), "token_ids": pool.token_ids.numpy()}
    made_by = provenance("simulate draw-clips", {"vae": output / VAE / WEIGHTS}, {"clips": clips}, seed)
    write_tensors(work / POOL, arrays, made_by)


def train_video(
    *,
    output: Path,
    work: Path,
    seed: int = 3,
    steps: int = 2000,
    batch: int = 4,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train the video model from WORK/image and write it to OUTPUT/video (all but the control network).

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    unet, text_encoder, tokenizer = load_image_model(work / IMAGE)
    pool = load_pool(work)
    torch.manual_seed(seed_for(seed, "motion modules"))
    model = motion.with_motion(unet)
    rows = motion.train_video_model(model, text_encoder, pool, seed, steps, batch, max_learning_rate, report)
    settings = {"batch": batch, "clips": len(pool), "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate train-video", seed, rows, **settings)
    _save_video_model(output / VIDEO, model, text_encoder, tokenizer, rows, made_by, "training_log.tsv")


def _save_video_model(
    folder: Path,
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    rows: list[LogRow],
    made_by: Provenance,
    log: str,
) -> None:
    fresh = text_to_image.new_unet(model.config.in_channels, text_encoder.config.hidden_size)
    unet, adapter = motion.split(model, fresh)
    unet.half().save_pretrained(folder / "unet")
    adapter.half().save_pretrained(folder / "motion_adapter")
    text_to_image.new_scheduler().save_pretrained(folder / "scheduler")
    copy.deepcopy(text_encoder).half().save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    write_log(folder, rows, made_by, log)


def continue_video(
    *,
    output: Path,
    work: Path,
    seed: int = 7,
    steps: int = 6_000,
    frames: int = 16_000,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train OUTPUT/video further on frames and clips in turn; WORK/video gets its state every 500 steps.

    Each seed's course is logged in its own file, `training_log_continued_<seed>.tsv`.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, batches and noise.
    steps, max_learning_rate
        Length and speed of training.
    frames
        Single frames drawn to train on beside the clips of WORK/clips.safetensors.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    vae = load_vae(output)
    unet, text_encoder, tokenizer = load_image_model(output / VIDEO)
    text_encoder.set_attn_implementation("eager")
    adapter = MotionAdapter.from_pretrained(output / VIDEO / "motion_adapter", local_files_only=True)
    model = UNetMotionModel.from_unet2d(unet, adapter)
    model.set_attn_processor(AttnProcessor())
    batches = mixed.MixedBatches(load_pool(work), vae, tokenizer, np.random.default_rng(seed), frames)

    def save(folder: Path, rows: list[LogRow]) -> None:
        settings = {"frames": frames, "max_learning_rate": max_learning_rate, "planned_steps": steps}
        made_by = recipe("neurons simulate continue-video", seed, rows, **settings)
        log = f"training_log_continued_{seed}.tsv"
        _save_video_model(folder, model, text_encoder, tokenizer, rows, made_by, log)

    rows = mixed.train_mixed(
        model,
        text_encoder,
        batches,
        steps,
        max_learning_rate,
        report,
        lambda so_far: save(work / VIDEO, so_far),
    )
    save(output / VIDEO, rows)
