"""Decoded frames to pixels of the stored size."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation

CONVERSION = (
    Interpolation.BILINEAR
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)
"""With these, and not without, RGB values are within 1/2 of what the YUV matrix gives, on any machine."""

DETECTION_WIDTH_PX = 256

Fit = Literal["crop", "stretch"]


def upright_rgb(frame: av.VideoFrame) -> np.ndarray:
    """RGB pixels (H, W, 3) uint8 of a frame, turned as the file's display matrix says (multiples of 90
    degrees).

    YUV is converted with the matrix and range that the file states (BT.601, limited range where it states
    none).
    """
    pixels = frame.to_ndarray(format="rgb24", interpolation=CONVERSION, threads=1)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def small_bgr(frame: av.VideoFrame) -> np.ndarray:
    """BGR pixels at most about 256 px wide, for scene detection."""
    divisor = max(1, frame.width // DETECTION_WIDTH_PX)
    return frame.to_ndarray(
        width=frame.width // divisor,
        height=frame.height // divisor,
        format="bgr24",
        interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
        threads=1,
    )


def make_square(pixels: np.ndarray, size_px: int, fit: Fit, pixel_aspect: Fraction) -> np.ndarray:
    """Resize a picture to a square.

    Parameters
    ----------
    pixels
        uint8, shape (H, W, 3).
    size_px
        Width and height of the result.
    fit
        ``crop``: the largest square (as displayed) in the middle; ``stretch``: everything, distorted.
    pixel_aspect
        Displayed width of a pixel over its displayed height.

    Returns
    -------
    numpy.ndarray
        uint8, shape (size_px, size_px, 3). Filter: area (each result pixel is the mean of what it covers);
        where the picture is smaller than the result, OpenCV's area filter interpolates.
    """
    if fit == "crop":
        pixels = _central_square(pixels, pixel_aspect)
    if pixels.shape[:2] == (size_px, size_px):
        return pixels
    return cv2.resize(pixels, (size_px, size_px), interpolation=cv2.INTER_AREA)


def _central_square(pixels: np.ndarray, pixel_aspect: Fraction) -> np.ndarray:
    height, width = pixels.shape[:2]
    side = min(Fraction(height), width * pixel_aspect)
    rows, columns = round(side), round(side / pixel_aspect)
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]
