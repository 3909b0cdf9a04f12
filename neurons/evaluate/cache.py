"""What frozen models saw in videos, kept by content: equal pixels and equal models are never looked at twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurons.artifacts import TensorFile, hash_bytes, hash_file, provenance, write_tensors
from neurons.console import logger
from neurons.evaluate.classifiers import describe_videos, models_of
from neurons.evaluate.settings import Evaluate


def describe_once(
    frames: np.ndarray, settings: Evaluate, device: torch.device, dtype: torch.dtype, folder: Path | None
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Features of videos, from the folder if they are there, else from the models and then put there.

    Parameters
    ----------
    frames
        uint8, RGB, shape (clips, frames, height, width, 3).
    folder
        Where features are kept; None: nowhere.

    Returns
    -------
    tuple
        The arrays of `describe_videos`, and the models by their key.
    """
    if folder is None:
        arrays, facts = describe_videos(frames, settings, device, dtype)
        return arrays, facts["models"]
    path = folder / f"{_key(frames, settings, device, dtype)}.safetensors"
    if path.exists():
        logger.info("features of %d clips are known: %s", len(frames), path)
        file = TensorFile(path)
        return {name: np.array(file[name]) for name in file.names}, file.metadata["models"]
    arrays, facts = describe_videos(frames, settings, device, dtype)
    rows = [f"clips:{index}" for index in range(len(frames))]
    write_tensors(path, arrays, provenance("evaluate videos", {}, facts["models"]), rows, **facts)
    return arrays, facts["models"]


def _key(frames: np.ndarray, settings: Evaluate, device: torch.device, dtype: torch.dtype) -> str:
    models = {}
    for name in models_of(settings):
        reference = getattr(settings, name)
        local = Path(reference.path)
        # A folder can change under its name, a revision of a hub cannot.
        models[name] = hash_file(local) if local.is_dir() else [reference.path, reference.revision]
    facts = [models, list(frames.shape), settings.batch_size, device.type, str(dtype)]
    return hash_bytes(json.dumps(facts, sort_keys=True).encode(), np.ascontiguousarray(frames).data)
