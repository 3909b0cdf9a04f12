"""How recognition miniatures are stored: half-precision safetensors beside their training log."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPImageProcessor, PreTrainedModel, VideoMAEImageProcessor, ViTImageProcessor

from neurons.simulate.miniatures.augment import IMAGE_MEAN, IMAGE_STD
from neurons.simulate.miniatures.frames import IMAGE_PX

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "opencv-python-headless")
PIXELS: dict[str, Any] = {"image_mean": list(IMAGE_MEAN), "image_std": list(IMAGE_STD)}
CROP = {"height": IMAGE_PX, "width": IMAGE_PX}


def save_half(model: PreTrainedModel, folder: Path) -> None:
    """Save a float16 copy of a model's weights and its configuration, for any attention implementation."""
    model.set_attn_implementation("sdpa")
    model.half().save_pretrained(folder)


def save_log(
    folder: Path, command: str, parameters: Mapping[str, Any], log: Sequence[Mapping[str, float]]
) -> None:
    """Write ``training_log.json``: what made the weights (command, parameters, versions), minutes, losses."""
    record = {
        "command": command,
        "parameters": dict(parameters),
        "minutes": round(log[-1]["seconds"] / 60, 1),
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "versions": package_versions(),
        "log": [{key: float(f"{value:.4g}") for key, value in entry.items()} for entry in log],
    }
    text = json.dumps(record, indent=1)
    (folder / "training_log.json").write_text(text + "\n", encoding="utf-8")


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide what training and rendering give."""
    installed = {name for name in PACKAGES if _is_installed(name)}
    return {name: importlib.metadata.version(name) for name in PACKAGES if name in installed}


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def clip_image_processor() -> CLIPImageProcessor:
    """Preprocessing of the miniature CLIP."""
    return CLIPImageProcessor(size={"shortest_edge": IMAGE_PX}, crop_size=CROP, **PIXELS)


def vit_image_processor() -> ViTImageProcessor:
    """Preprocessing of the miniature frame classifier."""
    return ViTImageProcessor(size=CROP, **PIXELS)


def videomae_image_processor() -> VideoMAEImageProcessor:
    """Preprocessing of the miniature video classifier."""
    return VideoMAEImageProcessor(size={"shortest_edge": IMAGE_PX}, crop_size=CROP, **PIXELS)
