"""Published models on disk, in our format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from neurons.artifacts import InputError, Provenance, TensorFile, write_tensors
from neurons.published.convert import EMBEDDING, TIED
from neurons.published.decoupler import PublishedDecoupler, PublishedSizes

ARCHITECTURE = "published"
REBUILD = np.float64(0).__reduce__()[0]
PLAIN_NUMBERS: list[Any] = [
    (REBUILD, "numpy.core.multiarray.scalar"), REBUILD, np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64")),
]  # fmt: skip
"""numpy's numbers, which the lists of losses beside the weights hold."""


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Weights of a published file by name, memory-mapped where it can be; no code from it is run.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read safely, or it holds no weights.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(PLAIN_NUMBERS):
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (UnpicklingError, RuntimeError, BadZipFile, EOFError, SafetensorError) as error:
        raise InputError(
            f"{path} cannot be read as weights without running code from it ({error}). Save its `model_state_dict` alone, "
            "as safetensors, on a machine that trusts it."
        ) from error
    state = loaded.get("model_state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no names and tensors, neither at its top nor under model_state_dict")
    # Checkpoints of several processes carry the wrapper's name before each weight's.
    return {name.removeprefix("module."): value for name, value in state.items()}


def arrays(weights: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Weights as float32 arrays, ready to be written."""
    return {name: value.detach().float().cpu().numpy() for name, value in weights.items()}


def save_published(
    path: Path,
    weights: Mapping[str, Tensor],
    sizes: PublishedSizes,
    tokenizer: str,
    made_by: Provenance,
    **facts: Any,
) -> None:
    """Write a released decoupler; the tied output layer of its language model is stored once."""
    kept = {name: value for name, value in weights.items() if name != TIED}
    write_tensors(
        path,
        arrays(kept),
        made_by,
        architecture=ARCHITECTURE,
        sizes=asdict(sizes),
        tokenizer=tokenizer,
        **facts,
    )


def load_published(file: TensorFile) -> PublishedDecoupler:
    """A released decoupler in evaluation mode, on the CPU."""
    model = PublishedDecoupler(PublishedSizes(**file.metadata["sizes"]))
    weights = {name: torch.from_numpy(np.array(file[name])) for name in file.names}
    weights[TIED] = weights[EMBEDDING]
    model.load_state_dict(weights)
    return model.eval()
