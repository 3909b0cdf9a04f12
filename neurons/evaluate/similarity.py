"""Structural similarity (Wang et al. 2004) in the four forms that published tables call "SSIM".

They differ by up to a factor of two on one pair of images, so each has a name of its own. All are equal to
`skimage.metrics.structural_similarity` with the arguments named.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from neurons.artifacts import InputError

LUMA = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green, blue in grey (ITU-R BT.709, as scikit-image's `rgb2gray`)."""

K1, K2 = 0.01, 0.03
GAUSSIAN = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
"""Window of sigma 1.5 px, 11 taps."""


@dataclass(frozen=True)
class Similarity:
    """One form of SSIM, data range 1.

    Attributes
    ----------
    definition
        One sentence for the score table.
    taps
        The window along one direction; its weights are divided by their sum.
    colour
        Red, green and blue by themselves, their mean taken; else grey.
    across
        Whether the window is two-dimensional; else it runs along columns only.
    sample_covariance
        Divide by N - 1 instead of N, for N values in a window.
    size_px
        Height and width that frames are resized to first (bilinear).
    """

    definition: str
    taps: np.ndarray
    colour: bool = False
    across: bool = True
    sample_covariance: bool = False
    size_px: int | None = None

    def planes(self, image: np.ndarray) -> np.ndarray:
        """An image (H, W, 3), uint8, as float64 in [0, 1]: (H', W', 3), or (H', W') in grey."""
        planes = image / 255 if self.colour else image @ LUMA / 255
        if self.size_px is None:
            return planes
        return cv2.resize(planes, (self.size_px, self.size_px), interpolation=cv2.INTER_LINEAR)

    def filtered(self, planes: np.ndarray) -> np.ndarray:
        """Weighted local means, where the whole window lies in the image; shape (H', W') or (H', W', 3)."""
        weights = self.taps / self.taps.sum()
        edge = len(weights) // 2
        height, width = planes.shape[:2]
        row = weights if self.across else np.ones(1)
        means = cv2.sepFilter2D(planes, cv2.CV_64F, row, weights)[edge : height - edge]
        return means[:, edge : width - edge] if self.across else means

    def check(self, frames: np.ndarray) -> None:
        """Refuse frames that are smaller than the window.

        Raises
        ------
        InputError
            Saying both sizes.
        """
        height, width = frames.shape[2:4]
        if self.size_px is None and min(height, width) < len(self.taps):
            raise InputError(
                f"frames of {height} x {width} px are smaller than the {len(self.taps)} x {len(self.taps)} window of SSIM"
            )


FORMS = {
    "ssim_gray2d": Similarity(
        "SSIM of grey frames: two-dimensional Gaussian window (sigma 1.5 px, 11 x 11), data range 1.",
        GAUSSIAN,
    ),
    "ssim_columns": Similarity(
        "SSIM along the columns of grey frames (one-dimensional Gaussian window, 11 px), as NEURONS and NeuroClips report"
        " it.",
        GAUSSIAN,
        across=False,
    ),
    "ssim_rgb7": Similarity(
        "SSIM of red, green and blue, 7 x 7 uniform window, sample covariance, as MinD-Video and Mind-Animator report it.",
        np.ones(7),
        colour=True,
        sample_covariance=True,
    ),
    "ssim_gray425": Similarity(
        "SSIM of grey frames resized to 425 x 425 px (bilinear), two-dimensional Gaussian window, as MindEye2's"
        " evaluation computes it with scikit-image 0.26 (with old versions: along columns).",
        GAUSSIAN,
        size_px=425,
    ),
}


@dataclass(frozen=True)
class Moments:
    """An image with its windowed mean, the square of that, and its windowed variance."""

    plane: np.ndarray
    mean: np.ndarray
    mean_square: np.ndarray
    variance: np.ndarray


def ssim(
    form: Similarity, truth: np.ndarray, prediction: np.ndarray, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    """Structural similarity of pairs of clips.

    Parameters
    ----------
    truth, prediction
        uint8, shape (clips, frames, height, width, 3).
    i, j
        Truths and predictions to compare, shape (pairs,). Windowed means are computed once for each clip among them.

    Returns
    -------
    numpy.ndarray
        float64, shape (pairs, frames).
    """
    form.check(truth)
    frames = [_of_images(form, truth[:, f], prediction[:, f], i, j) for f in range(truth.shape[1])]
    return np.stack(frames, 1)


def _of_images(
    form: Similarity, truth: np.ndarray, prediction: np.ndarray, i: np.ndarray, j: np.ndarray
) -> np.ndarray:
    first, x = _moments(form, truth, i)
    second, y = _moments(form, prediction, j)
    count = len(form.taps) ** (2 if form.across else 1)
    unbiased = count / (count - 1) if form.sample_covariance else 1.0
    return np.array([_similarity(form, x[a], y[b], unbiased) for a, b in zip(first, second, strict=True)])


def _similarity(form: Similarity, x: Moments, y: Moments, unbiased: float) -> float:
    product = x.mean * y.mean
    covariance = form.filtered(x.plane * y.plane)
    covariance -= product
    value = (2 * product + K1**2) * (2 * unbiased * covariance + K2**2)
    value /= x.mean_square + y.mean_square + K1**2
    value /= unbiased * (x.variance + y.variance) + K2**2
    return float(value.mean())


def _moments(form: Similarity, images: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, list[Moments]]:
    unique, back = np.unique(rows, return_inverse=True)
    found = []
    for row in unique:
        plane = form.planes(images[row])
        mean = form.filtered(plane)
        square = mean**2
        found.append(Moments(plane, mean, square, form.filtered(plane**2) - square))
    return back, found
