"""Movies whose every frame carries its own number, written as real files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

SIZE_PX = 64
GRID = 4
BLOCK_PX = SIZE_PX // GRID


def numbered(number: int) -> np.ndarray:
    """A picture (64, 64, 3) that shows `number` in binary, as a grid of dark and bright blocks."""
    bits = np.array([number >> place & 1 for place in range(GRID * GRID)], np.uint8)
    grey = np.kron(bits.reshape(GRID, GRID), np.ones((BLOCK_PX, BLOCK_PX), np.uint8)) * 170 + 40
    return np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)


def number_of(picture: np.ndarray) -> int:
    """The number that a picture made by `numbered` shows, at any size and after compression."""
    size = picture.shape[0] // GRID
    grey = picture.astype(float).mean(axis=2).reshape(GRID, size, GRID, size)
    bits = grey[:, size // 4 : -size // 4 or None, :, size // 4 : -size // 4 or None].mean(axis=(1, 3)) > 125
    return sum(int(bit) << place for place, bit in enumerate(bits.ravel()))


def write(
    path: Path,
    pictures: Iterable[np.ndarray],
    rate: Fraction = Fraction(30),
    times: Sequence[Fraction] | None = None,
    time_base: Fraction | None = None,
    pixel_format: str = "yuv420p",
    pixel_aspect: Fraction | None = None,
    faststart: bool = False,
    preset: str = "ultrafast",
) -> Path:
    """Write an H.264 file; `times` (s) default to a constant rate."""
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as container:
        stream = None
        for count, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"preset": preset, "crf": "12"})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixel_format
                stream.codec_context.time_base = stream.time_base = time_base or 1 / rate
                if pixel_aspect:
                    stream.codec_context.sample_aspect_ratio = pixel_aspect
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            time = Fraction(count) / rate if times is None else times[count]
            frame.time_base = time_base or 1 / rate
            frame.pts = round(time / frame.time_base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def write_movie(tmp_path: Path) -> Callable[..., Path]:
    """Write a movie called `name` into the test's folder; see `write`."""

    def make(name: str, pictures: Iterable[np.ndarray], **options: object) -> Path:
        return write(tmp_path / name, pictures, **options)

    return make


@pytest.fixture
def write_numbered(write_movie: Callable[..., Path]) -> Callable[..., Path]:
    """Write a movie of `frames` numbered frames."""

    def make(name: str, frames: int, **options: object) -> Path:
        return write_movie(name, (numbered(number) for number in range(frames)), **options)

    return make


@pytest.fixture
def numbered_picture() -> Callable[[int], np.ndarray]:
    """See `numbered`."""
    return numbered


@pytest.fixture
def read_number() -> Callable[[np.ndarray], int]:
    """See `number_of`."""
    return number_of
