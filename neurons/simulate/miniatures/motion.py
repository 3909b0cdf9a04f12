"""The video model: the image model with motion modules, trained on clips of 16 frames in 2 s."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from numpy.typing import NDArray
from torch import nn
from transformers import CLIPTextModel

from neurons.simulate.miniatures.data import draw_clips, draw_scenes
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.text import VARIANTS, training_prompts
from neurons.simulate.miniatures.text_to_image import CHANNELS, GROUPS, HEADS, new_scheduler, velocity_batch
from neurons.simulate.miniatures.vae import encode

FRAMES = 16
MAX_FRAMES = 32
HALF_PROBABILITY = 0.6
"""Share of steps that show half of the frames."""


@dataclass(frozen=True)
class ClipPool:
    """Training clips.

    ``frames`` uint8 ``(clips, 16, 64, 64, 3)``; ``latents`` float32 ``(clips, channels, 16, 8, 8)``; ``token_ids``
    int64 ``(clips, 4, 32)``: several prompts for each.
    """

    frames: NDArray[np.uint8]
    latents: torch.Tensor
    token_ids: torch.Tensor

    def __len__(self) -> int:
        return len(self.frames)


def draw_pool(
    vae: AutoencoderKL, rng: np.random.Generator, clips: int, workers: int
) -> tuple[NDArray[np.uint8], torch.Tensor, list[list[str]]]:
    """Frames and latents of clips of random training scenes, as in `ClipPool`, and four prompts for each."""
    scenes = draw_scenes(rng, clips, "train")
    frames = draw_clips(rng, scenes, FRAMES, workers)
    with torch.autocast(vae.device.type, torch.bfloat16):
        latents = encode(vae, frames.reshape(-1, *frames.shape[2:])).float()
    latents = latents.unflatten(0, frames.shape[:2]).transpose(1, 2).contiguous()
    return frames, latents, training_prompts(rng, scenes)


def with_motion(unet: UNet2DConditionModel) -> UNetMotionModel:
    """The image model with untrained motion modules."""
    adapter = MotionAdapter(
        block_out_channels=CHANNELS,
        motion_layers_per_block=1,
        motion_num_attention_heads=HEADS,
        motion_norm_num_groups=GROUPS,
        motion_max_seq_length=MAX_FRAMES,
    )
    model = UNetMotionModel.from_unet2d(unet, adapter)
    model.set_attn_processor(AttnProcessor())
    return model


def split(model: UNetMotionModel, unet: UNet2DConditionModel) -> tuple[UNet2DConditionModel, MotionAdapter]:
    """The parts that are stored apart: weights of single frames, put into ``unet``, and motion modules."""
    weights = {name: value.cpu() for name, value in model.state_dict().items()}
    unet.load_state_dict({name: value for name, value in weights.items() if "motion_modules" not in name})
    adapter = MotionAdapter(
        block_out_channels=CHANNELS,
        motion_layers_per_block=1,
        motion_num_attention_heads=HEADS,
        motion_norm_num_groups=GROUPS,
        motion_max_seq_length=MAX_FRAMES,
    )
    adapter.load_state_dict({name: value for name, value in weights.items() if "motion_modules" in name})
    return unet, adapter


class FramePositions:
    """Lets a network see some frames of a clip as if it saw all: sets which positions its frames have."""

    def __init__(self, model: nn.Module) -> None:
        self._modules = [
            module for module in model.modules() if isinstance(module, SinusoidalPositionalEmbedding)
        ]
        self._tables = [module.pe for module in self._modules]

    def set(self, positions: torch.Tensor) -> None:
        """Give the frames of the next calls these positions, ``(frames,)`` int64."""
        for module, table in zip(self._modules, self._tables, strict=True):
            module.pe = table[:, positions]

    def reset(self) -> None:
        """Number frames from 0 again."""
        for module, table in zip(self._modules, self._tables, strict=True):
            module.pe = table


def train_video_model(
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    pool: ClipPool,
    seed: int,
    steps: int,
    batch: int,
    max_learning_rate: float,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Train motion modules, frame weights and text encoder together.

    The frame weights learn too, because what distinguishes "left" from "right" was never in single frames. Some steps
    show all frames of ``batch`` clips, others half of the frames of twice as many clips, which tells as much about
    motion at the same cost.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    scheduler = new_scheduler()
    positions, device = FramePositions(model), model.device
    model.train()
    text_encoder.train()

    def loss_of_step() -> torch.Tensor:
        parts = 2 if rng.random() < HALF_PROBABILITY else 1
        shown = torch.from_numpy(np.sort(rng.choice(FRAMES, FRAMES // parts, replace=False)))
        positions.set(shown)
        chosen = torch.from_numpy(rng.integers(len(pool), size=batch * parts))
        variant = torch.from_numpy(rng.integers(VARIANTS, size=batch * parts))
        timesteps = torch.randint(scheduler.config.num_train_timesteps, (batch * parts,)).to(device)
        noisy, velocity = velocity_batch(scheduler, pool.latents[chosen][:, :, shown].to(device), timesteps)
        with torch.autocast(device.type, torch.bfloat16):
            text = text_encoder(pool.token_ids[chosen, variant].to(device)).last_hidden_state
            text = text.repeat_interleave(len(shown), dim=0)
            predicted = model(noisy, timesteps, encoder_hidden_states=text).sample
        return torch.nn.functional.mse_loss(predicted.float(), velocity)

    rows = optimise(
        [*model.parameters(), *text_encoder.parameters()], loss_of_step, steps, max_learning_rate, report
    )
    positions.reset()
    model.eval()
    text_encoder.eval()
    return rows
