"""Frames in the latent space of an image autoencoder."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from neurons.artifacts import InputError


def check_autoencoder(vae: AutoencoderKL, size_px: int) -> None:
    """Refuse an autoencoder whose latents are scaled in a way that is not handled, or that does not fit the
    frames.

    Raises
    ------
    InputError
        If its config has per-channel statistics, or the frame size is no multiple of its reduction.
    """
    if getattr(vae.config, "latents_mean", None) is not None:
        raise InputError("embed.vae: its config has latents_mean, but scaling by channel is not supported")
    reduction = 2 ** (len(vae.config.block_out_channels) - 1)
    if size_px % reduction:
        raise InputError(
            f"frames of {size_px} px (cut.frame_size_px) are no multiple of the {reduction} px of one latent "
            "of embed.vae"
        )


def encode(vae: AutoencoderKL, frames: np.ndarray) -> Tensor:
    """Most probable latents of frames, scaled for diffusion.

    Parameters
    ----------
    frames
        RGB, uint8, shape (b, H, W, 3).

    Returns
    -------
    Tensor
        Shape (b, c, h, w): (posterior mode - ``shift_factor``) * ``scaling_factor`` of the autoencoder's
        config.
    """
    pixels = torch.from_numpy(frames).permute(0, 3, 1, 2).to(vae.device).float() / 127.5 - 1
    mode = vae.encode(pixels.to(vae.dtype)).latent_dist.mode().float()
    return (mode - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
