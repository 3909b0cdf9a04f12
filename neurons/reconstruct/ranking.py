"""Several samples of a clip: the one nearest to what was decoded, and how far the samples lie apart.

The criterion is the cosine between CLIP's view of a generated video and the CLIP tokens decoded from the brain, both
averaged over positions. It knows nothing of the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPModel

from neurons.artifacts import InputError
from neurons.embed.clip_images import InputRange, image_features, pixel_values
from neurons.embed.settings import Embed
from neurons.loading import load_pretrained
from neurons.reconstruct.loading import load_network

FRAMES_AT_ONCE = 64


@dataclass(frozen=True)
class Viewer:
    """The CLIP model whose tokens the brain model decodes."""

    model: CLIPModel
    processor: Any
    input_range: InputRange

    @classmethod
    def load(cls, settings: Embed, device: torch.device, dtype: torch.dtype) -> Viewer:
        """Load `embed.clip`."""
        model = load_network(CLIPModel, settings.clip, "embed.clip", device, dtype)
        processor = load_pretrained(CLIPImageProcessor, settings.clip, "embed.clip")
        return cls(model, processor, settings.clip_input_range)

    @torch.inference_mode()
    def view(self, videos: np.ndarray) -> Tensor:
        """CLIP tokens averaged over positions and frames.

        Parameters
        ----------
        videos
            uint8 (B, T, H, W, 3).

        Returns
        -------
        Tensor
            float32 (B, C), on the CPU.
        """
        frames = videos.reshape(-1, *videos.shape[2:])
        parts = []
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            part = frames[start : start + FRAMES_AT_ONCE]
            pixels = pixel_values(part, self.processor, self.input_range).to(self.model.device)
            parts.append(image_features(self.model, pixels)["tokens"].float().mean(dim=1).cpu())
        return torch.cat(parts).unflatten(0, videos.shape[:2]).mean(dim=1)


@dataclass(frozen=True)
class Ranking:
    """Samples of one clip.

    Attributes
    ----------
    scores
        Cosine of each sample to what was decoded; None for a single sample, which needs no criterion.
    best
        The sample with the highest score; the first of equal ones.
    spread
        Mean cosine distance between CLIP's views of two samples, 0 to 2; None for a single sample.
    pixel_sd
        Standard deviation over samples, averaged over pixels and frames, 0 to 1; None for a single sample.
    """

    scores: list[float] | None
    best: int
    spread: float | None
    pixel_sd: float | None


SINGLE = Ranking(None, 0, None, None)


def rank(videos: np.ndarray, views: Tensor, decoded: Tensor) -> Ranking:
    """Rank the samples of a clip.

    Parameters
    ----------
    videos
        uint8 (S, T, H, W, 3), S at least 2.
    views
        float (S, C) from `Viewer.view`.
    decoded
        float (C,): decoded CLIP tokens, averaged over positions.

    Raises
    ------
    InputError
        If the decoded tokens are not of the model's width.
    """
    if views.shape[1] != len(decoded):
        raise InputError(
            f"embed.clip has tokens of width {views.shape[1]}, the decoded ones have {len(decoded)}: samples are ranked by "
            "the model that the brain model was trained on"
        )
    unit = F.normalize(views.double(), dim=1)
    scores = unit @ F.normalize(decoded.double(), dim=0)
    pairs = torch.triu_indices(len(unit), len(unit), offset=1)
    distances = 1 - (unit @ unit.T)[pairs[0], pairs[1]]
    deviation = (videos.astype(np.float32) / 255).std(axis=0, ddof=1).mean()
    return Ranking(scores.tolist(), int(scores.argmax()), float(distances.mean()), float(deviation))
