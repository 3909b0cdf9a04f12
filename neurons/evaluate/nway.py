"""N-way identification of a class in closed form.

The class of the truth (the most probable one for the classifier) competes with N - 1 classes drawn without replacement
from the others; the prediction succeeds if its probability of the truth's class is the largest. The field samples the
draws; the share of successful draws is hypergeometric, so its expectation is computed here exactly.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def success_probability(classes: int, n_way: int) -> np.ndarray:
    """Probability that no drawn class beats the truth's, for each number of classes that beat it.

    ``C(M - b, N - 1) / C(M, N - 1)`` with M = `classes` - 1 distractors of which b beat the truth's class.

    Returns
    -------
    numpy.ndarray
        float64, shape (classes,): index b.

    Raises
    ------
    ValueError
        If `n_way` is not in [2, classes].
    """
    if not 2 <= n_way <= classes:
        raise ValueError(
            f"{n_way}-way identification needs at least {n_way} classes, the classifier has {classes}"
        )
    distractors, drawn = classes - 1, n_way - 1
    losing = distractors - np.arange(classes)
    possible = losing >= drawn
    spare = np.where(possible, losing - drawn, 0)
    log = (
        gammaln(losing + 1) - gammaln(spare + 1) - gammaln(distractors + 1) + gammaln(distractors - drawn + 1)
    )
    return np.where(possible, np.exp(log), 0.0)


def identification(truth: np.ndarray, prediction: np.ndarray, n_way: int) -> np.ndarray:
    """N-way success of every pair of truth and prediction.

    Parameters
    ----------
    truth, prediction
        Class probabilities, shape (clips, classes) or (clips, frames, classes); frames are averaged over.

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips): truth i with prediction j. Classes exactly as probable as the truth's class are
        placed before and behind it in all orders with equal probability, so that a constant prediction scores chance.

    Raises
    ------
    ValueError
        If a probability is not finite or shapes differ.
    """
    if truth.shape[1:] != prediction.shape[1:]:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} differ in frames or classes")
    if not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        raise ValueError("class probabilities hold NaN or infinite values")
    if truth.ndim == 2:
        truth, prediction = truth[:, None], prediction[:, None]
    by_rank = _tied_success(success_probability(truth.shape[-1], n_way))
    total = np.zeros((len(truth), len(prediction)))
    for frame in range(truth.shape[1]):
        total += by_rank[_ranks(prediction[:, frame])][:, truth[:, frame].argmax(-1)].T
    return total / truth.shape[1]


def _ranks(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of classes that are more probable, and of other classes that are equally probable; (clips, classes)."""
    ascending = np.sort(probabilities, -1)
    classes = probabilities.shape[-1]
    below = np.stack(
        [np.searchsorted(row, own, "left") for row, own in zip(ascending, probabilities, strict=True)]
    )
    until = np.stack(
        [np.searchsorted(row, own, "right") for row, own in zip(ascending, probabilities, strict=True)]
    )
    return classes - until, until - below - 1


def _tied_success(success: np.ndarray) -> np.ndarray:
    """Mean success over ranks b .. b + t, as a table [b, t]."""
    classes = len(success)
    cumulative = np.concatenate([[0.0], success.cumsum()])
    beaten, tied = np.meshgrid(np.arange(classes), np.arange(classes), indexing="ij")
    last = np.minimum(beaten + tied + 1, classes)
    return (cumulative[last] - cumulative[beaten]) / (tied + 1)
