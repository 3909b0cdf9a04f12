"""The image model: a diffusion U-Net over 8x8 latents that follows prompts."""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.simulate.miniatures.data import draw_frames, draw_scenes
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.text import VARIANTS, all_token_ids, training_prompts
from neurons.simulate.miniatures.vae import encode

CHANNELS = (64, 128)
GROUPS = 16
HEADS = 4
NOISE_LEVEL_SPREAD = 1.2


def new_scheduler() -> DDIMScheduler:
    """Cosine noise schedule down to no signal, velocity prediction, no clipping of latents."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        rescale_betas_zero_snr=True,
        steps_offset=0,
    )


def new_unet(latent_channels: int, cross_attention_dim: int, **extra: object) -> UNet2DConditionModel:
    """Untrained U-Net (4.3 M parameters) with cross-attention at both levels.

    Plain attention is several times faster in training on CPUs than the fused kernels at these small sizes.
    """
    levels = len(CHANNELS)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=latent_channels,
        out_channels=latent_channels,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D",) * levels,
        up_block_types=("CrossAttnUpBlock2D",) * levels,
        cross_attention_dim=cross_attention_dim,
        norm_num_groups=GROUPS,
        attention_head_dim=HEADS,
        **extra,
    )
    unet.set_attn_processor(AttnProcessor())
    return unet


def draw_timesteps(count: int, steps: int, shift: float = 0.0) -> torch.Tensor:
    """Time steps around the middle of the noise schedule, where shapes form; a tenth is uniform.

    Clips want a positive ``shift`` (in logits of the share of the schedule): the same thing seen in many frames stays
    visible under more noise, so what is decided late in a picture is decided earlier in a clip.
    """
    middle = torch.sigmoid(shift + NOISE_LEVEL_SPREAD * torch.randn(count))
    share = torch.where(torch.rand(count) < 0.1, torch.rand(count), middle)
    return (share * steps).long().clamp(max=steps - 1)


def velocity_batch(
    scheduler: DDIMScheduler, latents: torch.Tensor, timesteps: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Noised latents and the velocity to predict, both of the latents' shape (batch first)."""
    noise = torch.randn_like(latents)
    return scheduler.add_noise(latents, noise, timesteps), scheduler.get_velocity(latents, noise, timesteps)


def train_image_model(
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    seed: int,
    steps: int,
    batch: int,
    frames: int,
    max_learning_rate: float,
    workers: int,
    report: Callable[[LogRow], None],
) -> tuple[UNet2DConditionModel, list[LogRow]]:
    """Train U-Net and text encoder together on latents of ``frames`` random frames of training scenes."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    scenes = draw_scenes(rng, frames, "train")
    device = vae.device
    latents = encode(vae, draw_frames(rng, scenes, workers))
    ids = all_token_ids(tokenizer, training_prompts(rng, scenes))
    unet, scheduler = new_unet(latents.shape[1], text_encoder.config.hidden_size).train(), new_scheduler()
    unet.to(device)
    text_encoder.train().to(device)

    def loss_of_step() -> torch.Tensor:
        chosen = torch.from_numpy(rng.integers(frames, size=batch))
        variant = torch.from_numpy(rng.integers(VARIANTS, size=batch))
        timesteps = torch.randint(scheduler.config.num_train_timesteps, (batch,)).to(device)
        noisy, velocity = velocity_batch(scheduler, latents[chosen].to(device), timesteps)
        with torch.autocast(device.type, torch.bfloat16):
            text = text_encoder(ids[chosen, variant].to(device)).last_hidden_state
            predicted = unet(noisy, timesteps, encoder_hidden_states=text).sample
        return torch.nn.functional.mse_loss(predicted.float(), velocity)

    parameters = [*unet.parameters(), *text_encoder.parameters()]
    rows = optimise(parameters, loss_of_step, steps, max_learning_rate, report)
    return unet.eval(), rows
