"""Values of pairs of clips that are expensive to compute, for just the pairs that are needed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

PAIRS_AT_ONCE = 64

PairFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]


def needed_pairs(permutations: np.ndarray) -> np.ndarray:
    """Pairs that the identity and the given permutations form.

    Parameters
    ----------
    permutations
        Shape (permutations, clips).

    Returns
    -------
    numpy.ndarray
        bool, shape (clips, clips).
    """
    count = permutations.shape[1]
    needed = np.eye(count, dtype=bool)
    needed[np.arange(count), permutations] = True
    return needed


def fill(needed: np.ndarray, function: PairFunction) -> np.ndarray:
    """Call `function` with truths i and predictions j of the needed pairs, some at a time.

    Parameters
    ----------
    needed
        bool, shape (clips, clips).
    function
        From i and j, each (pairs,), to values (pairs,).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips); NaN where not needed.
    """
    values = np.full(needed.shape, np.nan)
    i, j = np.nonzero(needed)
    for start in range(0, len(i), PAIRS_AT_ONCE):
        some = slice(start, start + PAIRS_AT_ONCE)
        values[i[some], j[some]] = function(i[some], j[some])
    return values
