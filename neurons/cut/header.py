"""What the header of a movie file says, before anything is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.video.reformatter import ColorRange

from neurons.artifacts import InputError


@dataclass(frozen=True)
class Header:
    """Facts of the video stream.

    ``start`` is the presentation time, in s, at which playback of the file begins (the container's start,
    as players and ffmpeg have it): movie time 0. ``duration`` (s) and ``frames`` are None where the file
    does not say.
    """

    container: str
    codec: str
    pixel_format: str
    width: int
    height: int
    bit_depth: int
    frame_rate: Fraction
    time_base: Fraction
    start: Fraction
    duration: Fraction | None
    frames: int | None
    sample_aspect_ratio: Fraction
    colour_range: str

    @property
    def frame_duration(self) -> Fraction:
        """Nominal time that a frame is shown, in s."""
        return 1 / self.frame_rate


@contextmanager
def open_movie(path: Path) -> Iterator[InputContainer]:
    """Open a movie file.

    Raises
    ------
    InputError
        If the file is missing, empty, or no movie (an MP4 cut off before its index cannot be opened either).
    """
    if not path.is_file():
        raise InputError(
            f"movie {path} does not exist; check the column `stimulus` of the run table and study.root"
        )
    try:
        container = av.open(str(path), "r")
    except (av.error.FFmpegError, OSError) as error:
        raise InputError(
            f"movie {path} cannot be opened ({error}): it is truncated or not a movie. "
            f"It has {path.stat().st_size} bytes; fetch it again and compare the size."
        ) from error
    with container:
        yield container


def read_header(container: InputContainer, path: Path) -> Header:
    """Facts of the first video stream of an open movie.

    Raises
    ------
    InputError
        If there is no video stream, or it states no frame rate, size or pixel format.
    """
    streams = container.streams.video
    if not streams:
        raise InputError(f"movie {path} has no video stream")
    stream = streams[0]
    context = stream.codec_context
    rate = stream.average_rate or stream.guessed_rate
    if not rate or context.format is None or not context.width or not context.height:
        raise InputError(
            f"the header of movie {path} lacks a frame rate, a pixel format or a size (frame rate {rate}, "
            f"format {context.pix_fmt}, {context.width} x {context.height} px); write it anew with ffmpeg"
        )
    time_base = Fraction(stream.time_base or Fraction(1, av.time_base))
    duration = Fraction(stream.duration) * time_base if stream.duration else _container_duration(container)
    start = Fraction(container.start_time or 0, av.time_base)
    return Header(
        container=container.format.name,
        codec=context.name,
        pixel_format=str(context.pix_fmt),
        width=context.width,
        height=context.height,
        bit_depth=max(component.bits for component in context.format.components),
        frame_rate=Fraction(rate),
        time_base=time_base,
        start=_on_grid(start, time_base),
        duration=duration,
        frames=stream.frames or None,
        sample_aspect_ratio=Fraction(stream.sample_aspect_ratio or 1),
        colour_range=ColorRange(context.color_range).name.lower(),
    )


def _container_duration(container: InputContainer) -> Fraction | None:
    return Fraction(container.duration, av.time_base) if container.duration else None


def _on_grid(start: Fraction, time_base: Fraction) -> Fraction:
    """The container states its start in microseconds; the stream's own tick nearest to it is meant."""
    return round(start / time_base) * time_base
