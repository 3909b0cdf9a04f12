"""GroundingDINO and SAM together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurons.annotate.detect import Box, Detector
from neurons.annotate.models import files_identity, model_identity
from neurons.annotate.sam import Segmenter, load_sam
from neurons.annotate.segment import Named
from neurons.annotate.settings import GroundedSam


class GroundedSamFinder:
    """Boxes of nouns by GroundingDINO, a mask in each by SAM.

    Raises
    ------
    InputError
        If a model cannot be loaded.
    """

    def __init__(self, settings: GroundedSam, device: torch.device) -> None:
        self._settings = settings
        self._detector = Detector(settings, device)
        self._segmenter = Segmenter(load_sam(Path(settings.sam), device))

    def identity(self) -> dict[str, Any]:
        """Models and thresholds."""
        values = self._settings.model_dump(
            mode="json", include={"box_threshold", "overlap", "boxes_per_frame"}
        )
        sam = files_identity(Path(self._settings.sam))
        return {"detector": model_identity(self._settings.detector), "sam": sam, **values}

    def find(self, items: Sequence[Named]) -> list[list[tuple[Box, np.ndarray, float]]]:
        """Of each frame, its boxes, a mask of each (H, W), and SAM's estimate of the mask's IoU."""
        frames = [frame for frame, _ in items]
        boxes = self._detector.detect(frames, [tags for _, tags in items])
        corners = [np.array([box.corners for box in some], np.float32).reshape(-1, 4) for some in boxes]
        masks = self._segmenter.segment(frames, corners)
        return [
            [(box, mask, float(score)) for box, mask, score in zip(some, *found, strict=True)]
            for some, found in zip(boxes, masks, strict=True)
        ]
