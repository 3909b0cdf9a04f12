"""Hue of simultaneous frames, compared as the angle that it is and as released code does."""

from __future__ import annotations

import cv2
import numpy as np

from neurons.evaluate.blocks import products


def hue_angles(frames: np.ndarray) -> np.ndarray:
    """Hue of each pixel in radians, NaN for grey pixels, which have none.

    Parameters
    ----------
    frames
        uint8, RGB, shape (..., height, width, 3).

    Returns
    -------
    numpy.ndarray
        float64, shape (..., height, width), in [0, 2 pi).
    """
    values = frames.astype(np.float64)
    red, green, blue = np.moveaxis(values, -1, 0)
    largest = values.max(-1)
    spread = largest - values.min(-1)
    safe = np.where(spread > 0, spread, 1.0)
    sector = np.select(
        [largest == red, largest == green],
        [((green - blue) / safe) % 6, (blue - red) / safe + 2],
        (red - green) / safe + 4,
    )
    return np.where(spread > 0, sector * (np.pi / 3), np.nan)


def circular_correlation(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Circular correlation of the hues of simultaneous frames (Jammalamadaka and SenGupta 2001), all pairs of clips.

    ``sum sin(a - mean a) sin(b - mean b)`` over pixels, divided by the root of both sums of squares; mean over frames. Grey
    pixels count with the mean hue; a frame of one hue correlates with nothing (0).

    Parameters
    ----------
    truth, prediction
        uint8, RGB, shape (clips, frames, height, width, 3).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips), in [-1, 1].
    """
    return products(truth, prediction, _hue_deviations) / truth.shape[1]


def _hue_deviations(clips: np.ndarray) -> np.ndarray:
    angles = hue_angles(clips)
    mean = np.arctan2(np.nansum(np.sin(angles), (2, 3)), np.nansum(np.cos(angles), (2, 3)))
    deviations = np.nan_to_num(np.sin(angles - mean[..., None, None])).reshape(*angles.shape[:2], -1)
    return _unit(np.where(np.abs(deviations) < 1e-9, 0.0, deviations))


def hue_cosine(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Cosine of uncentred hue planes, mean over frames, as Mind-Animator's "hue-pcc" computes it; all pairs of clips.

    Hue is OpenCV's 8-bit hue, taken as if red were blue (the released code converts RGB data as BGR).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips), in [0, 1]; frames without any hue count 0.
    """
    return products(truth, prediction, _hue_planes) / truth.shape[1]


def _hue_planes(clips: np.ndarray) -> np.ndarray:
    single = np.ascontiguousarray(clips.reshape(-1, *clips.shape[2:]))
    hue = np.stack([cv2.cvtColor(frame, cv2.COLOR_BGR2HSV)[..., 0] for frame in single])
    return _unit(hue.reshape(*clips.shape[:2], -1).astype(np.float64))


def _unit(vectors: np.ndarray) -> np.ndarray:
    norm = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, norm, out=np.zeros_like(vectors), where=norm > 0)
