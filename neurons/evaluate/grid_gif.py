"""What released evaluators score: truth and prediction side by side in a GIF, read back and split in the middle.

The grid has a black border of 2 px around and between its two pictures, so that splitting in the middle leaves 3 px of
border in width, and shifts the two pictures against each other by 1 px; one palette of 256 colours serves both.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

BORDER_PX = 2


def round_trip(truth: np.ndarray, prediction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction after the grid and the GIF.

    Each frame is a GIF of its own, so that equal neighbouring frames stay apart.

    Parameters
    ----------
    truth, prediction
        uint8, shape (clips, frames, height, width, 3).

    Returns
    -------
    tuple
        uint8, shapes (clips, frames, height + 4, width + 3, 3).
    """
    clips, frames, height, width, _ = truth.shape
    halves = np.empty((2, clips, frames, height + 2 * BORDER_PX, width + 3 * BORDER_PX // 2, 3), np.uint8)
    for c in range(clips):
        for f in range(frames):
            shown = _through_gif(_grid(truth[c, f], prediction[c, f]))
            middle = shown.shape[1] // 2
            halves[0, c, f], halves[1, c, f] = shown[:, :middle], shown[:, middle:]
    return halves[0], halves[1]


def _grid(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    height, width, _ = left.shape
    grid = np.zeros((height + 2 * BORDER_PX, 2 * width + 3 * BORDER_PX, 3), np.uint8)
    for column, picture in enumerate((left, right)):
        start = BORDER_PX + column * (width + BORDER_PX)
        grid[BORDER_PX : BORDER_PX + height, start : start + width] = picture
    return grid


def _through_gif(picture: np.ndarray) -> np.ndarray:
    stream = BytesIO()
    Image.fromarray(picture).quantize(256).save(stream, format="GIF")
    return np.array(Image.open(stream).convert("RGB"))
