"""Checks of a movie file, each with a level and a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Literal

from neurons.artifacts import InputError
from neurons.console import logger
from neurons.cut.header import Header

FRAMES_MISSING_AT_END = Fraction(3, 2)
"""A file whose last frames end this many frame durations before its header's duration is truncated."""

BLACK_LEVEL = 32
"""A frame whose brightest percent of pixels stays below this (of 255) shows nothing."""

STATIC_DIFFERENCE = 0.25
"""A clip whose frames differ by less than this mean absolute difference (of 255) does not change."""


@dataclass(frozen=True)
class Finding:
    """What a check found; an ``error`` stops the workflow, a ``warning`` is recorded."""

    level: Literal["error", "warning"]
    check: str
    message: str


@dataclass
class Timeline:
    """Frames of a movie in the order of decoding: times in s, and counts of what the decoder reported."""

    times: list[Fraction] = field(default_factory=list)
    last_duration: Fraction = Fraction(0)
    untimed: int = 0
    corrupt: int = 0
    interlaced: int = 0
    rotations: set[int] = field(default_factory=set)
    failure: str = ""

    @property
    def end(self) -> Fraction:
        """Time at which the last frame ends, in s."""
        return self.times[-1] + self.last_duration if self.times else Fraction(0)


def check_header(header: Header) -> Iterator[Finding]:
    """Properties of the picture that a player would handle and a decoder may not."""
    if header.start:
        yield Finding(
            "warning",
            "start_offset",
            f"time stamps begin at {float(header.start):.3f} s; times count from there, as in a player",
        )
    if header.sample_aspect_ratio != 1:
        yield Finding(
            "warning",
            "pixel_aspect",
            f"pixels are not square ({header.sample_aspect_ratio}); stored as they would be displayed",
        )
    if header.bit_depth != 8:
        yield Finding("warning", "bit_depth", f"{header.bit_depth} bits per component are reduced to 8")
    if header.colour_range == "jpeg":
        yield Finding(
            "warning", "colour_range", "full-range YUV (most movies have limited range); converted as stated"
        )


def check_timeline(timeline: Timeline, header: Header, clip_s: Fraction, clips: int) -> Iterator[Finding]:
    """Decoding problems, time stamps and duration."""
    yield from _check_decoding(timeline, header)
    if not timeline.times:
        yield Finding("error", "frames", "not a single frame could be decoded")
        return
    yield from _check_time_stamps(timeline, header)
    yield from _check_duration(timeline, header, clip_s, clips)


def _check_decoding(timeline: Timeline, header: Header) -> Iterator[Finding]:
    shown = len(timeline.times)
    if timeline.failure:
        yield Finding("error", "decoding", f"decoding stopped after {shown} frames: {timeline.failure}")
    if timeline.corrupt:
        yield Finding(
            "error", "corrupt_frames", f"the decoder calls {timeline.corrupt} of {shown} frames corrupt"
        )
    if timeline.untimed:
        yield Finding("error", "time_stamps", f"{timeline.untimed} frames have no presentation time")
    if timeline.interlaced:
        yield Finding(
            "warning",
            "interlaced",
            f"{timeline.interlaced} of {shown} frames are interlaced; they are used as they are",
        )
    if timeline.rotations - {0}:
        turned = ", ".join(f"{angle} degrees" for angle in sorted(timeline.rotations))
        level: Literal["error", "warning"] = "error" if any(a % 90 for a in timeline.rotations) else "warning"
        yield Finding(
            level,
            "rotation",
            f"the file asks players to turn the picture ({turned}); multiples of 90 are applied",
        )
    if header.frames is not None and header.frames != shown:
        yield Finding(
            "warning", "frame_count", f"the header announces {header.frames} frames, {shown} were decoded"
        )


def _check_time_stamps(timeline: Timeline, header: Header) -> Iterator[Finding]:
    times = timeline.times
    steps = [later - earlier for earlier, later in pairwise(times)]
    backward = [number for number, step in enumerate(steps, start=1) if step <= 0]
    if backward:
        yield Finding(
            "error",
            "time_stamps",
            f"time stamps repeat or go back at {len(backward)} frames, first at frame {backward[0]} "
            f"({float(times[backward[0]]):.3f} s); write the file anew at a constant frame rate",
        )
    if abs(times[0]) > header.frame_duration / 2:
        yield Finding(
            "warning",
            "start_offset",
            f"the first frame is shown {float(times[0]):.3f} s after playback begins, from where times count",
        )
    tolerance = max(header.frame_duration / 20, Fraction(101, 100) * header.time_base)
    uneven = [step for step in steps if abs(step - header.frame_duration) > tolerance]
    if uneven:
        yield Finding(
            "warning",
            "variable_frame_rate",
            f"{len(uneven)} of {len(steps)} frames are not shown for 1/{float(header.frame_rate):.5g} s "
            f"({float(min(uneven)):.4f} to {float(max(uneven)):.4f} s); frames are chosen by time",
        )


def _check_duration(timeline: Timeline, header: Header, clip_s: Fraction, clips: int) -> Iterator[Finding]:
    lasts = float(timeline.end)
    if (
        header.duration is not None
        and timeline.end < header.duration - FRAMES_MISSING_AT_END * header.frame_duration
    ):
        yield Finding(
            "error",
            "truncated",
            f"the header announces {float(header.duration):.3f} s, decoded frames end at {lasts:.3f} s: "
            "the file is truncated; fetch it again",
        )
    if clips == 0:
        yield Finding(
            "error", "duration", f"it lasts {lasts:.3f} s, less than one clip of {float(clip_s):g} s"
        )
        return
    rest = timeline.end - clips * clip_s
    if rest > header.frame_duration:
        yield Finding(
            "warning",
            "duration",
            f"it lasts {lasts:.3f} s, not a whole number of clips of {float(clip_s):g} s; "
            f"its last {float(rest):.3f} s belong to no clip",
        )


def check_clips(black: Sequence[str], static: Sequence[str]) -> Iterator[Finding]:
    """Clips, given by id, without content or without change."""
    if black:
        yield Finding("warning", "black", f"{len(black)} clips are black: {', '.join(black)}")
    if static:
        yield Finding("warning", "static", f"{len(static)} clips do not change: {', '.join(static)}")


def report(path: Path, findings: Sequence[Finding]) -> None:
    """Log warnings.

    Raises
    ------
    InputError
        Listing all errors, if there are any.
    """
    for finding in findings:
        if finding.level == "warning":
            logger.warning("%s: %s", path.name, finding.message)
    errors = [f"- {finding.check}: {finding.message}" for finding in findings if finding.level == "error"]
    if errors:
        raise InputError(f"movie {path} cannot be used:\n" + "\n".join(errors))
