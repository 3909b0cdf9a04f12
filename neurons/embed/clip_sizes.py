"""Sizes of a CLIP model, and whether they are the expected ones."""

from __future__ import annotations

from typing import Any

from neurons.artifacts import InputError
from neurons.embed.settings import ClipSizes


def sizes_of(config: Any) -> ClipSizes:
    """Sizes that a `CLIPConfig` tells of."""
    vision = config.vision_config
    return ClipSizes(
        tokens=(vision.image_size // vision.patch_size) ** 2,
        channels=vision.hidden_size,
        joint=config.projection_dim,
        text=config.text_config.hidden_size,
    )


def check_sizes(config: Any, expected: ClipSizes | None, path: str) -> None:
    """Refuse a model of other sizes than `embed.clip_sizes` names.

    Raises
    ------
    InputError
        If there are expected sizes, and the model's differ.
    """
    found = sizes_of(config)
    if expected is not None and found != expected:
        raise InputError(
            f"embed.clip: the model in {path} has {_listed(found)}; embed.clip_sizes expects {_listed(expected)}. "
            "Is it the model that the configuration means?"
        )


def _listed(sizes: ClipSizes) -> str:
    return ", ".join(f"{name} {value}" for name, value in sizes.model_dump().items())
