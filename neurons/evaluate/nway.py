"""N-way top-k identification of a class in closed form.

The classes of the truth (the g most probable ones for the classifier) compete with N - 1 classes drawn without replacement
from all others; the prediction succeeds if one of them is among its k most probable. The field samples the draws; the number
of drawn classes that beat the best class of the truth is hypergeometric, so the expectation is computed here exactly.
`strict`: one class of the truth, as papers say it; `released`: three, as released evaluators compute it.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Standing:
    """Where the classes of truths stand among those of predictions.

    Attributes
    ----------
    beaten
        Number of other classes that the prediction finds more probable than the best class of the truth, int.
    equal
        Number of other classes that it finds exactly as probable, int, of the same shape.
    same
        Number of classes of the truth that are as probable as the best of them, int, of the same shape.
    distractors
        Number of other classes.
    """

    beaten: np.ndarray
    equal: np.ndarray
    same: np.ndarray
    distractors: int

    def success(self, n_way: int, top_k: int = 1) -> np.ndarray:
        """N-way top-k success, float64, of the shape of `beaten`.

        Classes that the prediction finds exactly as probable as the truth's are placed in all orders with equal
        probability, so that a constant prediction scores chance.

        Raises
        ------
        ValueError
            If there are too few classes.
        """
        success = success_probability(self.distractors, n_way, top_k)
        values = success[self.beaten]
        tied = self.equal > 0
        for b, t, s in np.unique(
            np.stack([self.beaten[tied], self.equal[tied], self.same[tied]], -1), axis=0
        ):
            alike = tied & (self.beaten == b) & (self.equal == t) & (self.same == s)
            values[alike] = _first_of(s, t) @ success[b : b + t + 1]
        return values


def own_standing(truth: np.ndarray, prediction: np.ndarray, truths: int = 1) -> Standing:
    """Where the classes of each truth stand in its own prediction.

    Parameters
    ----------
    truth, prediction
        Class probabilities, shape (..., classes).
    truths
        Number of classes of the truth: its most probable ones; of equally probable ones those of lower index.

    Returns
    -------
    Standing
        Of shape (...).

    Raises
    ------
    ValueError
        If a probability is not finite, or shapes differ.
    """
    _check(truth, prediction)
    found = np.take_along_axis(prediction, _most_probable(truth, truths), -1)
    best = found.max(-1, keepdims=True)
    same = np.count_nonzero(found == best, axis=-1)
    beaten = np.count_nonzero(prediction > best, axis=-1)
    equal = np.count_nonzero(prediction == best, axis=-1) - same
    return Standing(beaten, equal, same, truth.shape[-1] - truths)


def all_standings(truth: np.ndarray, prediction: np.ndarray, truths: int = 1) -> Standing:
    """Where the classes of every truth stand in every prediction.

    Parameters
    ----------
    truth, prediction
        Class probabilities, shape (clips, classes) or (clips, frames, classes).
    truths
        As for `own_standing`.

    Returns
    -------
    Standing
        Of shape (frames, clips, clips): truth i with prediction j; one frame if there is no such axis.

    Raises
    ------
    ValueError
        If a probability is not finite, or shapes differ.
    """
    _check(truth, prediction)
    if truth.ndim == 2:
        truth, prediction = truth[:, None], prediction[:, None]
    shape = truth.shape[1], len(truth), len(prediction)
    beaten, equal, same = (np.empty(shape, np.int32) for _ in range(3))
    for frame in range(shape[0]):
        own = _most_probable(truth[:, frame], truths)
        above, tied = _ranks(prediction[:, frame])
        places = above[own]
        beaten[frame] = places.min(1)
        best = places == beaten[frame][:, None]
        same[frame] = best.sum(1)
        first = np.take_along_axis(own, best.argmax(1), 1)
        equal[frame] = tied[first, np.arange(shape[2])] - (same[frame] - 1)
    return Standing(beaten, equal, same, truth.shape[-1] - truths)


def identification(
    truth: np.ndarray, prediction: np.ndarray, n_way: int, top_k: int = 1, truths: int = 1
) -> np.ndarray:
    """N-way top-k success of every pair of truth and prediction, mean over frames.

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips), from `all_standings`.
    """
    return all_standings(truth, prediction, truths).success(n_way, top_k).mean(0)


def _check(truth: np.ndarray, prediction: np.ndarray) -> None:
    if truth.shape[1:] != prediction.shape[1:]:
        raise ValueError(f"truth {truth.shape} and prediction {prediction.shape} differ in frames or classes")
    if not (np.isfinite(truth).all() and np.isfinite(prediction).all()):
        raise ValueError("class probabilities hold NaN or infinite values")


def _most_probable(probabilities: np.ndarray, count: int) -> np.ndarray:
    left = probabilities.copy()
    classes = np.empty((*probabilities.shape[:-1], count), dtype=np.int64)
    for place in range(count):
        classes[..., place] = left.argmax(-1)
        np.put_along_axis(left, classes[..., [place]], -np.inf, -1)
    return classes


def _first_of(same: int, equal: int) -> np.ndarray:
    """Probability that the first of `same` items has 0, 1, ... of `equal` others before it in a random order."""
    before = np.arange(equal + 1)
    return np.exp(_log_choose(equal - before + same - 1, same - 1) - _log_choose(equal + same, same))


def _ranks(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of classes that are more probable, and of other classes that are equally probable; (classes, clips)."""
    clips, classes = probabilities.shape
    order = np.argsort(-probabilities, -1, kind="stable")
    descending = np.take_along_axis(probabilities, order, -1)
    place = np.arange(classes, dtype=np.int32)
    begins = np.ones((clips, classes), dtype=bool)
    begins[:, 1:] = descending[:, 1:] != descending[:, :-1]
    ends = np.ones_like(begins)
    ends[:, :-1] = begins[:, 1:]
    first = np.maximum.accumulate(np.where(begins, place, 0), 1)
    last = np.minimum.accumulate(np.where(ends, place, classes)[:, ::-1], 1)[:, ::-1]
    above, tied = np.empty((2, clips, classes), np.int32)
    np.put_along_axis(above, order, first, -1)
    np.put_along_axis(tied, order, last - first, -1)
    return np.ascontiguousarray(above.T), np.ascontiguousarray(tied.T)


def _log_choose(n: np.ndarray | int, k: np.ndarray | int) -> np.ndarray:
    return gammaln(np.asarray(n) + 1) - gammaln(np.asarray(k) + 1) - gammaln(np.asarray(n) - k + 1)
