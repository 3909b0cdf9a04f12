"""Control images of many clips: unCLIP, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from neurons.artifacts import seed_for
from neurons.console import track
from neurons.reconstruct.control_image import UnclipModel
from neurons.reconstruct.latents import to_frames
from neurons.reconstruct.loading import load_vae
from neurons.reconstruct.settings import Reconstruct
from neurons.reconstruct.timing import source_frame
from neurons.sections import Model


def control_images(
    tokens: np.ndarray,
    latents: np.ndarray,
    clips: Sequence[str],
    settings: Reconstruct,
    vae: Model,
    device: torch.device,
    dtype: torch.dtype,
) -> np.ndarray:
    """Control images from image tokens and from the blurry videos' middle frames.

    Parameters
    ----------
    tokens
        (n, N, C), may be memory-mapped.
    latents
        (n, F, c, h, w) blurry videos, may be memory-mapped.
    clips
        Ids of the clips, which seeds follow from.
    settings
        This uses ``seed``, ``control`` and ``batch_size``.
    vae
        The study's autoencoder: of the blurry video, and of unCLIP unless ``control.vae`` names another.

    Returns
    -------
    numpy.ndarray
        uint8 (n, H, W, 3).
    """
    model = UnclipModel.load(settings.control, vae, device, dtype, settings.offload)
    study_vae = load_vae(vae, "embed.vae", device)
    middle = source_frame(latents.shape[1])
    images = []
    starts = range(0, len(clips), settings.batch_size)
    for start in track(starts, "batches of control images"):
        rows = slice(start, start + settings.batch_size)
        seeds = [seed_for(settings.seed, "control", clip) for clip in clips[rows]]
        blurry = to_frames(study_vae, torch.from_numpy(latents[rows, middle].astype(np.float32)))
        sampled = model.sample(
            torch.from_numpy(tokens[rows].astype(np.float32)), blurry, seeds, settings.control
        )
        images.append((255 * sampled.movedim(1, -1)).round().byte().cpu().numpy())
    return np.concatenate(images)
