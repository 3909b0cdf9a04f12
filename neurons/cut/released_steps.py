"""The step of `cut` that takes the frames of released arrays instead of decoding movies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from neurons.artifacts import (
    TensorFile,
    clip_id,
    hash_bytes,
    provenance,
    write_json,
    write_table,
    write_tensors,
)
from neurons.cut.checks import check_clips, report
from neurons.cut.content import is_black, is_static
from neurons.cut.settings import Cut
from neurons.released import frames_of, open_array


def released(
    *,
    array: Path,
    movie: str,
    first_clip: int,
    count: int,
    clip_s: float,
    settings: Cut,
    frames: Path,
    clips: Path,
    facts: Path,
) -> None:
    """Take the clips of one movie out of a released array of frames; only its rows are read.

    Scene cuts are not looked for (3 frames per second are too few). Time stamps are those of evenly spaced frames at
    `settings.phase`: how the release chose them is not documented.

    Parameters
    ----------
    array
        Frames (clips, F, 3, H, W) in [0, 1], ``.pt``.
    movie
        Name of the movie.
    first_clip, count
        Its rows.
    clip_s
        Length of a clip, in s.
    settings
        Section `cut`; frame size and frames per clip must be those of the array.
    frames
        Frames and their time stamps (written, safetensors).
    clips
        Clip table (written, TSV).
    facts
        Results of the checks (written, JSON).
    """
    pictures = frames_of(open_array(array, 5), first_clip, count, settings.frame_size_px, array)
    ids = [clip_id(movie, index) for index in range(count)]
    per_clip = pictures.shape[1]
    within = (np.arange(per_clip) + settings.phase) * clip_s / per_clip
    times = np.arange(count)[:, None] * clip_s + within
    black, static = ([test(clip) for clip in pictures] for test in (is_black, is_static))
    findings = list(
        check_clips(
            [name for name, flag in zip(ids, black, strict=True) if flag],
            [name for name, flag in zip(ids, static, strict=True) if flag],
        )
    )
    report(array, findings)
    parameters = {
        "file": array.name,
        "first_clip": first_clip,
        "clip_s": clip_s,
        "rows_hash": hash_bytes(np.ascontiguousarray(pictures).data.cast("B")),
        **settings.model_dump(mode="json"),
    }
    made_by = provenance("cut released", {}, parameters)
    number = np.arange(count * per_clip).reshape(count, per_clip)
    tensors = {"frames": pictures, "time_s": times, "source_frame": number, "source_time_s": times}
    write_tensors(frames, tensors, made_by, ids, frame_duration_s=clip_s / per_clip)
    starts = np.arange(count) * clip_s
    table = pd.DataFrame(
        {
            "clip": ids, "movie": movie, "index": range(count), "start_s": starts, "end_s": starts + clip_s,
            "scene_cuts": 0, "cut_times_s": "", "static": static, "black": black,
        }
    )  # fmt: skip
    write_table(clips, table, made_by)
    checks = [
        {"level": finding.level, "check": finding.check, "message": finding.message} for finding in findings
    ]
    content = {"movie": movie, "file": array.name, "clips": count, "clip_s": clip_s, "checks": checks}
    write_json(facts, content, made_by)


def released_playback(*, frames: Path, playback: Path) -> None:
    """Give the report's player the frames that there are: released arrays have no others.

    Parameters
    ----------
    frames
        From `released`.
    playback
        The same frames and time stamps (written, safetensors).
    """
    file = TensorFile(frames)
    tensors = {name: file[name] for name in file.names}
    made_by = provenance("cut released_playback", {"frames": frames})
    write_tensors(
        playback, tensors, made_by, file.clip_ids, frame_duration_s=file.metadata["frame_duration_s"]
    )
