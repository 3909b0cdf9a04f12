"""How well responses repeat: correlations between presentations of a movie, and the test that selects vertices.

Source of the selection: NeuroClips and NEURONS test, per vertex, the Fisher z of the inter-repeat correlations of the
18 training movies against 0 (t-test, Bonferroni over the cortex). Ours is one-sided: a vertex whose repeats are
anti-correlated carries no stimulus.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import stdtr

from neurons.artifacts import InputError
from neurons.preprocess.settings import Selection

BLOCK_VERTICES = 8192
COPY = 1 - 1e-6
"""Correlation beyond which two measured responses are one response copied."""


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation of each column of `a` with that of `b`, in double precision.

    Parameters
    ----------
    a, b
        Responses (clips, vertices).

    Returns
    -------
    numpy.ndarray
        float64 (vertices,); 0 where a column is constant.
    """
    result = np.zeros(a.shape[1])
    for start in range(0, a.shape[1], BLOCK_VERTICES):
        block = slice(start, start + BLOCK_VERTICES)
        x, y = (array[:, block].astype(np.float64) for array in (a, b))
        x -= x.mean(axis=0)
        y -= y.mean(axis=0)
        norm = np.sqrt(np.einsum("cv,cv->v", x, x) * np.einsum("cv,cv->v", y, y))
        product = np.einsum("cv,cv->v", x, y)
        result[block] = np.divide(product, norm, out=np.zeros_like(norm), where=norm > 0)
    return result


def fisher_z(repeats: dict[str, np.ndarray]) -> np.ndarray:
    """Mean Fisher z over all pairs of repeats of one movie.

    Parameters
    ----------
    repeats
        Responses (clips, vertices) by name of the run, at least two.

    Returns
    -------
    numpy.ndarray
        float64 (vertices,).

    Raises
    ------
    InputError
        If a vertex has the same response in two runs (one is a copy of the other).
    """
    pairs = list(combinations(repeats, 2))
    total = np.zeros(next(iter(repeats.values())).shape[1])
    for first, second in pairs:
        r = correlation(repeats[first], repeats[second])
        copied = np.flatnonzero(np.abs(r) >= COPY)
        if len(copied):
            raise InputError(
                f"runs {first} and {second}: {len(copied)} of {len(r)} vertices have exactly the same response (|r| = 1), "
                f"from vertex {copied[0]} on. One run is a copy of the other, at least in part: give each repeat its own "
                "file in the run table."
            )
        total += np.arctanh(r)
    return total / len(pairs)


def held_out_dependence(movies: int) -> float:
    """Factor by which a t of held-out correlations is too large, since each movie is predicted from all others.

    Of a vertex without a response, the correlations of two movies share one of their movies - 1 terms (what the one predicts
    of the other is what the other predicts of the one), so that they correlate by 1 / (movies - 1). Their mean then varies
    twice as much, and their spread shows too little: sqrt(2 (M - 1) / (M - 2)).

    Raises
    ------
    InputError
        If there are fewer than three movies.
    """
    if movies < 3:
        raise InputError(
            f"the test of predictions needs at least three training movies, found {movies}; set preprocess.selection.by to "
            "`repeats` or `areas`"
        )
    return float(np.sqrt(2 * (movies - 1) / (movies - 2)))


