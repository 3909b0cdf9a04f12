"""Commands that make the miniature unCLIP."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPImageProcessor, CLIPModel

from neurons.artifacts import Provenance
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
from neurons.simulate.miniatures.optimise import LogRow, recipe, write_log


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
    image_model, _, _ = load_image_model(work / IMAGE, place)
    vae, clip, processor = _encoders(output, place)
    torch.manual_seed(seed)
    unet = unclip.new_unclip(image_model, clip.config.vision_config.hidden_size)
    rows = unclip.train_unclip(
        unet, vae, clip, processor, seed, steps, batch, frames, max_learning_rate, workers, report
    )
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate train-unclip", seed, rows, place, **settings)
    _save(output / UNCLIP, unet, rows, made_by, "training_log.tsv")


def continue_unclip(
    *,
    output: Path,
    seed: int = 15,
    steps: int = 6000,
    batch: int = 64,
    frames: int = 24_000,
    max_learning_rate: float = 1e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Train OUTPUT/unclip further on other frames; each seed's course is logged in `training_log_continued_<seed>.tsv`.

    Parameters
    ----------
    output
        Folder of the miniatures.
    seed
        Of scenes, batches and noise.
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
    vae, clip, processor = _encoders(output, place)
    folder = output / UNCLIP
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True).to(place)
    unet.set_attn_processor(AttnProcessor())
    rows = unclip.train_unclip(
        unet, vae, clip, processor, seed, steps, batch, frames, max_learning_rate, workers, report
    )
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate continue-unclip", seed, rows, place, **settings)
    _save(folder, unet, rows, made_by, f"training_log_continued_{seed}.tsv")


def _encoders(output: Path, device: torch.device) -> tuple[AutoencoderKL, CLIPModel, CLIPImageProcessor]:
    clip = CLIPModel.from_pretrained(output / CLIP, dtype=torch.float32, local_files_only=True)
    processor = CLIPImageProcessor.from_pretrained(output / CLIP, local_files_only=True)
    return load_vae(output, device), clip.eval().to(device), processor


def _save(
    folder: Path, unet: UNet2DConditionModel, rows: list[LogRow], made_by: Provenance, log: str
) -> None:
    unet.half().save_pretrained(folder / "unet")
    text_to_image.new_scheduler().save_pretrained(folder / "scheduler")
    write_log(folder, rows, made_by, log)
