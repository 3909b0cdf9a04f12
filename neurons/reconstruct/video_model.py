"""Text-to-video diffusion with sparse control that starts from a blurry video.

AnimateDiff's networks and SparseCtrl are those of diffusers. Its pipelines do not combine what is needed: the one with
sparse control starts from pure noise and takes one clip's control images, the video-to-video ones lack sparse control.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers import AutoencoderKL, SparseControlNetModel, UNetMotionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.console import logger
from neurons.loading import load_pretrained
from neurons.reconstruct import diffusion
from neurons.reconstruct.latents import scale_factor, to_latents
from neurons.reconstruct.loading import load_vae
from neurons.reconstruct.offload import runs_on, take_turns
from neurons.reconstruct.settings import Video
from neurons.reconstruct.video_networks import (
    load_controlnet,
    load_motion_unet,
    load_text_encoder,
    load_video_scheduler,
)
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
    """Networks, sampler, autoencoder and text encoder of the video model.

    ``controlnet`` is None if the control image has no weight; ``remembered`` holds text features of the last call.
    """

    unet: UNetMotionModel
    controlnet: SparseControlNetModel | None
    scheduler: Any
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    remembered: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def load(
        cls, settings: Video, vae: Model, device: torch.device, dtype: torch.dtype, offload: bool = False
    ) -> VideoModel:
        """Load the parts that `settings` name; no control network if the control image has no weight.

        With `offload` text encoder, U-Net and autoencoder take turns on `device`.
        """
        waits = torch.device("cpu") if offload else device
        controlnet = load_controlnet(settings, device, dtype) if settings.control_scale else None
        if controlnet is not None:
            controlnet.controlnet_cond_embedding = Remembering(controlnet.controlnet_cond_embedding)
        text_encoder = load_text_encoder(settings, waits)
        unet = load_motion_unet(settings, waits, dtype)
        own_vae = load_vae(vae, "embed.vae", waits)
        if offload:
            take_turns([text_encoder, unet, own_vae], device)
        return cls(
            unet=unet,
            controlnet=controlnet,
            scheduler=load_video_scheduler(settings),
            vae=own_vae,
            text_encoder=text_encoder,
            tokenizer=load_pretrained(CLIPTokenizer, settings.tokenizer, "reconstruct.video.tokenizer"),
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
        texts = self._texts(prompts, settings).repeat_interleave(frames, dim=0)
        residuals = self._control(texts, controls, control_frame, frames, settings)

        def predict(latents: Tensor, step: Tensor) -> Tensor:
            latents = latents.to(self.unet.dtype)
            return self.unet(latents, step, encoder_hidden_states=texts, **residuals(latents, step)).sample

        of_clips = diffusion.generators(seeds)
        device = runs_on(self.unet)
        clean = blurry.to(device).float().transpose(1, 2)
        noise = diffusion.draw_noise(of_clips, clean.shape[1:], device)
        timesteps = diffusion.trajectory(self.scheduler, settings.steps, settings.strength, device)
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
        return self.text_encoder(ids.input_ids.to(runs_on(self.text_encoder))).last_hidden_state

    def _texts(self, prompts: Sequence[str], settings: Video) -> Tensor:
        """Text features for guidance; what the call before had is not computed again (other samples, negative prompt)."""
        given = [", ".join(filter(None, [prompt, settings.prompt_suffix])) for prompt in prompts]
        without = [] if settings.guidance == 1 else [settings.negative_prompt] * len(given)
        wanted = dict.fromkeys([*given, *without])
        found = {text: self.remembered[text] for text in wanted if text in self.remembered}
        new = [text for text in wanted if text not in found]
        if new:
            found |= zip(new, self.encode(new).to(self.unet.dtype), strict=True)
        self.remembered.clear()
        self.remembered.update(found)
        return torch.stack([found[text] for text in (*without, *given)])

    def _control(
        self, texts: Tensor, controls: Tensor, control_frame: int, frames: int, settings: Video
    ) -> Callable[[Tensor, Tensor], dict[str, Any]]:
        """What the control network adds to the U-Net's features, as a function of latents and time step."""
        network = self.controlnet
        if network is None:
            return lambda latents, step: {}
        picture, shown = self._sparse(network, controls, control_frame, frames)
        picture = diffusion.doubled(picture, picture, settings.guidance)
        shown = diffusion.doubled(shown, shown, settings.guidance)

        def residuals(latents: Tensor, step: Tensor) -> dict[str, Any]:
            down, middle = network(
                latents, step, encoder_hidden_states=texts, controlnet_cond=picture, conditioning_mask=shown,
                conditioning_scale=settings.control_scale, return_dict=False,
            )  # fmt: skip
            return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

        return residuals

    def _sparse(
        self, network: SparseControlNetModel, controls: Tensor, control_frame: int, frames: int
    ) -> tuple[Tensor, Tensor]:
        """The control network's input: images (B, channels, T, ...), zero in other frames, and which frames have one."""
        if network.use_simplified_condition_embedding:
            controls = to_latents(self.vae, controls)
        controls = controls.to(network.device, network.dtype)
        batch, channels, height, width = controls.shape
        picture = controls.new_zeros(batch, channels, frames, height, width)
        shown = controls.new_zeros(batch, 1, frames, height, width)
        picture[:, :, control_frame] = controls
        shown[:, :, control_frame] = 1
        return picture, shown
