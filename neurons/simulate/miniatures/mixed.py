"""Further training of the video model on single frames and clips in turn.

Single frames show many more scenes for the same time than clips do, which is what shapes need. Which way things move
shows in a few frames of a clip already, so most steps show four frames of many clips; whole clips keep motion smooth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, UNetMotionModel
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.simulate.miniatures.data import draw_frames, draw_scenes
from neurons.simulate.miniatures.motion import FRAMES, ClipPool, FramePositions
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.text import VARIANTS, all_token_ids, training_prompts
from neurons.simulate.miniatures.text_to_image import draw_timesteps, new_scheduler, velocity_batch
from neurons.simulate.miniatures.vae import encode

SHOWN_FRAMES = (1, 4, 16)
SHOWN_PROBABILITY = (0.2, 0.6, 0.2)
NOISE_SHIFT_PER_DOUBLING = 0.4
"""Logits of the share of the noise schedule by which time steps rise with every doubling of the frames shown."""


@dataclass(frozen=True)
class Batch:
    """Clean latents ``(clips, channels, frames, height, width)``, token ids ``(clips, 32)``, positions ``(frames,)``."""

    latents: torch.Tensor
    token_ids: torch.Tensor
    positions: torch.Tensor


class MixedBatches:
    """Batches of so many frames: of as many scenes, or of clips with all or some of their frames."""

    def __init__(
        self,
        clips: ClipPool,
        vae: AutoencoderKL,
        tokenizer: CLIPTokenizer,
        rng: np.random.Generator,
        frames: int,
        frames_per_step: int,
        workers: int,
    ) -> None:
        scenes = draw_scenes(rng, frames, "train")
        with torch.autocast(vae.device.type, torch.bfloat16):
            latents = encode(vae, draw_frames(rng, scenes, workers)).float()
        self._stills = ClipPool(
            clips.frames[:0],
            latents[:, :, None],
            all_token_ids(tokenizer, training_prompts(rng, scenes)),
        )
        self.clips = clips
        self._rng = rng
        self._frames_per_step = frames_per_step

    def draw(self) -> Batch:
        """One random batch."""
        shown = int(self._rng.choice(SHOWN_FRAMES, p=SHOWN_PROBABILITY))
        count = self._frames_per_step // shown
        pool = self._stills if shown == 1 else self.clips
        rows = torch.from_numpy(self._rng.integers(len(pool.latents), size=count))
        variant = torch.from_numpy(self._rng.integers(VARIANTS, size=count))
        positions = torch.from_numpy(np.sort(self._rng.choice(FRAMES, shown, replace=False)))
        frames = torch.zeros(1, dtype=torch.long) if shown == 1 else positions
        return Batch(pool.latents[rows][:, :, frames], pool.token_ids[rows, variant], positions)


def train_mixed(
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    batches: MixedBatches,
    steps: int,
    max_learning_rate: float,
    report: Callable[[LogRow], None],
    snapshot: Callable[[list[LogRow]], None],
) -> list[LogRow]:
    """Train all weights of a video model and its text encoder further."""
    scheduler = new_scheduler()
    frame_positions, device = FramePositions(model), model.device
    model.train()
    text_encoder.train()

    def loss_of_step() -> torch.Tensor:
        batch = batches.draw()
        frame_positions.set(batch.positions)
        shift = NOISE_SHIFT_PER_DOUBLING * math.log2(len(batch.positions))
        timesteps = draw_timesteps(len(batch.latents), scheduler.config.num_train_timesteps, shift).to(device)
        noisy, velocity = velocity_batch(scheduler, batch.latents.to(device), timesteps)
        with torch.autocast(device.type, torch.bfloat16):
            text = text_encoder(batch.token_ids.to(device)).last_hidden_state
            text = text.repeat_interleave(len(batch.positions), dim=0)
            predicted = model(noisy, timesteps, encoder_hidden_states=text).sample
        return torch.nn.functional.mse_loss(predicted.float(), velocity)

    def snapshot_of_all_positions(rows: list[LogRow]) -> None:
        frame_positions.reset()
        snapshot(rows)

    parameters = [*model.parameters(), *text_encoder.parameters()]
    rows = optimise(parameters, loss_of_step, steps, max_learning_rate, report, snapshot_of_all_positions)
    frame_positions.reset()
    model.eval()
    text_encoder.eval()
    return rows
