"""The step of `reconstruct` that says what the videos will cost, called by hand before the work is started."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPConfig

from neurons.config_files import load_files
from neurons.console import logger
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.loading import load_pretrained
from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.cost import Shapes, measure, report
from neurons.reconstruct.render import Studio

MEASURED = 3


def plan(
    *,
    clips: int,
    variant: str = "ours",
    config: list[Path] | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """Say what control images and videos of CLIPS clips cost here: steps, TFLOP, memory, and the time of up to three clips.

    Parameters
    ----------
    clips
        Test clips of a subject (cc2017: 1,200).
    variant
        Name of the variant.
    config
        Configuration files of the study, merged into config/config.yaml.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    """
    use_threads(threads)
    place = choose_device(device)
    settings = load_files(config or []).variant(variant)
    dtype = choose_dtype(precision, place)
    timing = ClipTiming(settings.study.clip_s, settings.cut.phase)
    studio = Studio(settings.reconstruct, settings.embed.vae, settings.embed, timing, place, dtype)
    vision = load_pretrained(CLIPConfig, settings.embed.clip, "embed.clip").vision_config
    shapes = Shapes(
        settings.cut.frames_per_clip,
        settings.cut.frame_size_px,
        (vision.image_size // vision.patch_size) ** 2,
    )
    cost = measure(studio, shapes, min(MEASURED, settings.reconstruct.batch_size, clips))
    logger.info("device %s, %s", place, str(dtype).removeprefix("torch."))
    for line in report(cost, clips, settings.reconstruct.samples_per_clip).splitlines():
        logger.info("%s", line)
