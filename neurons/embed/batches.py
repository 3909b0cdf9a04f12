"""Long arrays through a model, a few rows at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from neurons.console import track


@torch.inference_mode()
def map_frames(
    frames: np.ndarray, batch_size: int, embed: Callable[[np.ndarray], dict[str, torch.Tensor]]
) -> dict[str, np.ndarray]:
    """Features of all frames of all clips, as half-precision arrays.

    Only `batch_size` frames are read and on the device at a time.

    Parameters
    ----------
    frames
        uint8, shape (n, F, H, W, 3); may be memory-mapped.
    batch_size
        Frames per call.
    embed
        From frames (b, H, W, 3) to named features, each of shape (b, ...); a frame's features must not
        depend on the other frames.

    Returns
    -------
    dict
        float16 arrays of shape (n, F, ...).
    """
    clips, per_clip = frames.shape[:2]
    flat = frames.reshape(clips * per_clip, *frames.shape[2:])
    results: dict[str, np.ndarray] = {}
    for start in track(range(0, len(flat), batch_size), "batches"):
        part = slice(start, start + batch_size)
        for name, values in embed(np.array(flat[part])).items():
            if name not in results:
                results[name] = np.empty((len(flat), *values.shape[1:]), np.float16)
            results[name][part] = values.float().cpu().numpy()
    return {name: values.reshape(clips, per_clip, *values.shape[1:]) for name, values in results.items()}
