"""Seconds per video: in batches, one by one, and as the release does it; models with random weights or the miniatures.

    python benchmarks/reconstruct_throughput.py                  # the miniatures, on the CPU
    python benchmarks/reconstruct_throughput.py --scale paper    # the paper's sizes with random weights, on a GPU

Three ways, in one run, the same decoded outputs (noise of the right shapes), steps and guidance:

- released: float32, one clip at a time, each stage loading its model anew for every clip
- one by one: our precision, models loaded once, batches of one
- batches: the same in batches

Loading counts for each way as often as it happens. The last column is the time per clip of `released` over that of a way: by
the clock on a GPU, in CPU seconds on a CPU, which other work on the machine disturbs less.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from cyclopts import run
from diffusers import DDIMScheduler, EulerDiscreteScheduler
from reconstruct_modules import control, image_unet, motion, text, unclip, vae
from torch import nn
from transformers import CLIPConfig, CLIPTokenizer

from neurons.config import load
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.embed.settings import Embed
from neurons.reconstruct.aggregate import ClipTiming, Decoded, reconstruct
from neurons.reconstruct.control_image import UnclipModel
from neurons.reconstruct.cost import Shapes
from neurons.reconstruct.latents import scale_factor
from neurons.reconstruct.render import Studio
from neurons.reconstruct.settings import Reconstruct
from neurons.sections import Model

PAPER: dict[str, dict[str, Any]] = {
    "control": {"steps": 38, "guidance": 5.0, "unconditional": "noise", "pixel_range": "mindeye2"},
    "video": {"steps": 25, "guidance": 8.5, "frames": 16, "frame_size_px": 256, "strength": 1.0},
}


@dataclass(frozen=True)
class Way:
    """How clips are made: precision, clips at once, and whether models are loaded for every batch."""

    name: str
    dtype: torch.dtype
    batch: int
    reload: bool


def save_paper(folder: Path) -> tuple[Reconstruct, Model]:
    """Write the paper's networks with random weights, and the settings that point to them."""
    torch.manual_seed(0)
    parts: dict[str, Callable[[], nn.Module]] = {
        "unclip/unet": unclip, "video/unet": image_unet, "video/motion_adapter": motion, "video/controlnet": control,
        "video/text_encoder": text, "vae": vae,
    }  # fmt: skip
    for name, make in parts.items():
        network = make().to(torch.bfloat16)
        network.save_pretrained(folder / name)  # type: ignore[operator]
    EulerDiscreteScheduler(timestep_spacing="trailing").save_pretrained(folder / "unclip" / "scheduler")
    DDIMScheduler(beta_schedule="linear", clip_sample=False, steps_offset=1).save_pretrained(
        folder / "video" / "scheduler"
    )
    CLIPTokenizer.from_pretrained("resources/miniatures/video/tokenizer").save_pretrained(
        folder / "tokenizer"
    )
    paths: dict[str, dict[str, Any]] = {
        "control": {"unclip": {"path": str(folder / "unclip")}},
        "video": {
            "base": {"path": str(folder / "video")},
            "text_encoder": {"path": str(folder / "video" / "text_encoder")},
            "tokenizer": {"path": str(folder / "tokenizer")},
        },
    }
    settings = Reconstruct.model_validate({part: {**PAPER[part], **paths[part]} for part in PAPER})
    return settings, Model(path=str(folder / "vae"))


def made(way: Way, studio: Studio, shapes: Shapes, clips: int) -> tuple[float, float]:
    """Seconds for all clips, by the clock and of the CPU."""
    studio = replace(studio, dtype=way.dtype)
    settings = studio.settings

    def load_unclip() -> UnclipModel:
        return UnclipModel.load(settings.control, studio.vae, studio.device, studio.dtype)

    begun, computed = time.perf_counter(), time.process_time()
    unclip_model = None if way.reload else load_unclip()
    video_model = None if way.reload else studio.load()
    for start in range(0, clips, way.batch):
        count = min(way.batch, clips - start)
        model = unclip_model or load_unclip()
        tokens = torch.randn(count, shapes.tokens, model.unet.config.cross_attention_dim)
        blurry = torch.rand(count, 3, shapes.frame_size_px, shapes.frame_size_px)
        images = model.sample(tokens, blurry, range(count), settings.control)
        del model
        videos = video_model or studio.load()
        size = shapes.frame_size_px // scale_factor(videos.vae)
        latents = torch.randn(count, shapes.frames, videos.vae.config.latent_channels, size, size)
        masks = torch.rand(count, shapes.frames, shapes.frame_size_px, shapes.frame_size_px)
        decoded = Decoded(["a person walks"] * count, list(range(count)), masks, latents, images.cpu())
        reconstruct(decoded, videos, settings, studio.timing).frames.cpu()
        del videos
    return time.perf_counter() - begun, time.process_time() - computed


def main(
    *,
    scale: Literal["miniature", "paper"] = "miniature",
    clips: int = 8,
    batch: int = 8,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Time three ways.

    Parameters
    ----------
    scale
        miniature: the shipped models and the configuration of the simulated study; paper: the paper's sizes, random weights.
    clips
        Clips of each way.
    batch
        Clips at once, in batches.
    device
        auto, cpu, cuda or cuda:<index>.
    threads
        CPU threads.
    """
    use_threads(threads)
    place = choose_device(device)
    own = choose_dtype("auto", place)
    config = load(yaml.safe_load(Path("config/config.yaml").read_text()))
    with tempfile.TemporaryDirectory() as folder:
        if scale == "paper":
            settings, autoencoder = save_paper(Path(folder))
            shapes = Shapes(frames=6, frame_size_px=224, tokens=256)
        else:
            settings, autoencoder = config.reconstruct, config.embed.vae
            vision = CLIPConfig.from_pretrained(config.embed.clip.path).vision_config
            tokens = (vision.image_size // vision.patch_size) ** 2
            shapes = Shapes(config.cut.frames_per_clip, config.cut.frame_size_px, tokens)
        studio = Studio(settings, autoencoder, Embed(), ClipTiming(2.0, config.cut.phase), place, own)
        made(Way("warm-up", own, 1, False), studio, shapes, 1)
        released = None
        print(f"{scale}, {place}, {threads} threads, {clips} clips")
        print("way\tprecision\tclips at once\ts per clip\tCPU s per clip\ttimes faster")
        for way in (
            Way("released", torch.float32, 1, True),
            Way("one by one", own, 1, False),
            Way("batches", own, batch, False),
        ):
            clock, cpu = (seconds / clips for seconds in made(way, studio, shapes, clips))
            spent = cpu if place.type == "cpu" else clock
            released = released or spent
            precision = str(way.dtype).removeprefix("torch.")
            print(
                f"{way.name}\t{precision}\t{way.batch}\t{clock:.2f}\t{cpu:.2f}\t{released / spent:.2f}",
                flush=True,
            )


if __name__ == "__main__":
    run(main)
