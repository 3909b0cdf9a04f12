"""SSIM and PSNR of pairs of videos."""

from __future__ import annotations

import numpy as np

from neurons.artifacts import InputError

LUMA = np.array([0.2125, 0.7154, 0.0721])
"""Weights of red, green, blue in grey (ITU-R BT.709, as scikit-image's `rgb2gray`)."""

SIGMA_PX, RADIUS_PX = 1.5, 5
K1, K2 = 0.01, 0.03
PSNR_CAP_DB = 100.0


def check_videos(truth: np.ndarray, prediction: np.ndarray, where: str) -> None:
    """Refuse videos that are not uint8, or whose frames differ from the truth's in number or size.

    Parameters
    ----------
    truth, prediction
        Shape (clips, frames, height, width, 3).
    where
        File of the prediction, for the message.

    Raises
    ------
    InputError
        Saying both shapes.
    """
    if truth.dtype != np.uint8 or prediction.dtype != np.uint8:
        raise InputError(
            f"{where}: frames must be uint8; truth is {truth.dtype}, prediction is {prediction.dtype}"
        )
    if truth.ndim != 5 or truth.shape[-1] != 3 or truth.shape[1:] != prediction.shape[1:]:
        raise InputError(
            f"{where}: predicted frames {prediction.shape[1:]} and true frames {truth.shape[1:]} must agree in"
            " (frames, height, width, 3); nothing is resized. Set cut.frame_size_px to the size of the reconstructed videos"
        )


def psnr(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio of frames, in dB, over all pixels and channels, at most `PSNR_CAP_DB`.

    Parameters
    ----------
    truth, prediction
        uint8, shape (..., height, width, 3).

    Returns
    -------
    numpy.ndarray
        float64, shape (...).
    """
    difference = truth.astype(np.int32) - prediction
    error = np.square(difference, out=difference).mean((-3, -2, -1))
    with np.errstate(divide="ignore"):
        return np.minimum(10 * np.log10(255.0**2 / error), PSNR_CAP_DB)


def grey(frames: np.ndarray) -> np.ndarray:
    """Grey frames in [0, 1], float64, without the channel axis."""
    return frames @ LUMA / 255


class WindowedMoments:
    """Grey frames with their Gaussian-windowed means and variances, so that many pairs can be compared.

    Parameters
    ----------
    frames
        uint8, shape (clips, frames, height, width, 3).

    Raises
    ------
    InputError
        If frames are smaller than the 11 x 11 window.
    """

    def __init__(self, frames: np.ndarray) -> None:
        height, width = frames.shape[2:4]
        if min(height, width) <= 2 * RADIUS_PX:
            raise InputError(f"frames of {height} x {width} px are smaller than the 11 x 11 window of SSIM")
        self.down, self.across = gaussian_rows(height), gaussian_rows(width).T
        self.frames = grey(frames)
        self.mean = self.filtered(self.frames)
        self.variance = self.filtered(self.frames**2) - self.mean**2

    def filtered(self, images: np.ndarray) -> np.ndarray:
        """Gaussian-weighted local means, where the whole window lies in the image."""
        return self.down @ images @ self.across


def gaussian_rows(length: int) -> np.ndarray:
    """Matrix of the one-dimensional Gaussian window at each place, shape (length - 10, length)."""
    taps = np.exp(-0.5 * (np.arange(-RADIUS_PX, RADIUS_PX + 1) / SIGMA_PX) ** 2)
    places = length - 2 * RADIUS_PX
    matrix = np.zeros((places, length))
    for place in range(places):
        matrix[place, place : place + len(taps)] = taps / taps.sum()
    return matrix


def ssim(truth: WindowedMoments, prediction: WindowedMoments, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    """Structural similarity (Wang et al. 2004) of grey frames: Gaussian window, population covariance, data range 1.

    Parameters
    ----------
    i, j
        Truths and predictions to compare, shape (pairs,).

    Returns
    -------
    numpy.ndarray
        float64, shape (pairs, frames).
    """
    x, y = truth.mean[i], prediction.mean[j]
    product = x * y
    covariance = truth.filtered(truth.frames[i] * prediction.frames[j]) - product
    value = (2 * product + K1**2) * (2 * covariance + K2**2)
    value /= x**2 + y**2 + K1**2
    value /= truth.variance[i] + prediction.variance[j] + K2**2
    return value.mean((-2, -1))
