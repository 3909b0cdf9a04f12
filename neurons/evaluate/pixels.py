"""What may be compared pixel by pixel, and PSNR."""

from __future__ import annotations

import numpy as np

from neurons.artifacts import InputError

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
