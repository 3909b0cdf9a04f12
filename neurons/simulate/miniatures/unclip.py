"""unCLIP: the image model driven by CLIP image tokens instead of text, as MindEye2's is."""

from collections.abc import Callable

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.embeddings import get_timestep_embedding
from numpy.typing import NDArray
from transformers import CLIPImageProcessor, CLIPModel

from neurons.simulate.miniatures.data import IMAGE_PX, draw_frames, draw_scenes
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.text_to_image import draw_timesteps, new_scheduler, new_unet, velocity_batch
from neurons.simulate.miniatures.vae import encode

SIZE_WIDTH = 64
"""Width of the sinusoid of each of the four size and crop facts."""
DROP_PROBABILITY = 0.1
MAX_NOISE = 0.8
MIN_CONTRAST = 0.6


def size_and_crop(count: int) -> torch.Tensor:
    """Sinusoids of height and width (64 px) and of the crop's corner (0, 0): ``(count, 256)``."""
    facts = torch.tensor([IMAGE_PX, IMAGE_PX, 0, 0])
    return (
        get_timestep_embedding(facts, SIZE_WIDTH, flip_sin_to_cos=True, downscale_freq_shift=0)
        .flatten()
        .expand(count, -1)
    )


@torch.no_grad()
def image_tokens(
    clip: CLIPModel, processor: CLIPImageProcessor, frames: NDArray[np.uint8], batch: int = 128
) -> torch.Tensor:
    """Patch tokens after the final layer norm, without class token: ``(frames, tokens, width)`` float32, on the CPU."""
    tokens = []
    for start in range(0, len(frames), batch):
        pixels = processor(images=list(frames[start : start + batch]), return_tensors="pt")["pixel_values"]
        hidden = clip.vision_model(pixel_values=pixels.to(clip.device)).last_hidden_state[:, 1:]
        tokens.append(clip.vision_model.post_layernorm(hidden).cpu())
    return torch.cat(tokens)


def degrade_tokens(rng: np.random.Generator, tokens: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """Tokens as a brain decoder predicts them: noisy, and shrunk towards the mean token ``(tokens, width)``."""
    count = len(tokens)
    noise = torch.from_numpy(rng.uniform(0.0, MAX_NOISE, (count, 1, 1))).float() * tokens.std()
    contrast = torch.from_numpy(rng.uniform(MIN_CONTRAST, 1.0, (count, 1, 1))).float()
    kept = torch.from_numpy(rng.random((count, 1, 1)) >= DROP_PROBABILITY)
    return (mean + contrast * (tokens - mean) + noise * torch.randn_like(tokens)) * kept


def new_unclip(image_model: UNet2DConditionModel, width: int) -> UNet2DConditionModel:
    """U-Net with the weights of the image model, conditioned by tokens of so many channels, and by size and crop."""
    unet = new_unet(
        image_model.config.in_channels,
        width,
        class_embed_type="projection",
        projection_class_embeddings_input_dim=4 * SIZE_WIDTH,
    )
    unet.load_state_dict(image_model.state_dict(), strict=False)
    return unet.to(image_model.device)


def train_unclip(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    clip: CLIPModel,
    processor: CLIPImageProcessor,
    seed: int,
    steps: int,
    batch: int,
    frames: int,
    max_learning_rate: float,
    workers: int,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Train on tokens and latents of random frames of training scenes."""
    cv2.setNumThreads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pictures = draw_frames(rng, draw_scenes(rng, frames, "train"), workers)
    latents, tokens = encode(vae, pictures), image_tokens(clip, processor, pictures)
    mean = tokens.mean(dim=0)
    device = unet.device
    unet.train()
    scheduler, labels = new_scheduler(), size_and_crop(batch).to(device)

    def loss_of_step() -> torch.Tensor:
        chosen = torch.from_numpy(rng.integers(frames, size=batch))
        timesteps = draw_timesteps(batch, scheduler.config.num_train_timesteps).to(device)
        noisy, velocity = velocity_batch(scheduler, latents[chosen].to(device), timesteps)
        condition = degrade_tokens(rng, tokens[chosen], mean).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            predicted = unet(noisy, timesteps, encoder_hidden_states=condition, class_labels=labels).sample
        return torch.nn.functional.mse_loss(predicted.float(), velocity)

    rows = optimise(unet.parameters(), loss_of_step, steps, max_learning_rate, report)
    unet.eval()
    return rows
