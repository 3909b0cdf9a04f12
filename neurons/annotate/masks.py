"""Stored masks to masks of the wanted size."""

from __future__ import annotations

import cv2
import numpy as np

from neurons.artifacts import InputError


def shrink_masks(masks: np.ndarray, size_px: int) -> np.ndarray:
    """Masks on a coarser grid: a pixel belongs to the object if at least half of it is covered.

    Parameters
    ----------
    masks
        bool, shape (n, H, W), square as the stored frames are.
    size_px
        Width and height of the result.

    Returns
    -------
    numpy.ndarray
        bool, shape (n, size_px, size_px).

    Raises
    ------
    InputError
        If the masks are not square, or smaller than the result.
    """
    height, width = masks.shape[1:]
    if height != width or height < size_px:
        raise InputError(
            f"masks are {width} x {height} px (width x height), expected squares of at least {size_px} px "
            "(annotate.mask_size_px); annotate frames as they are stored by `cut`, or lower mask_size_px"
        )
    if height == size_px or not len(masks):
        return masks.reshape(len(masks), size_px, size_px)
    covered = [
        cv2.resize(mask.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_AREA)
        for mask in masks
    ]
    return np.array(covered) >= 0.5


def nearest_times(wanted_s: np.ndarray, available_s: np.ndarray, tolerance_s: float) -> np.ndarray:
    """Positions in `available_s` of the times nearest to `wanted_s`.

    Parameters
    ----------
    wanted_s, available_s
        Times in s, shapes (F,) and (T,); `available_s` ascending.
    tolerance_s
        Largest allowed distance.

    Returns
    -------
    numpy.ndarray
        int64, shape (F,).

    Raises
    ------
    InputError
        If a wanted time has none within the tolerance.
    """
    after = np.clip(np.searchsorted(available_s, wanted_s), 1, max(len(available_s) - 1, 1))
    before = after - 1
    if len(available_s) == 1:
        after = before
    nearest = np.where(wanted_s - available_s[before] <= available_s[after] - wanted_s, before, after)
    distance = np.abs(available_s[nearest] - wanted_s)
    if (distance > tolerance_s).any():
        listed = ", ".join(f"{time:.3f}" for time in wanted_s[distance > tolerance_s])
        raise InputError(f"no masks within {tolerance_s:.4f} s (half a frame) of the frames at {listed} s")
    return nearest.astype(np.int64)
