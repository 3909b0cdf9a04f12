"""Aggregated reconstruction: decoded outputs of clips to their videos (NEURONS, section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurons.reconstruct.emphasis import emphasise, resize
from neurons.reconstruct.latents import to_frames, to_latents
from neurons.reconstruct.offload import runs_on
from neurons.reconstruct.settings import Reconstruct, Video
from neurons.reconstruct.timing import frame_times, nearest, source_frame
from neurons.reconstruct.video_model import VideoModel


@dataclass(frozen=True)
class ClipTiming:
    """Length of a clip (s) and where in their intervals the cut frames lie (`neurons.config.Cut.phase`)."""

    clip_s: float
    phase: float


@dataclass(frozen=True)
class Decoded:
    """Decoded outputs of a batch of clips.

    Attributes
    ----------
    prompts, seeds
        One per clip.
    masks
        float32 (B, F, h, w) probabilities.
    latents
        float32 (B, F, c, hl, wl) blurry video.
    controls
        float32 (B, 3, H, W) in [0, 1].
    """

    prompts: Sequence[str]
    seeds: Sequence[int]
    masks: Tensor
    latents: Tensor
    controls: Tensor


@dataclass(frozen=True)
class Videos:
    """Videos of a batch, float32 in [0, 1]: ``frames`` (B, T, 3, H, W) and the blurry video (B, F, 3, h, w)."""

    frames: Tensor
    blurry: Tensor


@torch.inference_mode()
def reconstruct(decoded: Decoded, model: VideoModel, settings: Reconstruct, timing: ClipTiming) -> Videos:
    """Emphasise, interpolate in time, sample, decode.

    The blurry video's F frames are brought to the times of the video's frames by linear interpolation of latents, each
    frame at its own time in the clip. The control image shows the middle cut frame (`source_frame`).
    """
    video = settings.video
    count = decoded.latents.shape[1]
    cut_times = frame_times(count, timing.clip_s, timing.phase)
    times = frame_times(video.frames, timing.clip_s)
    middle = source_frame(count)
    control_frame = guided_frame(video, times, cut_times[middle])
    device = runs_on(model.unet)
    masks = decoded.masks.to(device)
    blurry = to_frames(model.vae, decoded.latents)
    start = emphasised_blurry(decoded.latents.to(device), blurry, masks, model, settings)
    controls = emphasised_controls(decoded.controls.to(device), masks[:, middle], model, settings)
    latents = model.sample(
        decoded.prompts, controls, control_frame, interpolate(start, cut_times, times), decoded.seeds, video
    )
    return Videos(to_frames(model.vae, latents), blurry)


def guided_frame(video: Video, times: np.ndarray, time_s: float) -> int:
    """The frame that the control image guides; `times` (T,) are those of the frames, `time_s` that of the control image."""
    if isinstance(video.control_frame, int):
        return video.control_frame
    return 0 if video.control_frame == "first" else nearest(times, time_s)


def emphasised_blurry(
    latents: Tensor, pixels: Tensor, masks: Tensor, model: VideoModel, settings: Reconstruct
) -> Tensor:
    """Latents of the blurry video at the video model's size, with the background dimmed in pixels or latents.

    Parameters
    ----------
    latents, pixels
        The blurry video (B, F, c, h, w), and decoded (B, F, 3, H, W).
    masks
        (B, F, h, w).
    """
    size = model.frame_size(settings.video)
    in_pixels = settings.mask_space == "pixel" and settings.mask_floor < 1
    if in_pixels or tuple(pixels.shape[-2:]) != size:
        resized = resize(pixels.flatten(0, 1), size).unflatten(0, pixels.shape[:2])
        latents = to_latents(model.vae, emphasise(resized, masks, settings.mask_floor if in_pixels else 1.0))
    return latents if in_pixels else emphasise(latents, masks, settings.mask_floor)


def emphasised_controls(images: Tensor, masks: Tensor, model: VideoModel, settings: Reconstruct) -> Tensor:
    """Control images (B, 3, H, W) at the video model's size, with the background dimmed; `masks` (B, h, w)."""
    images = resize(images, model.frame_size(settings.video))
    if settings.mask_floor == 1:
        return images
    if settings.mask_space == "pixel":
        return emphasise(images, masks, settings.mask_floor)
    return to_frames(model.vae, emphasise(to_latents(model.vae, images), masks, settings.mask_floor))


def interpolate(frames: Tensor, from_times: np.ndarray, to_times: np.ndarray) -> Tensor:
    """Frames at other times, linear between neighbours and constant beyond the ends.

    Parameters
    ----------
    frames
        (B, F, ...), shown at `from_times` (F,), which increase.
    to_times
        (T,), in the same unit.

    Returns
    -------
    Tensor
        (B, T, ...).
    """
    identity = np.eye(len(from_times))
    weights = np.stack([np.interp(to_times, from_times, row) for row in identity], axis=1)
    return torch.einsum("tf,bf...->bt...", torch.from_numpy(weights).to(frames), frames)
