"""Text-to-video diffusion with sparse control that starts from a blurry video.

AnimateDiff's networks and SparseCtrl are those of diffusers. Its pipelines do not combine what is needed: the one with
sparse control starts from pure noise and takes one clip's control images, the video-to-video ones lack sparse control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
)
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.console import logger
from neurons.loading import load_pretrained
from neurons.reconstruct import diffusion
from neurons.reconstruct.latents import scale_factor, to_latents
from neurons.reconstruct.loading import load_network, load_scheduler, load_vae
from neurons.reconstruct.settings import Video
from neurons.sections import Model


class Remembering(nn.Module):
    """A network that is not run again for the input it was last given.

    The control image's embedding is the same at every step, and a third of the control network's work.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.last: tuple[Tensor, Tensor] | None = None

    def forward(self, given: Tensor) -> Tensor:
        """Output of the network for `given`."""
        if self.last is None or not torch.equal(self.last[0], given):
            self.last = (given, self.network(given))
        return self.last[1]


@dataclass(frozen=True)
class VideoModel:
    """Networks, sampler, autoencoder and text encoder of the video model."""

    unet: UNetMotionModel
    controlnet: SparseControlNetModel
    scheduler: Any
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer

    @classmethod
    def load(cls, settings: Video, vae: Model, device: torch.device, dtype: torch.dtype) -> VideoModel:
        """Load from `settings.base`'s subfolders ``unet``, ``motion_adapter``, ``controlnet`` and ``scheduler``."""
        base, texts, words, key = (
            settings.base,
            settings.text_encoder,
            settings.tokenizer,
            "reconstruct.video",
        )
        image_unet = load_network(UNet2DConditionModel, base, f"{key}.base", device, dtype, "unet")
        motion = load_network(MotionAdapter, base, f"{key}.base", device, dtype, "motion_adapter")
        unet = UNetMotionModel.from_unet2d(image_unet, motion).eval().requires_grad_(False)
        controlnet = load_network(SparseControlNetModel, base, f"{key}.base", device, dtype, "controlnet")
        controlnet.controlnet_cond_embedding = Remembering(controlnet.controlnet_cond_embedding)
        return cls(
            unet=unet.to(device, memory_format=torch.channels_last),
            controlnet=controlnet.to(memory_format=torch.channels_last),
            scheduler=load_scheduler(base, f"{key}.base", settings.scheduler),
            vae=load_vae(vae, "embed.vae", device),
            text_encoder=load_network(CLIPTextModel, texts, f"{key}.text_encoder", device, torch.float32),
            tokenizer=load_pretrained(CLIPTokenizer, words, f"{key}.tokenizer"),
        )

    def frame_size(self, settings: Video) -> tuple[int, int]:
        """Height and width of the videos, in px."""
        size = settings.frame_size_px or self.unet.config.sample_size * scale_factor(self.vae)
        return size, size

    @torch.inference_mode()
    def sample(
        self,
        prompts: Sequence[str],
        controls: Tensor,
        control_frame: int,
        blurry: Tensor,
        seeds: Sequence[int],
        settings: Video,
    ) -> Tensor:
        """Videos of clips, as latents; each depends on its own prompt, control image, blurry video and seed only.

        Parameters
        ----------
        prompts
            One per clip.
        controls
            (B, 3, H, W) control images in [0, 1], shown at frame `control_frame`.
        blurry
            (B, T, c, h, w) latents that the trajectory starts from, noised according to `settings.strength`.
        seeds
            One per clip.

        Returns
        -------
        Tensor
            float32 (B, T, c, h, w).
        """
        frames = blurry.shape[1]
        guidance = settings.guidance
        given = self.encode([", ".join(filter(None, [prompt, settings.prompt_suffix])) for prompt in prompts])
        without = self.encode([settings.negative_prompt]).expand_as(given)
        texts = (
            diffusion.doubled(without, given, guidance).to(self.unet.dtype).repeat_interleave(frames, dim=0)
        )
        picture, shown = self._sparse(controls, control_frame, frames)
        picture = diffusion.doubled(picture, picture, guidance)
        shown = diffusion.doubled(shown, shown, guidance)

        def predict(latents: Tensor, step: Tensor) -> Tensor:
            latents = latents.to(self.unet.dtype)
            down, middle = self.controlnet(
                latents, step, encoder_hidden_states=texts, controlnet_cond=picture, conditioning_mask=shown,
                conditioning_scale=settings.control_scale, return_dict=False,
            )  # fmt: skip
            return self.unet(
                latents, step, encoder_hidden_states=texts,
                down_block_additional_residuals=down, mid_block_additional_residual=middle,
            ).sample  # fmt: skip

        of_clips = diffusion.generators(seeds)
        clean = blurry.to(self.unet.device).float().transpose(1, 2)
        noise = diffusion.draw_noise(of_clips, clean.shape[1:], self.unet.device)
        timesteps = diffusion.trajectory(self.scheduler, settings.steps, settings.strength, self.unet.device)
        start = diffusion.starting_point(self.scheduler, clean, noise, timesteps, settings.strength)
        guided = diffusion.with_guidance(predict, guidance)
        return diffusion.denoise(self.scheduler, start, timesteps, guided, of_clips).transpose(1, 2)

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Text features (prompts, L, W); what a prompt has beyond the encoder's length is cut off and logged."""
        longest = self.text_encoder.config.max_position_embeddings
        ids = self.tokenizer(
            list(prompts), padding="max_length", max_length=longest, truncation=True, return_tensors="pt"
        )
        for prompt, full in zip(prompts, self.tokenizer(list(prompts)).input_ids, strict=True):
            if len(full) > longest:
                logger.warning("prompt longer than %d tokens, its end is not used: %s", longest, prompt)
        return self.text_encoder(ids.input_ids.to(self.text_encoder.device)).last_hidden_state

    def _sparse(self, controls: Tensor, control_frame: int, frames: int) -> tuple[Tensor, Tensor]:
        """The control network's input: images (B, channels, T, ...), zero in other frames, and which frames have one."""
        if self.controlnet.use_simplified_condition_embedding:
            controls = to_latents(self.vae, controls)
        controls = controls.to(self.controlnet.device, self.controlnet.dtype)
        batch, channels, height, width = controls.shape
        picture = controls.new_zeros(batch, channels, frames, height, width)
        shown = controls.new_zeros(batch, 1, frames, height, width)
        picture[:, :, control_frame] = controls
        shown[:, :, control_frame] = 1
        return picture, shown
