"""The step of `reconstruct` that converts a published checkpoint; needed once, by hand, not in the workflow."""

from __future__ import annotations

import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler
from safetensors import SafetensorError
from safetensors.torch import load_file

from neurons.artifacts import InputError, provenance, write_json
from neurons.console import logger
from neurons.reconstruct.clip_folders import replacing
from neurons.reconstruct.unclip_import import HEAD_CHANNELS, SCHEDULER, convert


def import_unclip(*, checkpoint: Path, output: Path, head_channels: int = HEAD_CHANNELS) -> None:
    """Convert MindEye2's unCLIP checkpoint to a folder that `reconstruct.control` reads.

    Set ``reconstruct.control.unclip.path`` to OUTPUT and ``reconstruct.control.vae.path`` to OUTPUT/vae afterwards.

    Parameters
    ----------
    checkpoint
        ``unclip6_epoch0_step110000.ckpt``, or its weights as safetensors. Read without running code from it.
    output
        Folder with ``unet``, ``vae``, ``scheduler`` and ``import.json``, which says what became of every key (written).
    head_channels
        Channels per attention head.

    Raises
    ------
    InputError
        If the file cannot be read safely, or a key is unknown, missing or of another shape.
    """
    state = _weights(checkpoint)
    unclip = convert(state, head_channels)
    facts: dict[str, Any] = {"weights": len(state), "left out": dict(unclip.left_out)}
    with replacing(output) as folder:
        for name, network in (("unet", unclip.unet), ("vae", unclip.vae)):
            network.save_pretrained(folder / name)
            facts[name] = {
                "weights": len(network.state_dict()),
                "parameters": sum(weight.numel() for weight in network.parameters()),
            }
        EulerDiscreteScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
        made_by = provenance(
            "reconstruct import-unclip", {"checkpoint": checkpoint}, {"head_channels": head_channels}
        )
        write_json(folder / "import.json", facts, made_by)
    for name in ("unet", "vae"):
        logger.info(
            "%s: %d weights, %.3f million parameters",
            name,
            facts[name]["weights"],
            facts[name]["parameters"] / 1e6,
        )
    for reason, count in unclip.left_out.items():
        logger.info("left out %d weights: %s", count, reason)


def _weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    if not checkpoint.is_file():
        raise InputError(f"there is no file {checkpoint}")
    try:
        if checkpoint.suffix == ".safetensors":
            return load_file(checkpoint)
        loaded = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except (UnpicklingError, RuntimeError, zipfile.BadZipFile, EOFError, SafetensorError) as error:
        raise InputError(
            f"{checkpoint} cannot be read as weights without running code from it ({error}). If it comes from a training"
            " framework, save its state_dict alone, as safetensors."
        ) from error
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else loaded
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise InputError(
            f"{checkpoint} holds no state dict (names and tensors, at its top or under state_dict)"
        )
    return state
