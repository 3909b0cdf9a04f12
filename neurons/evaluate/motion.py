"""Motion: dense optical flow between neighbouring frames."""

from __future__ import annotations

import cv2
import numpy as np

from neurons.evaluate.blocks import products

FARNEBACK = (0.5, 3, 15, 3, 5, 1.2, 0)
"""Parameters of OpenCV's Farneback flow, those in use in the field: pyramid scale, levels, window, iterations, polynomial
neighbourhood and sigma, flags."""


def optical_flow(frames: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Optical flow (Farneback 2003) between neighbouring frames, in px per s.

    Parameters
    ----------
    frames
        uint8, RGB, shape (clips, frames, height, width, 3).
    time_s
        Times of the frames, in s, shape (clips, frames), ascending.

    Returns
    -------
    numpy.ndarray
        float32, shape (clips, frames - 1, height, width, 2): x (right) and y (down).
    """
    clips, count, height, width, _ = frames.shape
    flow = np.zeros((clips, count - 1, height, width, 2), dtype=np.float32)
    for clip in range(clips):
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in np.ascontiguousarray(frames[clip])]
        for f in range(count - 1):
            # Between equal frames Farneback finds up to 0.1 px of motion near borders.
            if np.array_equal(grey[f], grey[f + 1]):
                continue
            step_s = time_s[clip, f + 1] - time_s[clip, f]
            flow[clip, f] = cv2.calcOpticalFlowFarneback(grey[f], grey[f + 1], None, *FARNEBACK) / step_s
    return flow


def end_point_error(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Length of the difference of two flows, mean over pixels and frame pairs, in the flows' unit; shape (pairs,)."""
    difference = truth - prediction
    return np.hypot(difference[..., 0], difference[..., 1]).mean((1, 2, 3), dtype=np.float64)


def moves(flow: np.ndarray) -> np.ndarray:
    """Whether a clip's flow varies at all, so that a correlation with it is defined; bool, shape (clips,)."""
    flat = flow.reshape(len(flow), -1)
    return flat.max(1) > flat.min(1)


def flow_correlation(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Pearson correlation of all pairs of flows over components, pixels and frame pairs; a constant flow gives 0.

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips).
    """
    return products(truth, prediction, _standardised)


def flow_direction(
    truth: np.ndarray, prediction: np.ndarray, slowest: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine of the angle between true and predicted motion, where the truth moves; all pairs of clips.

    Parameters
    ----------
    truth, prediction
        Flows as from `optical_flow`, (clips, frames - 1, height, width, 2).
    slowest
        Speed, in the flows' unit, above which a pixel counts as moving.

    Returns
    -------
    tuple
        Mean cosine over moving pixels of truth i, float64 (clips, clips), a prediction that stands still there counts 0;
        and whether truth i has moving pixels, bool (clips,).
    """

    def directions(flow: np.ndarray) -> np.ndarray:
        speed = np.linalg.norm(flow.astype(np.float64), axis=-1, keepdims=True)
        return np.divide(flow, speed, out=np.zeros(flow.shape), where=speed > slowest)

    moving = np.array([(np.hypot(flow[..., 0], flow[..., 1]) > slowest).sum() for flow in truth])
    return products(truth, prediction, directions) / np.maximum(moving, 1)[:, None], moving > 0


def _standardised(flow: np.ndarray) -> np.ndarray:
    flat = flow.reshape(len(flow), -1).astype(np.float64)
    flat -= flat.mean(1, keepdims=True)
    norm = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.divide(flat, norm, out=np.zeros_like(flat), where=norm > 0)