def one_sided_t(z: np.ndarray, dependence: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """One-sample t-test, per vertex, of a mean above 0.

    Parameters
    ----------
    z
        Fisher z, float64 (movies, vertices), at least two movies.
    dependence
        Factor by which t is too large, since movies are not independent (`held_out_dependence`); 1 if they are.

    Returns
    -------
    tuple
        t and p (vertices,); where z does not vary over movies there is no test: t = 0 and p = 1.
    """
    movies = len(z)
    mean, sd = z.mean(axis=0), z.std(axis=0, ddof=1)
    t = np.divide(mean * np.sqrt(movies), dependence * sd, out=np.zeros_like(mean), where=sd > 0)
    return t, np.where(sd > 0, stdtr(movies - 1, -t), 1.0)


def corrected(p: np.ndarray, correction: str) -> np.ndarray:
    """P values corrected for the number of tests: ``bonferroni``, or ``fdr`` (Benjamini and Hochberg 1995, step-up)."""
    if correction == "bonferroni":
        return np.minimum(p * len(p), 1.0)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    result = np.empty_like(p)
    result[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return result


def choose(t: np.ndarray, p: np.ndarray, settings: Selection) -> tuple[np.ndarray, np.ndarray]:
    """The vertices to keep.

    Parameters
    ----------
    t, p
        One-sided test of each tested (not constant) vertex.
    settings
        Level, correction, and what to do if few pass.

    Returns
    -------
    tuple
        `passed`, bool: significant and positive. `selected`, bool: the same, or the `fallback_top` largest t if fewer
        than `minimum` passed.

    Raises
    ------
    InputError
        If fewer than `minimum` pass and there is no fallback, or it asks for more vertices than respond positively.
    """
    passed = (corrected(p, settings.correction) < settings.alpha) & (t > 0)
    if passed.sum() >= settings.minimum:
        return passed, passed
    short = (
        f"only {passed.sum()} of {len(t)} vertices have a reliable response by {settings.by} (t-test over movies, "
        f"{settings.correction}, p < {settings.alpha:g}), fewer than selection.minimum = {settings.minimum}"
    )
    if not settings.fallback_top:
        raise InputError(
            f"{short}. Look at the quality of the runs (wrong onsets and swapped runs do this), or set "
            "preprocess.selection.fallback_top to go on with the best vertices."
        )
    if (t > 0).sum() < settings.fallback_top:
        raise InputError(
            f"{short}, and selection.fallback_top = {settings.fallback_top} asks for more than the {(t > 0).sum()} with a "
            "positive mean"
        )
    selected = np.zeros_like(passed)
    selected[np.argsort(-t, kind="stable")[: settings.fallback_top]] = True
    return passed, selected


def selection_table(
    z: np.ndarray, constant: np.ndarray, settings: Selection, dependence: float = 1.0
) -> pd.DataFrame:
    """The test and the choice for every cortical vertex; constant vertices are not tested and never chosen.

    Parameters
    ----------
    z
        Fisher z of the correlation between repeats, or with a prediction, float64 (movies, vertices).
    constant
        Vertices without signal in some run, bool (vertices,).
    settings
        Level, correction, and what to do if few vertices pass.
    dependence
        Of the movies (`one_sided_t`).

    Returns
    -------
    pandas.DataFrame
        `grayordinate`, `r` (mean over movies), `t`, `p` (one-sided), `p_corrected`, `passed`, `selected`, `constant`.

    Raises
    ------
    InputError
        As `choose`.
    """
    tested = np.flatnonzero(~constant)
    t, p = one_sided_t(z[:, tested], dependence)
    passed, selected = choose(t, p, settings)
    return _table(z, constant, t, p, settings, passed, selected)


def given_table(
    z: np.ndarray, constant: np.ndarray, wanted: np.ndarray, settings: Selection, dependence: float = 1.0
) -> pd.DataFrame:
    """As `selection_table`, but the given vertices (bool) are kept without a test, unless they are constant.

    Raises
    ------
    InputError
        If fewer than `minimum` are left.
    """
    tested = np.flatnonzero(~constant)
    t, p = one_sided_t(z[:, tested], dependence)
    passed = (corrected(p, settings.correction) < settings.alpha) & (t > 0)
    selected = wanted[tested]
    if selected.sum() < settings.minimum:
        raise InputError(
            f"only {selected.sum()} of the {wanted.sum()} wanted vertices are not constant, fewer than selection.minimum = "
            f"{settings.minimum}"
        )
    return _table(z, constant, t, p, settings, passed, selected)


def _table(
    z: np.ndarray,
    constant: np.ndarray,
    t: np.ndarray,
    p: np.ndarray,
    settings: Selection,
    passed: np.ndarray,
    selected: np.ndarray,
) -> pd.DataFrame:
    tested = np.flatnonzero(~constant)
    table = pd.DataFrame({"grayordinate": np.arange(z.shape[1]), "r": np.tanh(z).mean(axis=0)})
    for name, values, untested in (
        ("t", t, 0.0),
        ("p", p, 1.0),
        ("p_corrected", corrected(p, settings.correction), 1.0),
        ("passed", passed, False),
        ("selected", selected, False),
    ):
        column = np.full(len(table), untested)
        column[tested] = values
        table[name] = column
    return table.assign(constant=constant)
