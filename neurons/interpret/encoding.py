"""The encoding direction: how well the tasks' outputs for a clip predict each vertex's response to it.

Ridge regression by `himalaya` (Dupre la Tour et al. 2022), penalty per vertex by leaving out training movies; all figures
are of held-out movies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from himalaya.ridge import Ridge, RidgeCV
from sklearn.model_selection import PredefinedSplit

from neurons.interpret.tasks import TASKS
from neurons.preprocess.reliability import correlation
from neurons.pretrain.window import ABSENT, window_positions

PENALTIES = np.logspace(0, 6, 7)
"""The largest leaves nothing of a prediction, as responses without signal need."""
FOLDS = 4
TARGETS_AT_ONCE = 4096
"""Vertices whose predictions for all folds and penalties are in memory together."""


@dataclass(frozen=True)
class Encoding:
    """Predictions of the responses to held-out clips.

    Attributes
    ----------
    alone
        Predicted from one task, float32 (tasks, n, V).
    full
        Predicted from all tasks, float32 (n, V).
    without
        Predicted from all tasks but one, with the penalties of `full` (chosen apart, models of noise would differ by more
        than the task), float32 (tasks, n, V).
    """

    alone: np.ndarray
    full: np.ndarray
    without: np.ndarray


def lagged(features: np.ndarray, clip_ids: Sequence[str], window_tr: Sequence[int]) -> np.ndarray:
    """Features (n, k) of the clips that a clip's response may stem from, float32 (n, lags * k).

    A window of volumes around a clip's own has its mirror image here: a model that reads the volume after a clip's own says
    that the clip acts on it, so a response is predicted from the clip before as well. 0 beyond the ends of a run.
    """
    lags = [-lag for lag in window_tr]
    positions = window_positions(clip_ids, clip_ids, lags, "the responses")
    values = features[np.maximum(positions, 0)] * (positions != ABSENT)[..., None]
    return values.reshape(len(clip_ids), -1).astype(np.float32)


def folds_of(groups: np.ndarray) -> np.ndarray:
    """Fold of each sample, int64: groups are left out whole, in at most `FOLDS` parts."""
    _, numbers = np.unique(groups, return_inverse=True)
    return numbers % FOLDS


def encode(
    features: Mapping[str, np.ndarray],
    responses: np.ndarray,
    groups: np.ndarray,
    train: np.ndarray,
    held_out: np.ndarray,
) -> Encoding:
    """Fit responses of training clips, predict those of held-out clips: from each task, from all, from all but one.

    Parameters
    ----------
    features
        Lagged features of each task, float32 (n, ...).
    responses
        float32 (len(train), V).
    groups
        Movie of each training clip.
    train, held_out
        Rows of the features.
    """

    folds = PredefinedSplit(folds_of(groups))

    def design(tasks: Sequence[str]) -> np.ndarray:
        return np.concatenate([features[task] for task in tasks], axis=1)

    def fitted(tasks: Sequence[str]) -> RidgeCV:
        limits = {"n_targets_batch": TARGETS_AT_ONCE, "n_alphas_batch": 2, "warn": False}
        model = RidgeCV(alphas=PENALTIES, fit_intercept=True, cv=folds, solver_params=limits)
        return model.fit(design(tasks)[train], responses)

    def predicted(model: RidgeCV | Ridge, tasks: Sequence[str]) -> np.ndarray:
        return np.asarray(model.predict(design(tasks)[held_out]), np.float32)

    whole = fitted(TASKS)
    full = predicted(whole, TASKS)
    without = np.empty((len(TASKS), *full.shape), np.float32)
    for number, task in enumerate(TASKS):
        rest = [other for other in TASKS if other != task]
        for penalty in np.unique(whole.best_alphas_):
            # All at once, with a penalty for each, would take memory of samples x features x vertices.
            some = whole.best_alphas_ == penalty
            model = Ridge(alpha=float(penalty), fit_intercept=True, solver_params={"warn": False})
            without[number][:, some] = predicted(model.fit(design(rest)[train], responses[:, some]), rest)
    return Encoding(np.stack([predicted(fitted([task]), [task]) for task in TASKS]), full, without)


def correlation_terms(predicted: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """What each clip adds to the correlation over clips, float32 (n, V): its mean over clips is r; 0 where constant."""
    return _standardised(predicted) * _standardised(measured)


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)


def unique_terms(full: np.ndarray, without: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """What each clip adds to the unique variance of the task that is left out, float32 (n, V).

    The mean over clips is R2 of the full model minus R2 without the task; below 0 where the task only adds noise.
    """
    variance = measured.var(axis=0)
    gained = np.square(measured - without) - np.square(measured - full)
    return np.divide(gained, variance, out=np.zeros_like(gained), where=variance > 0)


def noise_ceiling(responses: np.ndarray) -> np.ndarray:
    """Largest correlation with the mean over repeats that a perfect model can have, float64 (V,).

    The square root of the reliability of the mean, from the mean correlation between repeats by Spearman and Brown; 0 where
    repeats do not agree.

    Parameters
    ----------
    responses
        (clips, repeats, V), at least two repeats.
    """
    count = responses.shape[1]
    pairs = [(a, b) for a in range(count) for b in range(a)]
    single = np.mean([correlation(responses[:, a], responses[:, b]) for a, b in pairs], axis=0)
    reliability = np.maximum(single, 0)
    return np.sqrt(count * reliability / (1 + (count - 1) * reliability))
