"""Sparse control: makes the video model show a given picture at a given frame."""

import copy
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, SparseControlNetModel, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from torch import nn
from transformers import CLIPTextModel

from neurons.simulate.miniatures.data import IMAGE_PX, blur, draw_frames, draw_scenes
from neurons.simulate.miniatures.motion import FRAMES, HALF_PROBABILITY, MAX_FRAMES, ClipPool, FramePositions
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.text import VARIANTS
from neurons.simulate.miniatures.text_to_image import GROUPS, HEADS, new_scheduler, velocity_batch
from neurons.simulate.miniatures.vae import encode

EMBEDDING_CHANNELS = (16, 32, 64, 64)
NO_PICTURE_PROBABILITY = 0.1
FLAW_PROBABILITY = 0.3
"""Share of control pictures with each flaw that generated pictures have: blur, noise, a dimmed background."""


def new_control_network(unet: UNet2DConditionModel) -> SparseControlNetModel:
    """Control network with the image model's weights, which reads RGB pictures in [0, 1] and their frame mask.

    The variant that reads latents ("simplified" embedding) is not used, since diffusers' pipeline for it supports
    four latent channels only.
    """
    config = unet.config
    control = SparseControlNetModel(
        in_channels=config.in_channels,
        conditioning_channels=3,
        down_block_types=tuple(
            "CrossAttnDownBlockMotion" if "CrossAttn" in name else "DownBlockMotion"
            for name in config.down_block_types
        ),
        block_out_channels=tuple(config.block_out_channels),
        layers_per_block=config.layers_per_block,
        norm_num_groups=GROUPS,
        cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=HEADS,
        num_attention_heads=HEADS,
        conditioning_embedding_out_channels=EMBEDDING_CHANNELS,
        motion_max_seq_length=MAX_FRAMES,
        motion_num_attention_heads=HEADS,
        use_simplified_condition_embedding=False,
    )
    control.load_state_dict(unet.state_dict(), strict=False)
    control.set_attn_processor(AttnProcessor())
    return control


def pictures_01(frames: NDArray[np.uint8]) -> torch.Tensor:
    """Frames ``(n, height, width, 3)`` uint8 as ``(n, 3, height, width)`` in [0, 1]."""
    return torch.from_numpy(np.moveaxis(frames, -1, 1).copy()).float() / 255


