"""Steps of the stage `cut`."""

from __future__ import annotations

from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import clip_id, provenance, write_json, write_table, write_tensors
from neurons.cut.checks import Finding, check_clips, report
from neurons.cut.content import cuts_by_clip, is_black, is_static
from neurons.cut.decode import Decoded, Sampling, decode
from neurons.cut.sampling import exact
from neurons.cut.scenes import CutFinder
from neurons.cut.settings import Cut


def clips(
    *, movie: str, video: Path, clip_s: float, settings: Cut, frames: Path, clips: Path, facts: Path
) -> None:
    """Take the frames of each clip of a movie, find scene cuts, and check the file.

    Parameters
    ----------
    movie
        Name of the movie; clips are called ``<movie>:<index>``.
    video
        Movie file.
    clip_s
        Length of a clip, in s.
    settings
        Section `cut` of the configuration.
    frames
        Frames and their time stamps (written, safetensors).
    clips
        Clip table (written, TSV).
    facts
        Facts of the file and results of the checks (written, JSON).

    Raises
    ------
    InputError
        If the file cannot be opened, is truncated, or its time stamps are unusable.
    """
    sampling = _sampling(settings, clip_s, settings.frames_per_clip, Fraction(settings.phase))
    finder = CutFinder(settings.cut_threshold)
    decoded = decode(video, sampling, finder)
    ids = [clip_id(movie, index) for index in range(len(decoded.chosen.frames))]
    black = [is_black(clip) for clip in decoded.chosen.frames]
    static = [is_static(clip) for clip in decoded.chosen.frames]
    findings = [
        *decoded.findings,
        *check_clips(
            [identity for identity, flag in zip(ids, black, strict=True) if flag],
            [identity for identity, flag in zip(ids, static, strict=True) if flag],
        ),
    ]
    report(video, findings)
    made_by = provenance(
        "cut clips", {"video": video}, {"clip_s": clip_s, **settings.model_dump(mode="json")}
    )
    _write_frames(frames, decoded, ids, made_by)
    cuts = cuts_by_clip(finder.cuts, sampling.clip_s, len(ids))
    table = pd.DataFrame(
        {
            "clip": ids,
            "movie": movie,
            "index": range(len(ids)),
            "start_s": [float(index * sampling.clip_s) for index in range(len(ids))],
            "end_s": [float((index + 1) * sampling.clip_s) for index in range(len(ids))],
            "scene_cuts": [len(inside) for inside in cuts],
            "cut_times_s": [",".join(f"{float(cut):.3f}" for cut in inside) for inside in cuts],
            "static": static,
            "black": black,
        }
    )
    write_table(clips, table, made_by)
    write_json(facts, _facts(movie, video, decoded, sampling, findings, finder.cuts), made_by)


def playback(*, movie: str, video: Path, clip_s: float, settings: Cut, playback: Path) -> None:
    """Take more frames per clip of a test movie, for the player of the report.

    Frames are taken from the middles of `playback_frames` equal intervals of each clip.

    Parameters
    ----------
    movie
        Name of the movie.
    video
        Movie file.
    clip_s
        Length of a clip, in s.
    settings
        Section `cut` of the configuration.
    playback
        Frames and their time stamps (written, safetensors).

    Raises
    ------
    InputError
        As `clips`.
    """
    sampling = _sampling(settings, clip_s, settings.playback_frames, Fraction(1, 2))
    decoded = decode(video, sampling)
    report(video, decoded.findings)
    ids = [clip_id(movie, index) for index in range(len(decoded.chosen.frames))]
    made_by = provenance(
        "cut playback", {"video": video}, {"clip_s": clip_s, **settings.model_dump(mode="json")}
    )
    _write_frames(playback, decoded, ids, made_by)


def _sampling(settings: Cut, clip_s: float, frames_per_clip: int, phase: Fraction) -> Sampling:
    return Sampling(exact(clip_s), frames_per_clip, phase, settings.frame_size_px, settings.fit)


def _write_frames(path: Path, decoded: Decoded, ids: list[str], made_by: dict[str, Any]) -> None:
    tensors: dict[str, np.ndarray] = {
        "frames": decoded.chosen.frames,
        "time_s": decoded.chosen.time_s,
        "source_frame": decoded.chosen.source_frame,
        "source_time_s": decoded.chosen.source_time_s,
    }
    write_tensors(path, tensors, made_by, ids, frame_duration_s=float(decoded.header.frame_duration))


def _facts(
    movie: str,
    video: Path,
    decoded: Decoded,
    sampling: Sampling,
    findings: list[Finding],
    cuts: list[Fraction],
) -> dict[str, Any]:
    header, timeline = decoded.header, decoded.timeline
    return {
        "movie": movie,
        "file": video.name,
        "container": header.container,
        "codec": header.codec,
        "pixel_format": header.pixel_format,
        "width_px": header.width,
        "height_px": header.height,
        "pixel_aspect": str(header.sample_aspect_ratio),
        "bit_depth": header.bit_depth,
        "colour_range": header.colour_range,
        "rotation_degrees": sorted(timeline.rotations),
        "frame_rate": str(header.frame_rate),
        "frame_rate_hz": float(header.frame_rate),
        "time_base": str(header.time_base),
        "playback_start_s": float(header.start),
        "first_frame_s": float(timeline.times[0]),
        "duration_s": float(timeline.end),
        "header_duration_s": None if header.duration is None else float(header.duration),
        "frames": len(timeline.times),
        "header_frames": header.frames,
        "clips": len(decoded.chosen.frames),
        "clip_s": float(sampling.clip_s),
        "unused_s": float(max(timeline.end - len(decoded.chosen.frames) * sampling.clip_s, Fraction(0))),
        "stored_frames": f"{sampling.size_px} x {sampling.size_px} px, {sampling.fit}, area filter",
        "scene_cuts_s": [round(float(cut), 3) for cut in cuts],
        "checks": [asdict(finding) for finding in findings],
    }
