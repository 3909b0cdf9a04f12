"""Commands that make the miniature text-to-video model."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from neurons.artifacts import provenance, seed_for, write_table, write_tensors
from neurons.devices import choose_device
from neurons.simulate.miniatures import mixed, motion, text, text_to_image
from neurons.simulate.miniatures.layout import (
    IMAGE,
    POOL,
    PROMPTS,
    VAE,
    VIDEO,
    WEIGHTS,
    load_image_model,
    load_pool,
    load_vae,
    load_video_model,
    report,
    save_video_model,
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
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
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
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    vae = load_vae(output, place)
    tokenizer = text.prompt_tokenizer()
    torch.manual_seed(seed_for(seed, "text encoder"))
    text_encoder = text.new_text_encoder(tokenizer)
    unet, rows = text_to_image.train_image_model(
        vae, tokenizer, text_encoder, seed, steps, batch, frames, max_learning_rate, workers, report
    )
    folder = work / IMAGE
    unet.save_pretrained(folder / "unet")
    text_encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-image", seed, rows, place, **settings))


def draw_clips(
    *,
    output: Path,
    work: Path,
    seed: int = 6,
    clips: int = 10_000,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Draw training clips, encode them with OUTPUT/vae and write them, and prompts for them, to WORK.

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
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    vae = load_vae(output, place)
    frames, latents, prompts = motion.draw_pool(vae, np.random.default_rng(seed), clips, workers)
    made_by = provenance("simulate draw-clips", {"vae": output / VAE / WEIGHTS}, {"clips": clips}, seed)
    write_tensors(work / POOL, {"frames": frames, "latents": latents.numpy()}, made_by)
    write_table(work / PROMPTS, pd.DataFrame({"prompts": prompts}), made_by)


def train_video(
    *,
    output: Path,
    work: Path,
    seed: int = 3,
    steps: int = 2000,
    batch: int = 4,
    max_learning_rate: float = 1e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
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
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    unet, text_encoder, tokenizer = load_image_model(work / IMAGE, place)
    pool = load_pool(work, tokenizer)
    torch.manual_seed(seed_for(seed, "motion modules"))
    model = motion.with_motion(unet).to(place)
    rows = motion.train_video_model(model, text_encoder, pool, seed, steps, batch, max_learning_rate, report)
    settings = {"batch": batch, "clips": len(pool), "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate train-video", seed, rows, place, **settings)
    save_video_model(output / VIDEO, model, text_encoder, tokenizer, rows, made_by, "training_log.tsv")


def continue_video(
    *,
    output: Path,
    work: Path,
    seed: int = 7,
    steps: int = 6_000,
    frames: int = 16_000,
    frames_per_step: int = 64,
    max_learning_rate: float = 1e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
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
    frames_per_step
        Frames of a step: of as many scenes, or of clips of 4 or 16 frames each.
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    torch.manual_seed(seed)
    vae = load_vae(output, place)
    model, text_encoder, tokenizer = load_video_model(output / VIDEO, place)
    batches = mixed.MixedBatches(
        load_pool(work, tokenizer),
        vae,
        tokenizer,
        np.random.default_rng(seed),
        frames,
        frames_per_step,
        workers,
    )

    def save(folder: Path, rows: list[LogRow]) -> None:
        settings: dict[str, float] = {"frames": frames, "frames_per_step": frames_per_step}
        settings["clips"] = len(batches.clips)
        settings |= {"max_learning_rate": max_learning_rate, "planned_steps": steps}
        made_by = recipe("neurons simulate continue-video", seed, rows, place, **settings)
        log = f"training_log_continued_{seed}.tsv"
        save_video_model(folder, model, text_encoder, tokenizer, rows, made_by, log)

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
