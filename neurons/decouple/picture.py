"""The early look: what the trained decoupler says about a few held-out clips, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from diffusers import AutoencoderKL
from matplotlib.figure import Figure
from numpy.typing import NDArray

from neurons.artifacts import atomic
from neurons.loading import load_pretrained
from neurons.sections import Model

matplotlib.use("Agg")

ROWS = ("video", "key object", "key object, decoded", "blurry video, decoded")


def decode_latents(latents: NDArray[np.float32], vae: Model) -> NDArray[np.uint8]:
    """Frames uint8 (n, F, H, W, 3) of stored VAE latents (n, F, c, h, w)."""
    decoder = load_pretrained(AutoencoderKL, vae, "embed.vae").float().eval()
    shift = decoder.config.shift_factor or 0.0
    flat = torch.from_numpy(latents).float().flatten(0, 1) / decoder.config.scaling_factor + shift
    with torch.no_grad():
        images = decoder.decode(flat).sample
    pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
    return pixels.unflatten(0, latents.shape[:2]).numpy()


def early_look(
    path: Path,
    clip_ids: Sequence[str],
    frames: NDArray[np.uint8],
    masks: tuple[NDArray[np.uint8], NDArray[np.float32]],
    blurry: NDArray[np.uint8],
    captions: tuple[Sequence[str], Sequence[str]],
    title: str,
) -> None:
    """Draw first, middle and last frame of each clip: truth above, decoded below.

    Parameters
    ----------
    frames, blurry
        (n, F, H, W, 3).
    masks
        True and decoded, (n, F, h, w).
    captions
        True and decoded.
    """
    count = len(clip_ids)
    shown = np.unique([0, frames.shape[1] // 2, frames.shape[1] - 1])
    figure = Figure(figsize=(1.1 * len(shown) * count + 1, 6), layout="constrained")
    figure.suptitle(title)
    axes = figure.subplots(len(ROWS), count, squeeze=False)
    for column, identity in enumerate(clip_ids):
        strips = (frames[column], masks[0][column], masks[1][column], blurry[column])
        for row, strip in enumerate(strips):
            axis = axes[row, column]
            limits = {"cmap": "gray", "vmin": 0, "vmax": 1} if strip.ndim == 3 else {}
            axis.imshow(np.concatenate(list(strip[shown]), axis=1), **limits)
            axis.set(xticks=[], yticks=[])
        axes[0, column].set_title(f"{identity}\n{_wrapped(captions[0][column])}", fontsize=7)
        axes[-1, column].set_xlabel(f"decoded: {_wrapped(captions[1][column])}", fontsize=7)
    for row, name in enumerate(ROWS):
        axes[row, 0].set_ylabel(name, fontsize=7)
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=110, metadata={"Software": None})


def _wrapped(text: str, width: int = 34) -> str:
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join([*lines, line])
