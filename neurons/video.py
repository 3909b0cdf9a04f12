"""The one way to write a small video: H.264 in MP4, the same frames giving the same bytes."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from neurons.artifacts import atomic


def encode_mp4(frames: np.ndarray, frames_per_second: float, quality: int = 18) -> bytes:
    """Encode frames as an MP4 that browsers play.

    Parameters
    ----------
    frames
        uint8, shape (frames, height, width, 3), RGB; height and width even.
    frames_per_second
        In Hz.
    quality
        Constant rate factor of x264: 0 is lossless, 18 is visually so, 51 the worst.

    Raises
    ------
    ValueError
        If the shape or type is another one.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(
            f"frames must be uint8 (frames, height, width, 3), not {frames.dtype} {frames.shape}"
        )
    height, width = frames.shape[1:3]
    if height % 2 or width % 2:
        raise ValueError(f"height and width must be even, not {height} x {width}")
    rate = Fraction(frames_per_second).limit_denominator(1001)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_count = 1
        # The macroblock tree of x264 reads memory that was never written, so that its bytes differ from run to run.
        stream.options = {
            "crf": str(quality),
            "preset": "medium",
            "flags": "+bitexact",
            "threads": "1",
            "mbtree": "0",
        }
        for frame in frames:
            container.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24"))
            )
        container.mux(stream.encode())
    return buffer.getvalue()


def write_mp4(path: Path, frames: np.ndarray, frames_per_second: float, quality: int = 18) -> None:
    """Write `encode_mp4` of the frames to a file, atomically."""
    content = encode_mp4(frames, frames_per_second, quality)
    with atomic(path) as temporary:
        temporary.write_bytes(content)
