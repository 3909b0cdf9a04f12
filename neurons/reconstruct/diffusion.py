"""What image and video sampling share: noise per clip, the part of the trajectory that is run, guidance."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Predict = Callable[[Tensor, Tensor], Tensor]


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """One random generator per clip, on the CPU, so that noise is the same on every device."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def draw_noise(of_clips: Sequence[torch.Generator], shape: Sequence[int], device: torch.device) -> Tensor:
    """Standard normal noise (clips, *shape), float32, each clip's from its own generator."""
    return torch.stack([torch.randn(*shape, generator=one) for one in of_clips]).to(device)


def trajectory(scheduler: Any, steps: int, strength: float, device: torch.device) -> Tensor:
    """Time steps to run: the last ``round(steps * strength)`` of a full trajectory of `steps`.

    The scheduler is set up for them. With a strength below ``0.5 / steps`` there are none.
    """
    scheduler.set_timesteps(steps, device=device)
    first = (steps - round(steps * strength)) * scheduler.order
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first)
    return scheduler.timesteps[first:]


def starting_point(
    scheduler: Any, clean: Tensor, noise: Tensor, timesteps: Tensor, strength: float
) -> Tensor:
    """Latents to start from: `clean` noised to the first time step; pure noise at strength 1; `clean` without steps.

    Parameters
    ----------
    clean, noise
        (B, ...), float32.
    timesteps
        From `trajectory`.
    """
    if strength == 1:
        return noise * scheduler.init_noise_sigma
    if len(timesteps) == 0:
        return clean
    return scheduler.add_noise(clean, noise, timesteps[:1].expand(len(clean)))


def denoise(
    scheduler: Any, latents: Tensor, timesteps: Tensor, predict: Predict, of_clips: list[torch.Generator]
) -> Tensor:
    """Run the trajectory.

    Parameters
    ----------
    latents
        (B, ...) float32 from `starting_point`; they stay float32 whatever the network's precision.
    predict
        Guided prediction of the network for (scaled latents, time step).
    of_clips
        Generators for samplers that add noise at each step.
    """
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": of_clips} if takes_generator else {}
    for step in timesteps:
        prediction = predict(scheduler.scale_model_input(latents, step), step).float()
        latents = scheduler.step(prediction, step, latents, **extra).prev_sample
    return latents


def with_guidance(predict: Predict, guidance: float) -> Predict:
    """Classifier-free guidance around a network that is given the batch twice: unconditional first, then conditional.

    With a scale of 1 the unconditional half would cancel, so `predict` is given the batch once.
    """
    if guidance == 1:
        return predict

    def guided(latents: Tensor, step: Tensor) -> Tensor:
        without, given = predict(torch.cat([latents, latents]), step).chunk(2)
        return without + guidance * (given - without)

    return guided


def doubled(without: Tensor, given: Tensor, guidance: float) -> Tensor:
    """Conditions for `with_guidance`: unconditional and conditional along the batch, or only the latter at scale 1."""
    return given if guidance == 1 else torch.cat([without, given])
