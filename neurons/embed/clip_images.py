"""CLIP's view of frames."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPModel

InputRange = Literal["unit", "mindeye2"]


def pixel_values(frames: np.ndarray, processor: Any, input_range: InputRange) -> Tensor:
    """Frames as the model wants them: resized, cropped and normalised by its own image processor.

    Parameters
    ----------
    frames
        RGB, uint8, shape (b, H, W, 3).
    processor
        Image processor stored beside the model.
    input_range
        ``unit``: as the model was trained. ``mindeye2``: frames x in [0, 1] become (x + 1) / 2 before
        normalisation, as in the released features, whose code took them for frames in [-1, 1].

    Returns
    -------
    Tensor
        float32, shape (b, 3, h, w).
    """
    values = processor(list(frames), input_data_format="channels_last", return_tensors="pt")[
        "pixel_values"
    ].float()
    if input_range == "unit":
        return values
    mean, std = (
        torch.tensor(stored)[:, None, None] for stored in (processor.image_mean, processor.image_std)
    )
    return ((values * std + mean) / 2 + 0.5 - mean) / std


def image_features(model: CLIPModel, pixels: Tensor) -> dict[str, Tensor]:
    """Tokens and embedding of pictures.

    Parameters
    ----------
    pixels
        From `pixel_values`, on the model's device.

    Returns
    -------
    dict
        ``tokens`` (b, N, C): patch tokens of the last layer after the final layer norm and before the
        projection, without the class token; ``image`` (b, T): the projected class token, of length 1.
    """
    vision = model.vision_model(pixel_values=pixels.to(model.dtype))
    tokens = model.vision_model.post_layernorm(vision.last_hidden_state[:, 1:])
    image = model.visual_projection(vision.pooler_output)
    return {"tokens": tokens, "image": F.normalize(image.float(), dim=-1)}
