"""Further training of the video model on single frames and clips in turn, alone or together with sparse control.

Single frames show many more scenes for the same time than clips do, which is what shapes need. Which way things move
shows in a few frames of a clip already, so many steps show four frames of many clips. What stands still must stand still in
all frames of a video, which only whole clips teach, at all levels of noise.
A video model that never met a control picture's residuals copies it roughly, however long the network beside it learns; half
of the steps with sparse control therefore train both, and the others keep the model able to go without.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import AutoencoderKL, SparseControlNetModel, UNetMotionModel
from numpy.typing import NDArray
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.simulate.miniatures.data import draw_frames, draw_scenes
from neurons.simulate.miniatures.motion import FRAMES, ClipPool, FramePositions
from neurons.simulate.miniatures.optimise import LogRow, optimise
from neurons.simulate.miniatures.sparse_control import control_input
from neurons.simulate.miniatures.text import VARIANTS, all_token_ids, training_prompts
from neurons.simulate.miniatures.text_to_image import draw_timesteps, new_scheduler, velocity_batch
from neurons.simulate.miniatures.vae import encode

SHOWN_FRAMES = (1, 4, 16)
SHOWN_PROBABILITY = (0.15, 0.35, 0.5)
WITHOUT_GUIDE_PROBABILITY = 0.5
NOISE_SHIFT_PER_DOUBLING = 0.15
"""Logits of the share of the noise schedule by which time steps rise with every doubling of the frames shown."""


@dataclass(frozen=True)
class Batch:
    """Some frames of some clips.

    ``frames`` uint8 ``(clips, frames, 64, 64, 3)``, their clean ``latents`` ``(clips, channels, frames, height, width)``,
    ``token_ids`` ``(clips, 32)`` and ``positions`` ``(frames,)``.
    """

    frames: NDArray[np.uint8]
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
        drawn = draw_frames(rng, scenes, workers)
        with torch.autocast(vae.device.type, torch.bfloat16):
            latents = encode(vae, drawn).float()
        self._stills = ClipPool(
            drawn[:, None],
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
        return Batch(
            pool.frames[rows.numpy()][:, frames.numpy()],
            pool.latents[rows][:, :, frames],
            pool.token_ids[rows, variant],
            positions,
        )


class Guide:
    """Sparse control beside the video model: guides half of the steps with pictures of a frame of each clip."""

    def __init__(self, control: SparseControlNetModel, rng: np.random.Generator) -> None:
        self.control = control
        self._rng = rng
        self._frame_positions = FramePositions(control)

    def residuals(
        self, batch: Batch, noisy: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor
    ) -> dict[str, object]:
        """What the video model is given beside its inputs."""
        if self._rng.random() < WITHOUT_GUIDE_PROBABILITY:
            return {}
        self._frame_positions.set(batch.positions)
        clips, shown = batch.frames.shape[:2]
        at = np.asarray(self._rng.integers(shown, size=clips))
        given = control_input(self._rng, batch.frames, at, noisy.device)
        down, middle = self.control(noisy, timesteps, encoder_hidden_states=text, return_dict=False, **given)
        self._frame_positions.reset()
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def train_mixed(
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    batches: MixedBatches,
    steps: int,
    max_learning_rate: float,
    report: Callable[[LogRow], None],
    snapshot: Callable[[list[LogRow]], None],
    guide: Guide | None = None,
) -> list[LogRow]:
    """Train all weights of a video model and its text encoder further, and those of sparse control with them."""
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
            extra = guide.residuals(batch, noisy, timesteps, text) if guide else {}
            predicted = model(noisy, timesteps, encoder_hidden_states=text, **extra).sample
        return torch.nn.functional.mse_loss(predicted.float(), velocity)

    def snapshot_of_all_positions(rows: list[LogRow]) -> None:
        frame_positions.reset()
        snapshot(rows)

    parameters = [*model.parameters(), *text_encoder.parameters()]
    if guide:
        parameters += list(guide.control.parameters())
    rows = optimise(parameters, loss_of_step, steps, max_learning_rate, report, snapshot_of_all_positions)
    frame_positions.reset()
    model.eval()
    text_encoder.eval()
    return rows
