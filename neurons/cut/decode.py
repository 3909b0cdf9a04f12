"""One pass over a movie: chosen frames, their time stamps, scene cuts and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import numpy as np
from av.container import InputContainer

from neurons.cut.checks import Finding, Timeline, check_header, check_timeline
from neurons.cut.header import Header, open_movie, read_header
from neurons.cut.pictures import Fit, make_square, small_bgr, upright_rgb
from neurons.cut.sampling import FramePicker, clip_count, target_times


@dataclass(frozen=True)
class Sampling:
    """Which frames are wanted, and how they are stored (see `neurons.config.Cut`); times in s."""

    clip_s: Fraction
    frames_per_clip: int
    phase: Fraction
    size_px: int
    fit: Fit


@dataclass(frozen=True)
class Chosen:
    """The frames of a movie's clips.

    Attributes
    ----------
    frames
        uint8, shape (n, F, H, W, 3).
    time_s
        Wanted times, float64, shape (n, F).
    source_frame
        Number of the source frame, counted from 0 in the order of display, int64, shape (n, F).
    source_time_s
        Presentation time of the source frame, float64, shape (n, F).
    """

    frames: np.ndarray
    time_s: np.ndarray
    source_frame: np.ndarray
    source_time_s: np.ndarray


@dataclass(frozen=True)
class Decoded:
    """All that one pass over a movie gives."""

    chosen: Chosen
    header: Header
    timeline: Timeline
    findings: list[Finding]


class Watcher(Protocol):
    """Sees every frame as it is decoded."""

    def see(self, time: Fraction, pixels: np.ndarray) -> None:
        """Take the next frame: its time in s and its BGR pixels (H, W, 3) uint8."""


@dataclass
class _Shown:
    number: int
    time: Fraction
    frame: av.VideoFrame
    pixels: np.ndarray | None = None


class _Collector:
    """Keeps the pixels of the frames that targets ask for."""

    def __init__(self, sampling: Sampling, header: Header) -> None:
        self._sampling = sampling
        self._aspect = header.sample_aspect_ratio
        self.pixels: list[np.ndarray] = []
        self.rows: list[tuple[Fraction, int, Fraction]] = []
        self.too_early: list[Fraction] = []

    def take(self, targets: list[Fraction], shown: _Shown | None) -> None:
        if shown is None:
            self.too_early += targets
            return
        for target in targets:
            if shown.pixels is None:
                upright = upright_rgb(shown.frame)
                aspect = 1 / self._aspect if round(shown.frame.rotation / 90) % 2 else self._aspect
                shown.pixels = make_square(upright, self._sampling.size_px, self._sampling.fit, aspect)
            self.pixels.append(shown.pixels)
            self.rows.append((target, shown.number, shown.time))

    def chosen(self, clips: int) -> Chosen:
        per_clip, size = self._sampling.frames_per_clip, self._sampling.size_px
        kept = slice(clips * per_clip)
        shape = (clips, per_clip)
        rows = self.rows[kept]
        return Chosen(
            frames=np.array(self.pixels[kept], np.uint8).reshape(*shape, size, size, 3),
            time_s=np.array([float(target) for target, _, _ in rows], np.float64).reshape(shape),
            source_frame=np.array([number for _, number, _ in rows], np.int64).reshape(shape),
            source_time_s=np.array([float(time) for _, _, time in rows], np.float64).reshape(shape),
        )


def decode(path: Path, sampling: Sampling, watcher: Watcher | None = None) -> Decoded:
    """Decode a movie once and keep the frames shown at the wanted times.

    Parameters
    ----------
    path
        Movie file.
    watcher
        Sees every frame (for scene cuts), or None.

    Returns
    -------
    Decoded
        If a finding is an error, the chosen frames are those of no clip.

    Raises
    ------
    InputError
        If the file cannot be opened or has no usable video stream.
    """
    with open_movie(path) as container:
        header = read_header(container, path)
        timeline = Timeline()
        collector = _Collector(sampling, header)
        targets = target_times(sampling.clip_s, sampling.frames_per_clip, sampling.phase)
        picker = FramePicker(targets, sampling.phase, header.frame_duration)
        previous = None
        for shown in _displayed(container, header, timeline):
            collector.take(picker.served_before(shown.time), previous)
            if watcher is not None:
                watcher.see(shown.time, small_bgr(shown.frame))
            previous = shown
        clips = clip_count(timeline.end, header.frame_duration, sampling.clip_s)
        collector.take(picker.served_until(clips * sampling.clip_s), previous)
    findings = [*check_header(header), *check_timeline(timeline, header, sampling.clip_s, clips)]
    if collector.too_early:
        first = float(timeline.times[0]) if timeline.times else float("nan")
        findings.append(
            Finding(
                "error",
                "start_offset",
                f"nothing is shown yet at {len(collector.too_early)} of the wanted times "
                f"(until {float(collector.too_early[-1]):.3f} s): the first frame is shown at {first:.3f} s",
            )
        )
    usable = all(finding.level != "error" for finding in findings)
    return Decoded(collector.chosen(clips if usable else 0), header, timeline, findings)


def _displayed(container: InputContainer, header: Header, timeline: Timeline) -> Iterator[_Shown]:
    """Frames in order of display; what is unusual about them goes to the timeline."""
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1
    try:
        for frame in container.decode(stream):
            if frame.pts is None or frame.time_base is None:
                timeline.untimed += 1
                continue
            time = frame.pts * Fraction(frame.time_base) - header.start
            timeline.times.append(time)
            timeline.last_duration = _duration(frame, header)
            timeline.corrupt += frame.is_corrupt
            timeline.interlaced += frame.interlaced_frame
            timeline.rotations.add(frame.rotation)
            yield _Shown(len(timeline.times) - 1, time, frame)
    except av.error.FFmpegError as error:
        timeline.failure = str(error)


def _duration(frame: av.VideoFrame, header: Header) -> Fraction:
    return frame.duration * Fraction(frame.time_base) if frame.duration else header.frame_duration
