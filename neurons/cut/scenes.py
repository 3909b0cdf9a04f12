"""Scene cuts, by PySceneDetect's content detector."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from scenedetect.common import FrameTimecode, Timecode
from scenedetect.detectors import ContentDetector

SHORTEST_SCENE_S = 0.5
TICKS_PER_S = 1_000_000


class CutFinder:
    """Finds abrupt changes of content in frames given one by one.

    Parameters
    ----------
    threshold
        Mean difference of hue, saturation and value (0-255) between neighbouring frames that counts as a cut.

    Attributes
    ----------
    cuts
        Times (s) of the first frames of new scenes, ascending.
    """

    def __init__(self, threshold: float) -> None:
        self._detector = ContentDetector(threshold=threshold, min_scene_len=SHORTEST_SCENE_S)
        self._times: dict[int, Fraction] = {}
        self.cuts: list[Fraction] = []

    def see(self, time: Fraction, pixels: np.ndarray) -> None:
        """Take the next frame: its time in s and its BGR pixels (H, W, 3) uint8."""
        ticks = round(time * TICKS_PER_S)
        self._times[ticks] = time
        timecode = FrameTimecode(Timecode(ticks, Fraction(1, TICKS_PER_S)), fps=float(TICKS_PER_S))
        self.cuts += [self._times[found.pts] for found in self._detector.process_frame(timecode, pixels)]
