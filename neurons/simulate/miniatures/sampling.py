"""Samples of the diffusion miniatures, for looking at them and for measuring them."""

from collections.abc import Callable

import torch
from diffusers import DDIMScheduler

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@torch.no_grad()
def sample(
    predict: Predict, scheduler: DDIMScheduler, noise: torch.Tensor, steps: int, guidance: float
) -> torch.Tensor:
    """Denoise from pure noise with classifier-free guidance.

    Parameters
    ----------
    predict : callable
        Given latents and a time step, both for the batch ``[unconditional, conditional]``, the network's output.
    scheduler : DDIMScheduler
        Sampler.
    noise : Tensor
        Starting latents, batch first.
    steps : int
        Sampling steps.
    guidance : float
        Guidance scale; 1 is none.

    Returns
    -------
    Tensor
        Latents of ``noise``'s shape.
    """
    scheduler.set_timesteps(steps)
    latents = noise
    for timestep in scheduler.timesteps:
        without, given = predict(torch.cat([latents, latents]), timestep).float().chunk(2)
        latents = scheduler.step(without + guidance * (given - without), timestep, latents).prev_sample
    return latents
