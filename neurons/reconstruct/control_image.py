"""unCLIP: CLIP image tokens to an image.

The network of MindEye2's kind: a `UNet2DConditionModel` that attends to the image tokens and, with
``class_embed_type="projection"``, is told size and crop (SDXL's micro-conditioning). diffusers has no pipeline for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from neurons.reconstruct import diffusion
from neurons.reconstruct.emphasis import resize
from neurons.reconstruct.latents import scale_factor, to_frames, to_latents
from neurons.reconstruct.loading import load_network, load_scheduler, load_vae
from neurons.reconstruct.offload import runs_on, take_turns
from neurons.reconstruct.settings import ControlImage
from neurons.sections import Model

PIXEL_RANGES = {"standard": (0.5, 0.5), "mindeye2": (0.8, 0.2)}
"""Factor and offset from the autoencoder's output, -1 to 1, to pictures, 0 to 1."""


@dataclass(frozen=True)
class UnclipModel:
    """Network, sampler and autoencoder of unCLIP."""

    unet: UNet2DConditionModel
    scheduler: Any
    vae: AutoencoderKL

    @classmethod
    def load(
        cls,
        settings: ControlImage,
        vae: Model,
        device: torch.device,
        dtype: torch.dtype,
        offload: bool = False,
    ) -> UnclipModel:
        """Load from ``unclip``'s subfolders ``unet`` and ``scheduler``, and unCLIP's own autoencoder or else `vae`."""
        key = "reconstruct.control.unclip"
        waits = torch.device("cpu") if offload else device
        unet = load_network(UNet2DConditionModel, settings.unclip, key, waits, dtype, "unet")
        own = load_vae(settings.vae or vae, "reconstruct.control.vae" if settings.vae else "embed.vae", waits)
        if offload:
            take_turns([unet, own], device)
        return cls(unet, load_scheduler(settings.unclip, key), own)

    @torch.inference_mode()
    def sample(self, tokens: Tensor, blurry: Tensor, seeds: Sequence[int], settings: ControlImage) -> Tensor:
        """Images of clips; each depends on its own tokens, blurry frame and seed only.

        Parameters
        ----------
        tokens
            (B, N, C) CLIP image tokens; guidance contrasts them with zeros or with noise of the clip's own.
        blurry
            (B, 3, h, w) in [0, 1]: what the trajectory starts from, noised according to `settings.strength`.
        seeds
            One per clip.

        Returns
        -------
        Tensor
            float32 (B, 3, H, W) in [0, 1].
        """
        device, dtype = runs_on(self.unet), self.unet.dtype
        tokens = tokens.to(device, dtype)
        of_clips = diffusion.generators(seeds)
        without = torch.zeros_like(tokens)
        if settings.unconditional == "noise":
            without = diffusion.draw_noise(of_clips, tokens.shape[1:], device).to(dtype)
        condition = diffusion.doubled(without, tokens, settings.guidance)
        labels = self._size_and_crop(len(condition))

        def predict(latents: Tensor, step: Tensor) -> Tensor:
            return self.unet(
                latents.to(dtype), step, encoder_hidden_states=condition, class_labels=labels
            ).sample

        size = self.unet.config.sample_size * scale_factor(self.vae)
        clean = to_latents(self.vae, resize(blurry, (size, size)))
        noise = diffusion.draw_noise(of_clips, clean.shape[1:], device)
        timesteps = diffusion.trajectory(self.scheduler, settings.steps, settings.strength, device)
        start = diffusion.starting_point(self.scheduler, clean, noise, timesteps, settings.strength)
        guided = diffusion.with_guidance(predict, settings.guidance)
        latents = diffusion.denoise(self.scheduler, start, timesteps, guided, of_clips)
        return to_frames(self.vae, latents, *PIXEL_RANGES[settings.pixel_range])

    def _size_and_crop(self, count: int) -> Tensor | None:
        """Sinusoids of height, width (px) and crop corner (0, 0), (count, width of the projection); None without one."""
        if self.unet.config.class_embed_type != "projection":
            return None
        pixels = self.unet.config.sample_size * scale_factor(self.vae)
        facts = torch.tensor([pixels, pixels, 0, 0], device=runs_on(self.unet))
        width = self.unet.config.projection_class_embeddings_input_dim // len(facts)
        embedded = get_timestep_embedding(facts, width, flip_sin_to_cos=True, downscale_freq_shift=0)
        return embedded.flatten().to(self.unet.dtype).expand(count, -1)
