"""Recognition of several concepts per clip: average precision, precision, recall, F1."""

from __future__ import annotations

import numpy as np

from neurons.evaluate.measures import Statistic

ROWS_AT_ONCE = 256


def average_precision(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Average precision, ``sum over thresholds of (R_k - R_k-1) P_k``; equal scores share a threshold.

    Parameters
    ----------
    labels
        0 or 1, shape (..., clips).
    scores
        Shape (..., clips).

    Returns
    -------
    numpy.ndarray
        float64, shape (...); NaN where there is no positive label.
    """
    order = np.argsort(-scores, -1, kind="stable")
    ranked = np.take_along_axis(scores, order, -1)
    hits = np.take_along_axis(labels, order, -1).astype(np.float64)
    count = scores.shape[-1]
    last_of_tie = np.concatenate(
        [ranked[..., 1:] != ranked[..., :-1], np.ones((*ranked.shape[:-1], 1), dtype=bool)], -1
    )
    positions = np.where(last_of_tie, np.arange(count), count)
    end = np.minimum.accumulate(positions[..., ::-1], -1)[..., ::-1]
    precision = np.take_along_axis(hits.cumsum(-1), end, -1) / (end + 1)
    positives = hits.sum(-1)
    return np.divide(
        (hits * precision).sum(-1), positives, out=np.full(positives.shape, np.nan), where=positives > 0
    )


def average_precision_statistic(labels: np.ndarray, scores: np.ndarray) -> Statistic:
    """Average precision as a statistic of pairings, mean over classes with support among the paired truths.

    Parameters
    ----------
    labels, scores
        Shape (clips, classes).
    """

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        per_class = [
            average_precision(y[truth], s[prediction]) for y, s in zip(labels.T, scores.T, strict=True)
        ]
        return _mean_of_defined(np.stack(per_class, -1))

    return statistic


def counts_statistic(labels: np.ndarray, recognised: np.ndarray, figure: str) -> Statistic:
    """Micro-averaged precision, recall or F1 (one count over all clips and classes) as a statistic of pairings.

    Parameters
    ----------
    labels, recognised
        0 or 1, shape (clips, classes).
    figure
        ``precision`` (NaN if nothing is recognised), ``recall`` or ``f1``.
    """
    truths, predictions = labels.sum(1).astype(float), recognised.sum(1).astype(float)
    common = labels.astype(float) @ recognised.T.astype(float)

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        return _ratio(
            common[truth, prediction].sum(-1), truths[truth].sum(-1), predictions[prediction].sum(-1), figure
        )

    return statistic


def macro_f1_statistic(labels: np.ndarray, recognised: np.ndarray) -> Statistic:
    """F1 as a statistic of pairings, mean over classes with support among the paired truths."""
    y, s = labels.astype(np.float32), recognised.astype(np.float32)

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        truth, prediction = np.atleast_2d(truth), np.atleast_2d(prediction)
        parts = []
        for start in range(0, len(truth), ROWS_AT_ONCE):
            i, j = truth[start : start + ROWS_AT_ONCE], prediction[start : start + ROWS_AT_ONCE]
            common = np.einsum("kmc,kmc->kc", y[i], s[j])
            positives = y[i].sum(1)
            figure = _ratio(common, positives, s[j].sum(1), "f1")
            parts.append(_mean_of_defined(np.where(positives > 0, figure, np.nan)))
        return np.concatenate(parts).squeeze()

    return statistic


def _ratio(common: np.ndarray, truths: np.ndarray, predictions: np.ndarray, figure: str) -> np.ndarray:
    whole = {"precision": predictions, "recall": truths, "f1": (truths + predictions) / 2}[figure]
    return np.divide(common, whole, out=np.full(np.shape(common), np.nan), where=whole > 0)


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    count = np.isfinite(values).sum(-1)
    return np.divide(np.nansum(values, -1), count, out=np.full(count.shape, np.nan), where=count > 0)
