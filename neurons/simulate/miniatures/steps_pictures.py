"""Commands that make the miniatures driven by pictures: sparse control and unCLIP."""

from pathlib import Path

import numpy as np
import torch
from diffusers import MotionAdapter, UNetMotionModel
from transformers import CLIPImageProcessor, CLIPModel

from neurons.devices import choose_device
from neurons.simulate.miniatures import sparse_control, text_to_image, unclip
from neurons.simulate.miniatures.layout import (
    CLIP,
    IMAGE,
    UNCLIP,
    VIDEO,
    load_image_model,
    load_pool,
    load_vae,
    report,
)
from neurons.simulate.miniatures.optimise import recipe, write_log


def train_control(
    *,
    output: Path,
    work: Path,
    seed: int = 4,
    steps: int = 700,
    batch: int = 4,
    embedding_steps: int = 800,
    embedding_frames: int = 4_000,
    max_learning_rate: float = 1e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Train the sparse control network of OUTPUT/video and write it there.

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
    embedding_steps, embedding_frames
        First the picture embedding alone learns, so many steps on so many frames.
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    folder = output / VIDEO
    vae = load_vae(output, place)
    unet, text_encoder, tokenizer = load_image_model(folder, place)
    adapter = MotionAdapter.from_pretrained(folder / "motion_adapter", local_files_only=True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    control = sparse_control.new_control_network(unet).to(place)
    sparse_control.teach_embedding(control, vae, rng, embedding_frames, embedding_steps, workers, report)
    model = UNetMotionModel.from_unet2d(unet, adapter).to(place)
    rows = sparse_control.train_control(
        control, model, text_encoder, load_pool(work, tokenizer), rng, steps, batch, max_learning_rate, report
    )
    control.half().save_pretrained(folder / "controlnet")
    settings = {
        "batch": batch,
        "embedding_steps": embedding_steps,
        "embedding_frames": embedding_frames,
        "max_learning_rate": max_learning_rate,
    }
    made_by = recipe("neurons simulate train-control", seed, rows, place, **settings)
    write_log(folder / "controlnet", rows, made_by)


def train_unclip(
    *,
    output: Path,
    work: Path,
    seed: int = 5,
    steps: int = 2500,
    batch: int = 64,
    frames: int = 12_000,
    max_learning_rate: float = 1e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Train unCLIP from WORK/image on tokens of OUTPUT/clip and write it to OUTPUT/unclip.

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
        Frames drawn to train on.
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    vae = load_vae(output, place)
    clip = CLIPModel.from_pretrained(output / CLIP, dtype=torch.float32, local_files_only=True)
    clip = clip.eval().to(place)
    processor = CLIPImageProcessor.from_pretrained(output / CLIP, local_files_only=True)
    image_model, _, _ = load_image_model(work / IMAGE, place)
    unet, rows = unclip.train_unclip(
        image_model, vae, clip, processor, seed, steps, batch, frames, max_learning_rate, workers, report
    )
    folder = output / UNCLIP
    unet.half().save_pretrained(folder / "unet")
    text_to_image.new_scheduler().save_pretrained(folder / "scheduler")
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-unclip", seed, rows, place, **settings))
