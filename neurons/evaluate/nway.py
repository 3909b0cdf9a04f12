"""N-way top-k identification of a class in closed form.

The classes of the truth (the g most probable ones for the classifier) compete with N - 1 classes drawn without replacement
from all others; the prediction succeeds if one of them is among its k most probable. The field samples the draws; the number
of drawn classes that beat the best class of the truth is hypergeometric, so the expectation is computed here exactly.
`strict`: one class of the truth, as papers say it; `released`: three, as released evaluators compute it.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln


def chance_level(n_way: int, top_k: int = 1, truths: int = 1) -> float:
    """Expected success of a prediction without information: all `truths` + N - 1 classes are exchangeable.

    ``1 - C(N - 1, k) / C(N - 1 + g, k)``, for k = 1 the well-known ``g / (g + N - 1)``.
    """
    drawn = n_way - 1
    return (
        1.0
        if top_k > drawn
        else float(1 - np.exp(_log_choose(drawn, top_k) - _log_choose(drawn + truths, top_k)))
    )


def success_probability(distractors: int, n_way: int, top_k: int = 1) -> np.ndarray:
    """Probability that fewer than k drawn classes beat the truth's, for each number of distractors that beat it.

    ``sum over j < k of C(b, j) C(M - b, N - 1 - j) / C(M, N - 1)`` with M = `distractors` of which b beat the truth's class.

    Returns
    -------
    numpy.ndarray
        float64, shape (distractors + 1,): index b.

    Raises
    ------
    ValueError
        If `n_way` is not in [2, distractors + 1], or `top_k` not in [1, n_way].
    """
    if not 2 <= n_way <= distractors + 1:
        raise ValueError(
            f"{n_way}-way identification draws {n_way - 1} classes, but there are {distractors} besides the truth's"
        )
    if not 1 <= top_k <= n_way:
        raise ValueError(f"top-{top_k} of {n_way} classes: k must lie between 1 and {n_way}")
    beaten, drawn = np.arange(distractors + 1), n_way - 1
    losing = distractors - beaten
    total = np.zeros(distractors + 1)
    for above in range(min(top_k, drawn + 1)):
        possible = (beaten >= above) & (losing >= drawn - above)
        b, rest = np.where(possible, beaten, above), np.where(possible, losing, drawn - above)
        log = _log_choose(b, above) + _log_choose(rest, drawn - above) - _log_choose(distractors, drawn)
        total += np.where(possible, np.exp(log), 0.0)
    return total


def identification(
    truth: np.ndarray, prediction: np.ndarray, n_way: int, top_k: int = 1, truths: int = 1
) -> np.ndarray:
    """N-way top-k success of every pair of truth and prediction.

    Parameters
    ----------
    truth, prediction
        Class probabilities, shape (clips, classes) or (clips, frames, classes); frames are averaged over.
    n_way, top_k
        Drawn classes and one; how many places count as success.
    truths
        Number of classes of the truth: its most probable ones; of equally probable ones those of lower index.

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips): truth i with prediction j. Classes that the prediction finds exactly as probable as
        the truth's are placed in all orders with equal probability, so that a constant prediction scores chance.

    Raises
    ------
    ValueError
        If a probability is not finite, shapes differ, or there are too few classes.
    """
    if truth.shape[1:] != prediction.shape[1:]:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} differ in frames or classes")
    if not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        raise ValueError("class probabilities hold NaN or infinite values")
    if truth.ndim == 2:
        truth, prediction = truth[:, None], prediction[:, None]
    success = success_probability(truth.shape[-1] - truths, n_way, top_k)
    total = np.zeros((len(truth), len(prediction)))
    for frame in range(truth.shape[1]):
        own = np.argsort(-truth[:, frame], -1, kind="stable")[:, :truths]
        total += _success(success, own, *_ranks(prediction[:, frame])).T
    return total / truth.shape[1]


def _success(success: np.ndarray, own: np.ndarray, above: np.ndarray, tied: np.ndarray) -> np.ndarray:
    """Success of predictions (rows) for the classes `own` of truths (columns); ranks as from `_ranks`."""
    ranks = above[:, own]
    beaten = ranks.min(-1)
    best = ranks == beaten[..., None]
    same = best.sum(-1)
    equal = np.take_along_axis(tied[:, own], best.argmax(-1)[..., None], -1)[..., 0] - (same - 1)
    values = success[beaten]
    for b, t, s in np.unique(np.stack([beaten, equal, same], -1)[equal > 0], axis=0):
        values[(beaten == b) & (equal == t) & (same == s)] = _first_of(s, t) @ success[b : b + t + 1]
    return values


def _first_of(same: int, equal: int) -> np.ndarray:
    """Probability that the first of `same` items has 0, 1, ... of `equal` others before it in a random order."""
    before = np.arange(equal + 1)
    return np.exp(_log_choose(equal - before + same - 1, same - 1) - _log_choose(equal + same, same))


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


def _log_choose(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    return gammaln(np.asarray(n) + 1) - gammaln(np.asarray(k) + 1) - gammaln(np.asarray(n) - k + 1)
