"""Values of pairs of clips that are expensive to compute, for just the pairs that are needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

PAIRS_AT_ONCE = 64
TILE = 16
"""Pairs are visited in square tiles of this many clips, so that few clips occur among neighbouring pairs."""

PairFunction = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Pairing:
    """Pairs of truth and prediction that an expensive measure is computed for.

    Attributes
    ----------
    needed
        bool, shape (clips, clips): truth i with prediction j.
    permutations
        Number of permutations whose pairs are among them; 0: all.
    """

    needed: np.ndarray
    permutations: int

    @classmethod
    def of(cls, permutations: np.ndarray, limit: int) -> Pairing:
        """Pairs that the identity and permutations form.

        Parameters
        ----------
        permutations
            Shape (permutations, clips).
        limit
            Take only that many permutations, if all form more than `limit` pairs per clip.
        """
        every = _pairs(permutations)
        return cls(every, 0) if every.sum() <= limit * len(every) else cls.first(permutations, limit)

    @classmethod
    def first(cls, permutations: np.ndarray, count: int) -> Pairing:
        """Pairs that the identity and the first `count` permutations form."""
        return cls(_pairs(permutations[:count]), count)

    def fill(self, function: PairFunction) -> np.ndarray:
        """Call `function` with truths i and predictions j of the needed pairs, some at a time.

        Parameters
        ----------
        function
            From i and j, each (pairs,), to values (pairs,).

        Returns
        -------
        numpy.ndarray
            float64, shape (clips, clips); NaN where not needed.
        """
        values = np.full(self.needed.shape, np.nan)
        i, j = np.nonzero(self.needed)
        order = np.lexsort((j, i, j // TILE, i // TILE))
        i, j = i[order], j[order]
        for start in range(0, len(i), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            values[i[some], j[some]] = function(i[some], j[some])
        return values


def _pairs(permutations: np.ndarray) -> np.ndarray:
    count = permutations.shape[1]
    needed = np.eye(count, dtype=bool)
    needed[np.arange(count), permutations] = True
    return needed
