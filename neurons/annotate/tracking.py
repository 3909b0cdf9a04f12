"""Instances through the frames of a clip: detections are joined by where they are and what they look like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

COLOUR_LEVELS = 4
"""Levels of each colour channel in an appearance: 4 x 4 x 4 bins."""


@dataclass(frozen=True)
class Detection:
    """A thing seen in one frame.

    Attributes
    ----------
    tag
        Noun.
    score, mask_score
        Of the box by the detector, and of the mask by the segmenter.
    corners
        x0, y0, x1, y1 in px of the frame.
    mask
        bool, shape (h, w), stored size.
    appearance
        Shares of colours within the mask, from `appearance`.
    """

    tag: str
    score: float
    mask_score: float
    corners: tuple[float, float, float, float]
    mask: np.ndarray
    appearance: np.ndarray


def appearance(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Shares of coarse colours within a mask, float32, shape (64,), zero for an empty mask.

    Parameters
    ----------
    frame
        RGB, uint8, shape (H, W, 3).
    mask
        bool, shape (H, W).
    """
    levels = frame[mask].astype(np.int64) * COLOUR_LEVELS // 256
    bins = (levels[:, 0] * COLOUR_LEVELS + levels[:, 1]) * COLOUR_LEVELS + levels[:, 2]
    counts = np.bincount(bins, minlength=COLOUR_LEVELS**3)
    return (counts / max(counts.sum(), 1)).astype(np.float32)


def box_overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """Intersection over union of two boxes (x0, y0, x1, y1)."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def similarity(one: Detection, other: Detection) -> float:
    """How alike two detections are, 0-1: mean of box overlap and colour overlap; 0 for different nouns."""
    if one.tag != other.tag:
        return 0.0
    colours = float(np.minimum(one.appearance, other.appearance).sum())
    return (box_overlap(one.corners, other.corners) + colours) / 2


def track(frames: Sequence[Sequence[Detection]], least: float) -> list[list[int]]:
    """Instance of each detection of each frame, numbered from 0 within the clip.

    Each frame's detections are assigned to the instances seen so far, by the greatest total similarity to where each was
    seen last; pairs less alike than `least` are not joined, and a detection without a partner is a new instance. An
    instance may be missing in some frames and come back.

    Parameters
    ----------
    frames
        Detections of each frame, in order.
    least
        Least similarity, 0-1.
    """
    last: list[Detection] = []
    numbers = []
    for detections in frames:
        alike = np.array([[similarity(known, new) for new in detections] for known in last])
        joined = {}
        if alike.size:
            alike = np.where(alike < least, 0, alike)
            rows, columns = linear_sum_assignment(alike, maximize=True)
            joined = {
                int(column): int(row)
                for row, column in zip(rows, columns, strict=True)
                if alike[row, column] > 0
            }
        assigned = []
        for position, detection in enumerate(detections):
            number = joined.get(position)
            if number is None:
                number = len(last)
                last.append(detection)
            else:
                last[number] = detection
            assigned.append(number)
        numbers.append(assigned)
    return numbers
