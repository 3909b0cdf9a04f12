"""The full state of a training run on disk: a killed run continues from it bit for bit.

A checkpoint is one safetensors file, ``step-<optimiser steps>.safetensors``, written atomically. The two newest are
kept, so that one damaged file costs the work since the one before. Nothing is pickled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurons.artifacts import InputError, TensorFile, hash_bytes, provenance, write_tensors
from neurons.console import logger

KEPT = 2


@dataclass
class Position:
    """Where a run is: the next batch, the sums of the current epoch, and what past epochs gave.

    Random numbers need no place here, for they are derived from the seed, the epoch and the batch.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    best_scores: dict[str, float] = field(default_factory=dict)


def save(
    folder: Path,
    fingerprint: str,
    position: Position,
    steps: int,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: Mapping[str, Tensor],
) -> Path:
    """Write a checkpoint and delete all but the newest two.

    Parameters
    ----------
    fingerprint
        Identity of settings and inputs; a run with another one ignores the checkpoint.
    steps
        Optimiser steps done.
    best
        Weights of the best epoch (of each part) so far; empty before the first validation.
    """
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for name, parameter in model.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser/{key}/{name}"] = torch.as_tensor(value)
    arrays = {name: np.atleast_1d(value.detach().cpu().numpy()) for name, value in tensors.items()}
    path = folder / f"step-{steps:09d}.safetensors"
    write_tensors(
        path,
        arrays,
        provenance("training checkpoint", {}),
        fingerprint=fingerprint,
        steps=steps,
        position=json.dumps(asdict(position)),  # as text, for headers are written with sorted keys
        checksum=_checksum(arrays),
    )
    for old in _newest_first(folder)[KEPT:]:
        old.unlink()
    return path


def restore(
    folder: Path, fingerprint: str, model: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Position, int, dict[str, Tensor]]:
    """Bring model and optimiser to the newest checkpoint that is intact and of the same fingerprint.

    Returns
    -------
    tuple
        Position, optimiser steps done and weights of the best epoch; those of a fresh run if nothing is usable,
        with a log line for each file that was passed over.
    """
    for path in _newest_first(folder):
        try:
            arrays, facts = _read(path)
        except InputError as error:
            logger.warning("%s; the checkpoint is not used", error)
            continue
        if facts["fingerprint"] != fingerprint:
            logger.warning(
                "%s belongs to other settings, inputs or packages; the checkpoint is not used", path
            )
            continue
        position = Position(**json.loads(facts["position"]))
        best = _load(arrays, model, optimiser)
        logger.info("continuing from %s (epoch %d, batch %d)", path, position.epoch + 1, position.batch + 1)
        return position, int(facts["steps"]), best
    return Position(), 0, {}


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    file = TensorFile(path)
    facts = file.metadata
    arrays = {name: np.array(file[name]) for name in file.names}
    if facts.get("checksum") != _checksum(arrays):
        raise InputError(f"{path} is damaged (its checksum differs)")
    return arrays, facts


def _load(
    arrays: Mapping[str, np.ndarray], model: nn.Module, optimiser: torch.optim.Optimizer
) -> dict[str, Tensor]:
    current = model.state_dict()

    def weights(part: str) -> dict[str, Tensor]:
        found = {name.removeprefix(part): value for name, value in arrays.items() if name.startswith(part)}
        return {name: torch.from_numpy(value).reshape(current[name].shape) for name, value in found.items()}

    model.load_state_dict(weights("model/"))
    keys: dict[str, list[str]] = {}
    for stored in arrays:
        part, _, rest = stored.partition("/")
        if part == "optimiser":
            key, _, name = rest.partition("/")
            keys.setdefault(name, []).append(key)
    for name, parameter in model.named_parameters():
        state = {key: _state(arrays[f"optimiser/{key}/{name}"], key, parameter) for key in keys.get(name, ())}
        if state:
            optimiser.state[parameter] = state
    return weights("best/")


def _state(stored: np.ndarray, key: str, parameter: nn.Parameter) -> Tensor | int:
    """A part of the optimiser's state of a parameter, as its kind of AdamW keeps it."""
    if key == "step" and stored.dtype.kind == "i":  # AdamW of 8 bits counts in Python
        return int(stored[0])
    of_weights = key != "step" and stored.size == parameter.numel()
    shape = () if key == "step" else parameter.shape if of_weights else stored.shape
    return torch.from_numpy(stored).reshape(shape).to(parameter.device)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.safetensors"), reverse=True)


def _checksum(arrays: Mapping[str, np.ndarray]) -> str:
    buffers = []
    for name in sorted(arrays):
        buffers += [name.encode(), np.ascontiguousarray(arrays[name]).tobytes()]
    return hash_bytes(*buffers)
