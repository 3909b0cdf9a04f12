"""What is refused before the first step: features of another model, more pairs per batch than there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from neurons.artifacts import InputError, TensorFile, hash_file
from neurons.sections import Model

ROLES = ("clip", "clip_input_range", "vae", "language_model")
"""What features depend on, beside the frames or texts themselves."""


def check_models(files: Sequence[Path], models: Mapping[str, Model] | None = None) -> None:
    """Refuse features that were not all made by the same frozen models.

    Parameters
    ----------
    files
        Features of any kind and movie; what made them stands in their headers.
    models
        Models that the step itself uses, by role, which features of that role must come from too.

    Raises
    ------
    InputError
        Listing, for each role, the different models and a file of each.
    """
    made: dict[str, dict[str, str]] = {role: {} for role in ROLES}
    for path in files:
        provenance = TensorFile(path).metadata.get("provenance", {})
        for role in ROLES:
            if identity := _identity(provenance, role):
                made[role].setdefault(identity, str(path))
    for role, model in (models or {}).items():
        if made[role]:
            made[role].setdefault(_identity_of(model), f"this step ({model.path})")
    different = {role: found for role, found in made.items() if len(found) > 1}
    if different:
        listed = "; ".join(
            f"{role}: " + ", ".join(f"{identity} in {where}" for identity, where in found.items())
            for role, found in different.items()
        )
        raise InputError(
            f"features come from different models, and would be compared as if they were of one ({listed}). "
            "Rerun `embed` for all movies with one configuration."
        )


def check_batch_size(batch_size: int, pairs: int, key: str, processes: int = 1) -> None:
    """Refuse batches larger than the training set, and more processes than a batch has pairs for.

    Raises
    ------
    InputError
        If there are fewer (clip, repeat) pairs than a batch holds, or a process would get none of a batch.
    """
    if batch_size > pairs:
        raise InputError(
            f"{key} is {batch_size}, but there are only {pairs} training pairs (clips times repeats, without the "
            f"validation movies); choose at most {pairs}"
        )
    smallest = pairs // -(-pairs // batch_size)
    if processes > smallest:
        raise InputError(
            f"compute.processes is {processes}, and they share each batch; with {key} {batch_size} and {pairs} training "
            f"pairs some batches have only {smallest}; choose at most {smallest}, or larger batches"
        )


def _identity(provenance: Mapping[str, Any], role: str) -> str | None:
    """Content of a model in a folder, or the name of one from a hub; None if the file does not depend on the role."""
    inputs, named = provenance.get("inputs", {}).get(role), provenance.get("parameters", {}).get(role)
    if inputs:
        return " ".join(inputs.values())
    return _named(named) if named else None


def _identity_of(model: Model) -> str:
    folder = Path(model.path)
    return hash_file(folder) if folder.is_dir() else _named(model.model_dump(mode="json"))


def _named(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{value.get('path')} at {value.get('revision')}"
    return str(value)
