"""Frames to latents of the image autoencoder and back, in slices so that memory stays bounded."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from neurons.reconstruct.offload import runs_on

SLICE = 16
"""Pictures per pass of the autoencoder."""


def to_latents(vae: AutoencoderKL, frames: Tensor) -> Tensor:
    """Most probable latents of frames, scaled for diffusion.

    Parameters
    ----------
    frames
        (..., 3, H, W) in [0, 1].

    Returns
    -------
    Tensor
        float32 (..., c, h, w): (posterior mode - shift) * scaling factor.
    """
    pixels = (2 * frames - 1).to(runs_on(vae), vae.dtype).flatten(0, -4)
    modes = torch.cat([vae.encode(part).latent_dist.mode() for part in pixels.split(SLICE)])
    scaled = (modes - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
    return scaled.float().unflatten(0, frames.shape[:-3])


def to_frames(vae: AutoencoderKL, latents: Tensor, factor: float = 0.5, offset: float = 0.5) -> Tensor:
    """Frames of latents: by default the inverse of `to_latents`.

    Parameters
    ----------
    latents
        (..., c, h, w).
    factor, offset
        From the autoencoder's output, -1 to 1, to frames.

    Returns
    -------
    Tensor
        float32 (..., 3, H, W) in [0, 1].
    """
    modes = latents.to(runs_on(vae), vae.dtype) / vae.config.scaling_factor + (vae.config.shift_factor or 0.0)
    pixels = torch.cat([vae.decode(part).sample for part in modes.flatten(0, -4).split(SLICE)])
    return (factor * pixels.float() + offset).clamp(0, 1).unflatten(0, latents.shape[:-3])


def scale_factor(vae: AutoencoderKL) -> int:
    """Pixels per latent position along each axis."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))
