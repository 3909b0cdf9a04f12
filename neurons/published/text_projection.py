"""The projection of mean image tokens to CLIP's text space that NeuroClips and NEURONS keep frozen, as a file of its own."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from neurons.artifacts import InputError
from neurons.published.store import read_checkpoint

NAME = "proj"


def text_projection(path: Path, channels: int) -> dict[str, Tensor]:
    """Weights of the brain model's text projection.

    Parameters
    ----------
    path
        ``coco_tokens_avg_proj.pth``: one matrix (1664 image channels, 1280 text channels), called ``proj``.
    channels
        Of the image tokens of the checkpoint that it goes with.

    Raises
    ------
    InputError
        If the file holds anything else, or a matrix for other tokens.
    """
    state = read_checkpoint(path)
    matrix = state.get(NAME)
    if matrix is None or len(state) > 1 or matrix.ndim != 2 or not matrix.is_floating_point():
        found = ", ".join(f"{name} {tuple(value.shape)}" for name, value in list(state.items())[:5])
        raise InputError(f"{path} holds {found or 'nothing'}; one matrix called {NAME} is expected")
    if len(matrix) != channels:
        raise InputError(
            f"{path} projects tokens of {len(matrix)} channels; those of the checkpoint have {channels}: they do not belong "
            "together"
        )
    if not torch.isfinite(matrix).all():
        raise InputError(f"{path} holds values that are NaN or infinite; fetch it again")
    return {"text.linear.weight": matrix.T, "text.linear.bias": torch.zeros_like(matrix[0])}