def flawed(rng: np.random.Generator, frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A control picture as decoders make it: at random blurred, noisy, or darker away from the middle."""
    picture = frame
    if rng.random() < FLAW_PROBABILITY:
        picture = blur(picture, float(rng.uniform(0.4, 1.5)))
    levels = picture.astype(np.float32)
    if rng.random() < FLAW_PROBABILITY:
        levels = levels + cv2.GaussianBlur(rng.normal(0, 40, levels.shape).astype(np.float32), (0, 0), 1.5)
    if rng.random() < FLAW_PROBABILITY:
        x, y, radius = rng.uniform(0.25, 0.75), rng.uniform(0.25, 0.75), rng.uniform(0.2, 0.35)
        grid = (np.arange(IMAGE_PX, dtype=np.float32) + 0.5) / IMAGE_PX
        near = (np.square(grid[None] - x) + np.square(grid[:, None] - y) < radius**2).astype(np.float32)
        soft = cv2.GaussianBlur(near, (0, 0), 3)
        floor = rng.uniform(0.5, 1.0)
        levels = levels * (floor + (1 - floor) * soft)[..., None]
    return np.clip(levels, 0, 255).astype(np.uint8)


def teach_embedding(
    control: SparseControlNetModel,
    vae: AutoencoderKL,
    rng: np.random.Generator,
    frames: int,
    steps: int,
    workers: int,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Train the picture embedding first to tell the latents of the picture, from which the rest learns quickly.

    A linear layer, dropped afterwards, reads the latents from the embedding.
    """
    pictures = draw_frames(rng, draw_scenes(rng, frames, "train"), workers)
    latents = encode(vae, pictures)
    embedding = control.controlnet_cond_embedding
    nn.init.kaiming_normal_(embedding.conv_out.weight, nonlinearity="linear")
    device = control.device
    readout = nn.Conv2d(embedding.conv_out.out_channels, latents.shape[1], 1).to(device)

    def loss_of_step() -> torch.Tensor:
        chosen = rng.integers(frames, size=32)
        shown = pictures_01(np.stack([flawed(rng, pictures[index]) for index in chosen])).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            told = readout(embedding(torch.cat([shown, torch.ones_like(shown[:, :1])], dim=1)))
        return nn.functional.mse_loss(told.float(), latents[torch.from_numpy(chosen)].to(device))

    return optimise([*embedding.parameters(), *readout.parameters()], loss_of_step, steps, 2e-3, report)


class BlankOnce(nn.Module):
    """Picture embedding that computes the embedding of blank frames, most of a sparse input, once only."""

    def __init__(self, embedding: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Embeddings of pictures with their mask ``(n, 4, height, width)``."""
        given = pictures.flatten(1).any(dim=1)
        embedded = self.embedding(torch.cat([torch.zeros_like(pictures[:1]), pictures[given]]))
        rows = torch.zeros(len(pictures), dtype=torch.long, device=pictures.device)
        rows[given] = torch.arange(1, len(embedded), device=pictures.device)
        return torch.as_tensor(embedded[rows])


def save(control: SparseControlNetModel, embedding: nn.Module, folder: Path) -> None:
    """Write a control network (float16) with the given picture embedding in its place."""
    whole = copy.deepcopy(control)
    whole.controlnet_cond_embedding = copy.deepcopy(embedding)
    whole.register_to_config(_name_or_path="")  # else the folder that it was loaded from
    whole.cpu().half().save_pretrained(folder)


def draw_positions(rng: np.random.Generator) -> tuple[torch.Tensor, int]:
    """Frames of a training step, all or half of them, and which of them shows the control picture.

    That is the first frame of the clip, one near the middle, or any, equally often.
    """
    near_middle, anywhere = int(rng.integers(FRAMES // 2 - 1, FRAMES // 2 + 2)), int(rng.integers(FRAMES))
    at = int(rng.choice([0, near_middle, anywhere]))
    if rng.random() >= HALF_PROBABILITY:
        return torch.arange(FRAMES), at
    others = rng.choice(np.delete(np.arange(FRAMES), at), FRAMES // 2 - 1, replace=False)
    positions = np.sort(np.append(others, at))
    return torch.from_numpy(positions), int(np.searchsorted(positions, at))


def control_input(
    rng: np.random.Generator, frames: NDArray[np.uint8], at: NDArray[np.int64], device: torch.device
) -> dict[str, torch.Tensor]:
    """What the network is given: of each clip a flawed picture of one frame, or, one time in ten, nothing.

    Parameters
    ----------
    rng : Generator
        Of the flaws.
    frames : ndarray, (clips, frames, 64, 64, 3) uint8
        Frames of the clips.
    at : ndarray, (clips,)
        Which frame's picture is given.
    device : torch.device
        Where the network is.

    Returns
    -------
    dict
        ``controlnet_cond`` ``(clips, 3, frames, 64, 64)`` in [0, 1], 0 elsewhere, and its ``conditioning_mask``
        ``(clips, 1, frames, 64, 64)``.
    """
    picture = torch.zeros(len(frames), 3, frames.shape[1], IMAGE_PX, IMAGE_PX)
    shown = torch.zeros_like(picture[:, :1])
    for row, frame in enumerate(at):
        if rng.random() >= NO_PICTURE_PROBABILITY:
            picture[row, :, frame] = pictures_01(flawed(rng, frames[row, frame])[None])[0]
            shown[row, :, frame] = 1.0
    return {"controlnet_cond": picture.to(device), "conditioning_mask": shown.to(device)}


def train_control(
    control: SparseControlNetModel,
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    pool: ClipPool,
    rng: np.random.Generator,
    steps: int,
    batch: int,
    max_learning_rate: float,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Train the control network beside the frozen video model, on all or half of the frames of each clip."""
    scheduler = new_scheduler()
    frame_positions, device = (FramePositions(model), FramePositions(control)), control.device
    model.eval().requires_grad_(False)
    text_encoder.eval().requires_grad_(False)
    control.train()
    embedding = control.controlnet_cond_embedding
    control.controlnet_cond_embedding = BlankOnce(embedding)

    def loss_of_step() -> torch.Tensor:
        positions, at = draw_positions(rng)
        for of_network in frame_positions:
            of_network.set(positions)
        chosen = rng.integers(len(pool), size=batch)
        variant = torch.from_numpy(rng.integers(VARIANTS, size=batch))
        timesteps = torch.randint(scheduler.config.num_train_timesteps, (batch,)).to(device)
        rows = torch.from_numpy(chosen)
        noisy, velocity = velocity_batch(scheduler, pool.latents[rows][:, :, positions].to(device), timesteps)
        shown = pool.frames[chosen][:, positions.numpy()]
        given = control_input(rng, shown, np.full(batch, at), device)
        with torch.autocast(device.type, torch.bfloat16):
            text = text_encoder(pool.token_ids[rows, variant].to(device)).last_hidden_state
            text = text.repeat_interleave(len(positions), dim=0)
            down, middle = control(noisy, timesteps, encoder_hidden_states=text, return_dict=False, **given)
            predicted = model(
                noisy,
                timesteps,
                encoder_hidden_states=text,
                down_block_additional_residuals=down,
                mid_block_additional_residual=middle,
            ).sample
        return nn.functional.mse_loss(predicted.float(), velocity)

    log = optimise(control.parameters(), loss_of_step, steps, max_learning_rate, report)
    control.controlnet_cond_embedding = embedding
    for of_network in frame_positions:
        of_network.reset()
    control.eval()
    return log
