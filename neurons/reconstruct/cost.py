"""What videos of clips cost: arithmetic of a sampling step, memory, time of a few clips."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from neurons.reconstruct.aggregate import Decoded, reconstruct
from neurons.reconstruct.control_image import UnclipModel
from neurons.reconstruct.latents import scale_factor
from neurons.reconstruct.render import Studio
from neurons.reconstruct.settings import Reconstruct
from neurons.reconstruct.video_model import VideoModel

TERA = 1e12
GIB = 2**30


@dataclass(frozen=True)
class Shapes:
    """Sizes of decoded outputs: `frames` of a cut clip, their size (px), CLIP tokens."""

    frames: int
    frame_size_px: int
    tokens: int


@dataclass(frozen=True)
class Sampling:
    """One of the two samplers.

    Attributes
    ----------
    steps
        Sampling steps that are run.
    step_tflop, rest_tflop
        Of one step, and of everything around the steps, per clip.
    weights_gib
        Of its networks.
    """

    steps: int
    step_tflop: float
    rest_tflop: float
    weights_gib: float

    @property
    def tflop(self) -> float:
        """Per clip."""
        return self.steps * self.step_tflop + self.rest_tflop


@dataclass(frozen=True)
class Cost:
    """Of control image and video.

    Attributes
    ----------
    control, video
        The samplers.
    seconds
        Per clip, with all its samples.
    measured_clips
        Clips that were made at once.
    peak_gib
        Memory of the card; on a CPU, of the process.
    """

    control: Sampling
    video: Sampling
    seconds: float
    measured_clips: int
    peak_gib: float


def run_steps(steps: int, strength: float) -> int:
    """Steps of a trajectory of `steps` that are run at a strength."""
    return round(steps * strength)


def measure(studio: Studio, shapes: Shapes, clips: int) -> Cost:
    """Make `clips` control images and videos of noise at once, and count.

    The arithmetic is that of trajectories of one and of two steps; their difference is a step.
    """
    settings = studio.settings
    unclip = UnclipModel.load(settings.control, studio.vae, studio.device, studio.dtype, settings.offload)
    model = studio.load()
    if studio.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(studio.device)

    def control(count: int, chosen: Reconstruct) -> torch.Tensor:
        tokens = torch.randn(count, shapes.tokens, unclip.unet.config.cross_attention_dim)
        blurry = torch.rand(count, 3, shapes.frame_size_px, shapes.frame_size_px)
        return unclip.sample(tokens, blurry, range(count), chosen.control)

    def video(count: int, chosen: Reconstruct, controls: torch.Tensor) -> None:
        model.remembered.clear()  # another clip has another prompt
        reconstruct(_decoded(count, shapes, model, controls), model, chosen, studio.timing)

    images = control(1, _with_steps(settings, 1))
    one, two = _with_steps(settings, 1), _with_steps(settings, 2)
    counted = [
        [_flops(partial(control, 1, chosen)) for chosen in (one, two)],
        [_flops(partial(video, 1, chosen, images)) for chosen in (one, two)],
    ]
    begun = time.perf_counter()
    images = control(clips, settings)
    for _ in range(settings.samples_per_clip):
        video(clips, settings, images)
    if studio.device.type == "cuda":
        torch.cuda.synchronize(studio.device)
    seconds = (time.perf_counter() - begun) / clips
    networks: tuple[Sequence[nn.Module | None], ...] = (
        (unclip.unet, unclip.vae),
        (model.unet, model.controlnet, model.vae, model.text_encoder),
    )
    chosen_steps = (
        run_steps(settings.control.steps, settings.control.strength),
        run_steps(settings.video.steps, settings.video.strength),
    )
    parts = [
        Sampling(
            steps, counted[part][1] - counted[part][0], 2 * counted[part][0] - counted[part][1], _weights(own)
        )
        for part, (steps, own) in enumerate(zip(chosen_steps, networks, strict=True))
    ]
    return Cost(parts[0], parts[1], seconds, clips, _peak(studio.device))


def report(cost: Cost, clips: int, samples: int) -> str:
    """The plan in words, a line per fact."""
    tflop = cost.control.tflop + samples * cost.video.tflop
    lines = [f"clips: {clips}, samples per clip: {samples}"]
    for name, part in (("control image", cost.control), ("video", cost.video)):
        lines.append(
            f"{name}: {part.steps} steps of {part.step_tflop:.3g} TFLOP, {part.rest_tflop:.3g} TFLOP around them, weights "
            f"{part.weights_gib:.2f} GiB"
        )
    lines += [
        f"per clip: {tflop:.3g} TFLOP, {cost.seconds:.3g} s (measured on {cost.measured_clips}); peak memory "
        f"{cost.peak_gib:.2f} GiB",
        f"all clips: {clips * tflop:.3g} TFLOP, {duration(clips * cost.seconds)}",
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """A time that people read."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _with_steps(settings: Reconstruct, steps: int) -> Reconstruct:
    whole = {"steps": steps, "strength": 1.0}
    return settings.model_copy(
        update={
            "control": settings.control.model_copy(update=whole),
            "video": settings.video.model_copy(update=whole),
        }
    )


def _decoded(count: int, shapes: Shapes, model: VideoModel, controls: torch.Tensor) -> Decoded:
    size = shapes.frame_size_px // scale_factor(model.vae)
    return Decoded(
        ["a person walks through a field"] * count,
        list(range(count)),
        torch.rand(count, shapes.frames, shapes.frame_size_px, shapes.frame_size_px),
        torch.randn(count, shapes.frames, model.vae.config.latent_channels, size, size),
        controls[:count].cpu(),
    )


def _flops(run: Callable[[], object]) -> float:
    """TFLOP of a call (a multiplication and an addition are two)."""
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / TERA


def _weights(networks: Sequence[nn.Module | None]) -> float:
    return (
        sum(
            weight.numel() * weight.element_size()
            for network in networks
            if network is not None
            for weight in network.parameters()
        )
        / GIB
    )


def _peak(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return float(np.float64(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024 / GIB)
