"""Weights of an imported checkpoint that training starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from neurons.artifacts import InputError, TensorFile
from neurons.console import logger


def start_from(model: nn.Module, path: Path, parts: Mapping[str, str], key: str) -> None:
    """Copy parts of an imported checkpoint into a model.

    Parameters
    ----------
    path
        From `pretrain import-checkpoint`.
    parts
        Prefix of the weights' names in the model, by prefix in the file; a part that the file lacks altogether is left as it
        is, unless it lacks all of them.
    key
        Key of the configuration that names the file, for messages.

    Raises
    ------
    InputError
        If the file holds none of the parts, a part of it only, or weights of another shape; all are listed.
    """
    file = TensorFile(path)
    names = set(file.names)
    found = {prefix for prefix in parts if any(name.startswith(prefix) for name in names)}
    if not found:
        raise InputError(f"{key}: {path} holds none of {', '.join(parts)}; it holds {_some(sorted(names))}")
    own = model.state_dict()
    weights: dict[str, np.ndarray] = {}
    problems = []
    for prefix in sorted(found):
        target = parts[prefix]
        wanted = {name: target + name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        problems += [
            f"{name}: missing" for name in own if name.startswith(target) and name not in wanted.values()
        ]
        for name, here in wanted.items():
            shape = file[name].shape
            if here not in own:
                problems.append(f"{name}: the model has no such weight")
            elif shape != tuple(own[here].shape):
                problems.append(f"{name}: {shape} in the file, {tuple(own[here].shape)} in the model")
            else:
                weights[here] = file[name]
    if problems:
        raise InputError(
            f"{key}: {path} does not fit the model that the configuration describes: {_some(problems)}"
        )
    with torch.no_grad():
        for name, value in weights.items():
            own[name].copy_(torch.from_numpy(np.array(value)))
    logger.info("%s: %d weights of %s (%s)", key, len(weights), path, ", ".join(sorted(found)))


def _some(names: Sequence[str]) -> str:
    return "; ".join(names[:5]) + (f"; and {len(names) - 5} more" if len(names) > 5 else "")
