"""Further training of the video model on single frames and clips in turn.

Single frames show many more scenes for the same time than clips do, which is what shapes need; clips keep motion.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, UNetMotionModel
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.simulate.miniatures.data import draw_frames, draw_scenes
from neurons.simulate.miniatures.motion import FRAMES, ClipPool, FramePositions
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.text import VARIANTS, training_token_ids
from neurons.simulate.miniatures.text_to_image import draw_timesteps, new_scheduler, velocity_batch
from neurons.simulate.miniatures.vae import encode

SHOWN_FRAMES = (1, 8, 16)
SHOWN_PROBABILITY = (0.35, 0.4, 0.25)
CLIP_NOISE_SHIFT = 0.8
IMAGES_PER_STEP = 64


@dataclass(frozen=True)
class Batch:
    """Clean latents ``(clips, channels, frames, height, width)``, token ids ``(clips, 32)``, positions ``(frames,)``."""

    latents: torch.Tensor
    token_ids: torch.Tensor
    positions: torch.Tensor


class MixedBatches:
    """Batches of 64 frames: of as many scenes, or of clips with all or half of their frames."""

    def __init__(
        self,
        clips: ClipPool,
        vae: AutoencoderKL,
        tokenizer: CLIPTokenizer,
        rng: np.random.Generator,
        frames: int,
    ) -> None:
        scenes = draw_scenes(rng, frames, "train")
        with torch.autocast("cpu", torch.bfloat16):
            latents = encode(vae, draw_frames(rng, scenes)).float()
        self._stills = ClipPool(
            clips.frames[:0],
            latents[:, :, None],
            torch.from_numpy(training_token_ids(rng, tokenizer, scenes)),
        )
        self._clips = clips
        self._rng = rng

    def draw(self) -> Batch:
        """One random batch."""
        shown = int(self._rng.choice(SHOWN_FRAMES, p=SHOWN_PROBABILITY))
        count = IMAGES_PER_STEP // shown
        pool = self._stills if shown == 1 else self._clips
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
    frame_positions = FramePositions(model)
    model.train()
    text_encoder.train()

    def loss_of_step() -> torch.Tensor:
        batch = batches.draw()
        frame_positions.set(batch.positions)
        shift = CLIP_NOISE_SHIFT if len(batch.positions) > 1 else 0.0
        timesteps = draw_timesteps(len(batch.latents), scheduler.config.num_train_timesteps, shift)
        noisy, velocity = velocity_batch(scheduler, batch.latents, timesteps)
        with torch.autocast("cpu", torch.bfloat16):
            text = text_encoder(batch.token_ids).last_hidden_state
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
