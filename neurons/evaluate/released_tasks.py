"""Protocol `released`, part two: masks and concepts by the definitions of the released NEURONS evaluator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import expit

from neurons.evaluate.measures import Measure, mean_of_pairs


def double_sigmoid_dice(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """ "Dice" of all pairs of clips as the released evaluator computes it: with the sigmoid of the binary mask.

    ``2 (s0 g + (s1 - s0) i) / (s0 + (s1 - s0) a + g)`` with s0 = sigmoid(0) = .5, s1 = sigmoid(1) = .731 and the shares of
    pixels g of the truth, a of the prediction, i of both. A perfect mask does not reach 1, an empty one does not get 0.

    Parameters
    ----------
    truth, prediction
        bool, shapes (clips, frames, height, width) and (predictions, frames, height, width).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, predictions).
    """
    x = truth.reshape(len(truth), -1).astype(np.float32)
    y = prediction.reshape(len(prediction), -1).astype(np.float32)
    pixels = x.shape[1]
    common = (x @ y.T).astype(np.float64) / pixels
    g = x.sum(1, dtype=np.float64)[:, None] / pixels
    a = y.sum(1, dtype=np.float64) / pixels
    background, object_ = expit(0.0), expit(1.0)
    return (
        2 * (background * g + (object_ - background) * common) / (background + (object_ - background) * a + g)
    )


def released_mask_measures(truth: np.ndarray, probability: np.ndarray, threshold: float) -> Iterator[Measure]:
    """The released "Dice", over all clips, those without a key object included.

    Parameters
    ----------
    truth, probability
        Shape (clips, frames, height, width).
    threshold
        Probability from which on a pixel is in the mask.
    """
    wanted = truth.astype(bool)
    empty = double_sigmoid_dice(wanted, np.zeros_like(wanted[:1])).mean()
    perfect = np.diagonal(double_sigmoid_dice(wanted, wanted)).mean()
    definition = (
        "Dice of the sigmoid of binary masks (a second sigmoid), all clips; chance: empty masks; a perfect answer has"
        f" {perfect:.3f}."
    )
    values = double_sigmoid_dice(wanted, probability >= threshold)
    yield mean_of_pairs(
        "dice_double_sigmoid", "masks", definition, values, chance=float(empty), protocol="released"
    )


def recall_measures(truth: np.ndarray, probability: np.ndarray, threshold: float) -> Iterator[Measure]:
    """The released "accuracy" of concepts, which is recall.

    Parameters
    ----------
    truth, probability
        Shape (clips, concepts).
    threshold
        Probability from which on a concept is recognised.
    """
    labels, recognised = truth.astype(float), (probability >= threshold).astype(float)
    concepts = truth.shape[1]

    def statistic(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        rows, columns = np.atleast_2d(rows), np.atleast_2d(columns)
        values = [_mean_recall(labels[i], recognised[j]) for i, j in zip(rows, columns, strict=True)]
        return np.array(values).squeeze()

    definition = (
        f"Recall of concepts with probability >= {threshold:g} (published as accuracy), mean over all {concepts}, of which"
        " those that do not occur count 0; recognising everything is not penalised."
    )
    yield Measure(
        "concept_recall_classes", "concepts", definition, statistic, len(truth), protocol="released"
    )


def _mean_recall(labels: np.ndarray, recognised: np.ndarray) -> float:
    positives = labels.sum(0)
    hits = (labels * recognised).sum(0)
    return float(np.divide(hits, positives, out=np.zeros_like(hits), where=positives > 0).mean())
