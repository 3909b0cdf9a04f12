"""Training material of the miniatures: frames and clips of random scenes of the procedural world."""

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from neurons.simulate.captions import caption
from neurons.simulate.render import render
from neurons.simulate.world import MAX_DURATION_S, MIN_DURATION_S, Scene, combinations, sample_scene

IMAGE_PX = 64
CLIP_DURATION_S = 2.0

Part = Literal["train", "test"]


def draw_scenes(rng: np.random.Generator, count: int, part: Part) -> list[Scene]:
    """Random scenes of 2 to 8 s whose combinations belong to the training or to the test movies."""
    allowed = combinations(part)
    chosen = rng.integers(len(allowed), size=count)
    durations = rng.uniform(MIN_DURATION_S, MAX_DURATION_S, size=count)
    return [
        sample_scene(rng, allowed[index], float(duration))
        for index, duration in zip(chosen, durations, strict=True)
    ]


def draw_frames(rng: np.random.Generator, scenes: list[Scene], workers: int = 1) -> NDArray[np.uint8]:
    """One frame of each scene at a random moment, ``(scenes, 64, 64, 3)`` uint8 RGB; `workers` processes draw."""
    moments = [[float(rng.uniform(0.0, scene.duration_s))] for scene in scenes]
    return _rendered(scenes, moments, workers)[:, 0]


def draw_clips(
    rng: np.random.Generator, scenes: list[Scene], frames: int, workers: int = 1
) -> NDArray[np.uint8]:
    """``frames`` equally spaced frames of 2 s at a random place of each scene; `workers` processes draw.

    Returns
    -------
    ndarray, (scenes, frames, 64, 64, 3) uint8
        RGB; frame ``i`` shows the moment ``start + 2 s * i / frames``.
    """
    starts = [float(rng.uniform(0.0, scene.duration_s - CLIP_DURATION_S)) for scene in scenes]
    moments = [(start + CLIP_DURATION_S * np.arange(frames) / frames).tolist() for start in starts]
    return _rendered(scenes, moments, workers)


def _rendered(scenes: list[Scene], moments: list[list[float]], workers: int) -> NDArray[np.uint8]:
    if workers == 1:
        return _stacked(map(_at_moments, scenes, moments), len(scenes), len(moments[0]))
    with ProcessPoolExecutor(workers) as pool:
        return _stacked(pool.map(_at_moments, scenes, moments, chunksize=64), len(scenes), len(moments[0]))


def _stacked(clips: Iterable[NDArray[np.uint8]], count: int, frames: int) -> NDArray[np.uint8]:
    pictures = np.empty((count, frames, IMAGE_PX, IMAGE_PX, 3), np.uint8)
    for place, clip in enumerate(clips):
        pictures[place] = clip
    return pictures


def _at_moments(scene: Scene, moments: list[float]) -> NDArray[np.uint8]:
    return np.stack(list(map(render, repeat(scene), moments, repeat(IMAGE_PX, len(moments)))))


def captions(scenes: list[Scene]) -> list[str]:
    """Captions of scenes."""
    return [caption(scene) for scene in scenes]


def to_tensor(frames: NDArray[np.uint8]) -> torch.Tensor:
    """Frames ``(..., height, width, 3)`` uint8 as ``(..., 3, height, width)`` float32 in [-1, 1]."""
    return torch.from_numpy(np.moveaxis(frames, -1, -3).copy()).float().div_(127.5).sub_(1.0)


def to_frames(pixels: torch.Tensor) -> NDArray[np.uint8]:
    """Inverse of :func:`to_tensor` (values are clipped and rounded)."""
    levels = pixels.detach().float().cpu().add(1.0).mul(127.5).clamp(0, 255).round().to(torch.uint8)
    return np.moveaxis(levels.numpy(), -3, -1)


def psnr_db(truth: NDArray[np.uint8], estimate: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio of each image, ``(images,)`` dB, for uint8 images ``(images, height, width, 3)``."""
    error = np.square(truth.astype(np.float64) - estimate.astype(np.float64)).mean(axis=(1, 2, 3))
    return 10 * np.log10(255.0**2 / np.maximum(error, 1e-12))


def blur(frame: NDArray[np.uint8], sigma_px: float) -> NDArray[np.uint8]:
    """Gaussian blur of one frame."""
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), sigma_px), np.uint8)
