"""The released evaluators restated plainly, one clip, one pair of frames and one draw at a time: slow on purpose.

Written from the description of what they compute (three classes of the truth, SSIM along columns, all pairs of frames, a
second sigmoid), not from their code. Two things stand on it: `tests/evaluate/test_released.py` compares our fast forms
with it, and `evaluate_speed.py` is timed against it.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

TRUTHS = 3
TRIALS = 100


def n_way(
    truth: np.ndarray,
    prediction: np.ndarray,
    n: int,
    k: int,
    generator: np.random.Generator,
    trials: int = TRIALS,
) -> float:
    """Share of random draws in which one of the truth's three classes is among the k most probable.

    Parameters
    ----------
    truth, prediction
        Probabilities of one clip or frame, shape (classes,).
    """
    own = np.argsort(truth)[-TRUTHS:]
    others = np.setdiff1d(np.arange(len(truth)), own)
    hits = 0
    for _ in range(trials):
        drawn = generator.choice(others, n - 1, replace=False)
        found = False
        for c in own:
            candidates = np.concatenate([[prediction[c]], prediction[drawn]])
            if 0 in np.argsort(candidates)[-k:]:
                found = True
        hits += found
    return hits / trials


def ssim_columns(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over frames (frames, H, W, 3), uint8, of SSIM whose channel axis is the last one of a grey picture."""
    values = []
    for x, y in zip(truth, prediction, strict=True):
        values.append(
            structural_similarity(
                rgb2gray(x), rgb2gray(y), channel_axis=-1, gaussian_weights=True, sigma=1.5,
                use_sample_covariance=False, data_range=1.0,
            )
        )  # fmt: skip
    return float(np.mean(values))


def ssim_rgb7(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over frames of SSIM of the three colours in uniform windows of 7 x 7 pixels."""
    values = []
    for x, y in zip(truth, prediction, strict=True):
        values.append(structural_similarity(x, y, channel_axis=-1, data_range=255))
    return float(np.mean(values))


def ssim_gray425(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over frames of SSIM of grey pictures that were resized to 425 x 425 pixels."""
    values = []
    for x, y in zip(truth, prediction, strict=True):
        grey = []
        for picture in (x, y):
            pixels = torch.from_numpy(picture).double().permute(2, 0, 1)[None] / 255
            large = torch.nn.functional.interpolate(pixels, size=(425, 425), mode="bilinear")
            grey.append(rgb2gray(large[0].permute(1, 2, 0).numpy()))
        values.append(
            structural_similarity(
                *grey, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
            )
        )
    return float(np.mean(values))


def psnr(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over frames of the peak signal-to-noise ratio, dB."""
    values = []
    for x, y in zip(truth, prediction, strict=True):
        values.append(peak_signal_noise_ratio(x, y, data_range=255))
    return float(np.mean(values))


def clip_allpairs(embeddings: np.ndarray) -> float:
    """Mean cosine of all ordered pairs of different frames, (frames, width)."""
    values = []
    for i, x in enumerate(embeddings):
        for j, y in enumerate(embeddings):
            if i != j:
                values.append(np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)))
    return float(np.mean(values))


def hue_cosine(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Mean over frames of the cosine of flattened hue planes, the conversion being told blue, green, red."""
    values = []
    for x, y in zip(truth, prediction, strict=True):
        a, b = (cv2.cvtColor(p, cv2.COLOR_BGR2HSV)[..., 0].ravel().astype(float) / 360 for p in (x, y))
        values.append(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))
    return float(np.mean(values))


def dice_double_sigmoid(truth: np.ndarray, probability: np.ndarray, threshold: float = 0.5) -> float:
    """Soft Dice of one clip (frames, H, W), the prediction being the sigmoid of a mask that is 0 or 1 already."""
    mask = torch.from_numpy((probability >= threshold).astype(np.float64))
    wanted = torch.from_numpy(truth.astype(np.float64))
    soft = torch.sigmoid(mask)
    return float(2 * (soft * wanted).sum() / (soft.sum() + wanted.sum()))


def concept_recall(truth: np.ndarray, probability: np.ndarray, threshold: float = 0.5) -> float:
    """Mean over concepts of true positives per positive, 0 for concepts that do not occur; (clips, concepts)."""
    values = []
    for c in range(truth.shape[1]):
        positives = hits = 0
        for clip in range(len(truth)):
            positives += int(truth[clip, c])
            hits += int(truth[clip, c] and probability[clip, c] >= threshold)
        values.append(hits / positives if positives else 0.0)
    return float(np.mean(values))
