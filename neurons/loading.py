"""Pretrained models from folders or hub ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurons.artifacts import InputError
from neurons.sections import Model


def load_pretrained(kind: Any, model: Model, key: str, **options: Any) -> Any:
    """``kind.from_pretrained`` of a configured model.

    Parameters
    ----------
    kind
        Class of `transformers` or `diffusers`.
    model
        Folder or hub id, and revision.
    key
        Key of the configuration that names it, for the message.
    **options
        Further arguments of ``from_pretrained``.

    Raises
    ------
    InputError
        If it cannot be loaded.
    """
    try:
        return kind.from_pretrained(model.path, revision=model.revision, **options)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{key}: {kind.__name__} cannot be loaded from {model.path!r} ({error}). "
            "Expected a folder as `save_pretrained` writes it, or a hub id that can be downloaded."
        ) from error


def model_inputs(**models: Model) -> dict[str, Path]:
    """The models that lie in folders, for provenance (a hub id is identified by its revision)."""
    return {role: Path(model.path) for role, model in models.items() if Path(model.path).is_dir()}
