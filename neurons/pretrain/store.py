"""Brain models on disk, and brain tokens from stored responses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurons.artifacts import InputError, Provenance, TensorFile, write_tensors
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.window import assemble, window_positions

HELD_OUT = "held_out_hidden"


def save_brain_model(
    path: Path,
    model: BrainModel,
    made_by: Provenance,
    held_out: tuple[list[str], torch.Tensor] | None = None,
    **facts: Any,
) -> None:
    """Write a brain model.

    Parameters
    ----------
    held_out
        Training clips and their hidden features (clips, repeats, hidden) as a ridge in closed form predicts them
        from the other movies; what is trained on top of the model must not see its fit to its own training data.
    facts
        ``subject``, ``vertex_hash``, ``window_tr``, ``target``, ``training_clips``.
    """
    arrays = {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}
    if held_out is not None:
        arrays[HELD_OUT] = held_out[1].cpu().numpy()
        facts["held_out_clips"] = held_out[0]
    write_tensors(path, arrays, made_by, sizes=asdict(model.sizes), **facts)


def load_brain_model(path: Path) -> tuple[BrainModel, dict[str, Any]]:
    """A brain model in evaluation mode, on the CPU, and its metadata.

    Returns
    -------
    tuple
        Model; metadata with ``subject``, ``vertex_hash``, ``window_tr``, ``target``, ``sizes``.
    """
    file = TensorFile(path)
    metadata = file.metadata
    # Without memory of its own first: at paper scale the weights are 8 GB.
    with torch.device("meta"):
        model = BrainModel(BrainSizes(**metadata["sizes"]))
    model.load_state_dict(
        {name: torch.from_numpy(np.array(file[name])) for name in file.names if name != HELD_OUT}, assign=True
    )
    return model.eval(), metadata


def read_held_out(path: Path) -> tuple[list[str], torch.Tensor] | None:
    """Training clips and their held-out hidden features, or None for a model whose ridge was trained with the rest."""
    file = TensorFile(path)
    if HELD_OUT not in file.names:
        return None
    return file.metadata["held_out_clips"], torch.from_numpy(np.array(file[HELD_OUT]))


def check_vertices(metadata: Mapping[str, Any], responses: TensorFile, model: Path) -> None:
    """Refuse responses whose vertices are not those that the model was trained with.

    Raises
    ------
    InputError
        If subject or vertex hash differ.
    """
    given = responses.metadata
    different = [key for key in ("subject", "vertex_hash") if given.get(key) != metadata.get(key)]
    if different:
        found = "; ".join(
            f"{key}: model {metadata.get(key)!r}, responses {given.get(key)!r}" for key in different
        )
        raise InputError(
            f"{responses.path} does not fit {model} ({found}). A model reads responses of its own subject on the "
            "vertices it was trained with: rerun `pretrain` after `preprocess` has changed them."
        )


def brain_embeddings(
    model: BrainModel,
    responses: np.ndarray,
    available: Sequence[str],
    clip_ids: Sequence[str],
    window_tr: Sequence[int],
    *,
    where: str,
    batch_size: int = 64,
) -> torch.Tensor:
    """Brain tokens of clips, windows assembled by clip id.

    Parameters
    ----------
    model
        In evaluation mode, on any device.
    responses
        float32 (rows, V): one response per clip (a mean over repeats, or one repeat).
    available
        Clip ids of the rows.
    clip_ids
        Wanted clips.
    window_tr
        The model's lags (``metadata["window_tr"]``).
    where
        File of the responses, for messages.
    batch_size
        Clips per forward pass; does not change the result.

    Returns
    -------
    Tensor
        float32 (clips, N, C), on the CPU.
    """
    device = next(model.parameters()).device
    positions = torch.from_numpy(window_positions(clip_ids, available, window_tr, where))
    rows = torch.from_numpy(np.ascontiguousarray(responses, dtype=np.float32))
    with torch.no_grad():
        parts = [
            model(assemble(rows, part).to(device))[0].float().cpu() for part in positions.split(batch_size)
        ]
    return torch.cat(parts)
