"""Clips without content, and the cuts inside clips."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from neurons.cut.checks import BLACK_LEVEL, STATIC_DIFFERENCE


def is_black(frames: np.ndarray) -> bool:
    """Whether 99 % of the values of each frame of a clip (F, H, W, 3) uint8 are below `BLACK_LEVEL`."""
    return all(np.percentile(frame, 99) < BLACK_LEVEL for frame in frames)


def is_static(frames: np.ndarray) -> bool:
    """Whether neighbouring frames of a clip (F, H, W, 3) uint8 differ by less than `STATIC_DIFFERENCE`."""
    differences = np.abs(np.diff(frames.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    return bool((differences < STATIC_DIFFERENCE).all())


def cuts_by_clip(cuts: Sequence[Fraction], clip_s: Fraction, clips: int) -> list[list[Fraction]]:
    """Cut times (s) inside each clip; a cut at the very start of a clip is at its border, not inside."""
    inside: list[list[Fraction]] = [[] for _ in range(clips)]
    for cut in cuts:
        index = int(cut // clip_s)
        if index < clips and cut % clip_s:
            inside[index].append(cut)
    return inside
