"""Clips as sources of annotations see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.annotate.backend import ClipView
from neurons.artifacts import TensorFile, locate, read_table


def clip_views(clips: Path, frames: Path) -> list[ClipView]:
    """The clips of a movie, in the order of its clip table.

    Parameters
    ----------
    clips, frames
        Clip table and frames of the stage `cut`.
    """
    table = read_table(clips, ["clip", "start_s", "end_s"])
    file = TensorFile(frames)
    rows = locate(list(table["clip"]), file.clip_ids, str(frames))
    pixels, times = file["frames"], file["source_time_s"]
    duration = float(file.metadata["frame_duration_s"])
    bounds = zip(
        table["clip"].tolist(), table["start_s"].tolist(), table["end_s"].tolist(), rows, strict=True
    )
    return [
        ClipView(clip, float(start), float(end), np.asarray(times[row]), duration, pixels[row])
        for clip, start, end, row in bounds
    ]
