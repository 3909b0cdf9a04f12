"""What frozen models see in videos: class probabilities of frames and clips, CLIP embeddings of frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    CLIPModel,
    VideoMAEForVideoClassification,
    ViTForImageClassification,
)

from neurons.artifacts import InputError
from neurons.console import track
from neurons.evaluate.settings import Evaluate
from neurons.sections import Model

Function = Callable[[torch.Tensor], tuple[torch.Tensor, ...]]
"""From pixels of some items to what is kept of them, each (items, ...)."""


def describe_videos(
    frames: np.ndarray, settings: Evaluate, device: torch.device, dtype: torch.dtype
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Features of videos from the frame classifier, the video classifier and CLIP.

    Parameters
    ----------
    frames
        uint8, RGB, shape (clips, frames, height, width, 3). Each model resizes them by its own image processor.

    Returns
    -------
    tuple
        Arrays `frame_probabilities` (clips, frames, C), `video_probabilities` (clips, C'), `video_embedding` (clips, W: what
        the video classifier's last layer sees), `clip` (clips, frames, T) and, with `evaluate.gate`, `gate` (clips, T'),
        float32; and facts: numbers of classes, the models.

    Raises
    ------
    InputError
        If a model cannot be loaded, or the video classifier takes another number of frames.
    """
    clips, count = frames.shape[:2]
    single = frames.reshape(clips * count, *frames.shape[2:])
    size = settings.batch_size

    vit = _load(ViTForImageClassification, settings.frame_classifier, "frame_classifier", device, dtype)
    (by_frame,) = _run(single, vit, settings.frame_classifier, size, "frames", _probabilities(vit))

    videomae = _load(
        VideoMAEForVideoClassification, settings.video_classifier, "video_classifier", device, dtype
    )
    if videomae.config.num_frames != count:
        raise InputError(
            f"the video classifier {settings.video_classifier.path} takes {videomae.config.num_frames} frames, clips have"
            f" {count}. Set num_frames in its config.json, or cut.frames_per_clip"
        )
    by_clip, seen = _run(
        frames, videomae, settings.video_classifier, size, "clips", _probabilities_and_embedding(videomae)
    )
    arrays = {
        "frame_probabilities": by_frame.reshape(clips, count, -1),
        "video_probabilities": by_clip,
        "video_embedding": seen,
        "clip": _embed(single, settings.clip, "clip", size, device, dtype).reshape(clips, count, -1),
    }
    if settings.gate is not None:
        gate = _embed(single, settings.gate, "gate", size, device, dtype).reshape(clips, count, -1)
        arrays["gate"] = gate.mean(1)
    references = {name: getattr(settings, name).model_dump() for name in models_of(settings)}
    return arrays, {
        "frame_classes": by_frame.shape[-1],
        "video_classes": by_clip.shape[-1],
        "models": references,
    }


def models_of(settings: Evaluate) -> list[str]:
    """Keys of the section `evaluate` that name the frozen models in use."""
    return ["frame_classifier", "video_classifier", "clip", *(["gate"] if settings.gate else [])]


def frames_taken(settings: Evaluate) -> int:
    """Frames per clip that the video classifier takes.

    Raises
    ------
    InputError
        If its configuration cannot be read.
    """
    model = settings.video_classifier
    try:
        return int(AutoConfig.from_pretrained(model.path, revision=model.revision).num_frames)
    except OSError as error:
        raise InputError(
            f"evaluate.video_classifier: {model.path!r} is neither a folder with config.json nor a known hub id ({error})"
        ) from error


def _load(kind: Any, reference: Model, key: str, device: torch.device, dtype: torch.dtype) -> Any:
    try:
        model = kind.from_pretrained(
            reference.path, revision=reference.revision, dtype=dtype, use_safetensors=True
        )
    except OSError as error:
        raise InputError(
            f"evaluate.{key}: {kind.__name__} cannot be loaded from {reference.path!r}; it must be a folder with"
            f" config.json, preprocessor_config.json and model.safetensors, or a hub id ({error})"
        ) from error
    return model.to(device).eval()


def _embed(
    frames: np.ndarray, reference: Model, key: str, size: int, device: torch.device, dtype: torch.dtype
) -> np.ndarray:
    clip = _load(CLIPModel, reference, key, device, dtype)

    def image_features(pixels: torch.Tensor) -> tuple[torch.Tensor]:
        return (clip.get_image_features(pixel_values=pixels).pooler_output,)

    (embedded,) = _run(frames, clip, reference, size, "frames", image_features)
    return embedded


def _probabilities(model: Any) -> Function:
    return lambda pixels: (model(pixel_values=pixels).logits.float().softmax(-1),)


def _probabilities_and_embedding(model: Any) -> Function:
    def function(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        last: list[torch.Tensor] = []
        with model.classifier.register_forward_pre_hook(lambda _, given: last.append(given[0])):
            logits = model(pixel_values=pixels).logits
        return logits.float().softmax(-1), last[0]

    return function


@torch.inference_mode()
def _run(
    items: np.ndarray, model: Any, reference: Model, size: int, what: str, function: Function
) -> list[np.ndarray]:
    processor = AutoImageProcessor.from_pretrained(reference.path, revision=reference.revision)
    outputs = []
    for start in track(range(0, len(items), size), f"batches of {what}"):
        pixels = processor(
            _listed(items[start : start + size]), return_tensors="pt", input_data_format="channels_last"
        )
        values = function(pixels["pixel_values"].to(model.device, model.dtype))
        outputs.append([value.float().cpu().numpy() for value in values])
    return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]


def _listed(items: np.ndarray) -> Sequence[Any]:
    # Processors tell a video (a list of frames) from a frame (an array) by the type.
    return [list(item) for item in items] if items.ndim == 5 else list(items)
