"""Signs that a score does not mean what it seems to: leaks, collapse, too good to be true.

Every check has a result for everything it looked at, so that "nothing found" is a statement and not an absence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pandas as pd

from neurons.evaluate.pixels import psnr

COPY_DB = 40.0
"""Peak signal-to-noise ratio from which on a predicted clip counts as a copy of its truth."""
THUMBNAIL_PX = 16
SAME_LEVELS = 2.0
"""Clips whose thumbnails differ by less than this many grey levels on average count as the same."""
COLLAPSED = 0.1
"""Share of clips with one and the same prediction from which on there is an alarm."""

ALARMS = ["alarm", "variant", "subject", "raised", "count", "of", "what", "clips"]


@dataclass(frozen=True)
class Finding:
    """Result of one check: a row of the table of alarms.

    Attributes
    ----------
    alarm
        Name of the check.
    raised
        Whether a reader should worry.
    count, of
        How many clips (or metrics, or files) of how many are concerned.
    what
        One sentence.
    clips
        Up to five of them.
    """

    alarm: str
    raised: bool
    count: int
    of: int
    what: str
    clips: Sequence[str] = ()

    def row(self, variant: str, subject: str) -> dict[str, Any]:
        """As a row with the columns `ALARMS`."""
        return {
            "alarm": self.alarm, "variant": variant, "subject": subject, "raised": self.raised, "count": self.count,
            "of": self.of, "what": self.what, "clips": ", ".join(self.clips[:5]),
        }  # fmt: skip


def thumbnails(frames: np.ndarray) -> np.ndarray:
    """Small copies of clips: float32, shape (clips, frames * 16 * 16 * 3), in grey levels."""
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    flat = frames.reshape(-1, *frames.shape[2:])
    small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in flat])
    return small.reshape(len(frames), -1).astype(np.float32)


def copies(truth: np.ndarray, prediction: np.ndarray, ids: Sequence[str]) -> Finding:
    """Predictions that equal their truth.

    Parameters
    ----------
    truth, prediction
        uint8, shape (clips, frames, height, width, 3).
    """
    found = [ids[int(i)] for i in np.flatnonzero(psnr(truth, prediction).mean(1) >= COPY_DB)]
    what = f"clips whose prediction equals the truth (at least {COPY_DB:g} dB)"
    return Finding("prediction equals truth", bool(found), len(found), len(ids), what, found)


def repeats(prediction: np.ndarray, ids: Sequence[str]) -> Finding:
    """The largest group of clips with one and the same prediction."""
    near = _same(thumbnails(prediction), thumbnails(prediction))
    largest = near[near.sum(1).argmax()]
    found = [ids[int(i)] for i in np.flatnonzero(largest)]
    share = len(found) / len(ids)
    what = f"clips are the largest group with one prediction (thumbnails differ by less than {SAME_LEVELS:g} grey levels)"
    return Finding(
        "identical predictions", len(found) > 1 and share >= COLLAPSED, len(found), len(ids), what, found
    )


def seen_in_training(
    test: np.ndarray, ids: Sequence[str], training: np.ndarray, training_ids: Sequence[str]
) -> Finding:
    """Test clips that look like a training clip, frame by frame."""
    near = _same(thumbnails(test), thumbnails(training))
    found = [f"{ids[int(i)]} = {training_ids[int(near[i].argmax())]}" for i in np.flatnonzero(near.any(1))]
    shared = sorted(set(ids) & set(training_ids))
    what = "test clips whose picture is also in a training clip"
    if shared:
        found, what = shared, "test clips that are also training clips, by their id"
    return Finding("test clip in training", bool(found), len(found), len(ids), what, found)


def above_ceiling(scores: pd.DataFrame, ceiling: pd.DataFrame) -> Finding:
    """Metrics whose interval lies wholly above the oracle's.

    Parameters
    ----------
    scores, ceiling
        Rows of the score table of a prediction, and of the oracle.
    """
    both = scores.merge(ceiling, on="metric", suffixes=("", "_oracle"))
    rising = both[both["higher_is_better"].astype(str) == "True"]
    above = rising[rising["low"] > rising["high_oracle"]]
    what = "metrics above the oracle, which has the true captions, masks, blurry videos and control images"
    return Finding(
        "score above ceiling", len(above) > 0, len(above), len(rising), what, list(above["metric"])
    )


def trained_on_test(read: Mapping[str, str], test: Mapping[str, str]) -> Finding:
    """Files of test movies among those that a model was made from.

    Parameters
    ----------
    read
        Content hash of each file that the model, or what it was made from, says it read, by name.
    test
        Content hash of each file of test movies, by name.
    """
    known = {content: name for name, content in test.items()}
    found = [known[content] for content in read.values() if content in known]
    what = (
        "files of test movies among those that models were trained, selected or calibrated with (by content)"
    )
    return Finding("test data in training", bool(found), len(found), len(read), what, found)


def crossing_cuts(cuts: np.ndarray, ids: Sequence[str]) -> Finding:
    """Clips that hold a scene cut: a clip is described and reconstructed as one scene.

    Parameters
    ----------
    cuts
        Number of cuts inside each clip.
    """
    found = [ids[int(i)] for i in np.flatnonzero(cuts)]
    what = "clips hold a scene cut; the break-down has the scores with and without them"
    return Finding("clips across cuts", False, len(found), len(ids), what, found)


def _same(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    near = np.zeros((len(x), len(y)), dtype=bool)
    for i, row in enumerate(x):
        near[i] = np.abs(y - row).mean(1) < SAME_LEVELS
    return near
