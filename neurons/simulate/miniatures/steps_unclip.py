"""Command that makes the miniature unCLIP."""

from pathlib import Path

import torch
from transformers import CLIPImageProcessor, CLIPModel

from neurons.devices import choose_device
from neurons.simulate.miniatures import text_to_image, unclip
from neurons.simulate.miniatures.layout import (
    CLIP,
    IMAGE,
    UNCLIP,
    load_image_model,
    load_vae,
    report,
)
from neurons.simulate.miniatures.optimise import recipe, write_log


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
