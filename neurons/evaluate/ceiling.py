"""Noise ceiling from repeats: how well one half of the repeats of a response tells what the other half shows.

No decoder can tell clips apart that the responses do not tell apart. The two halves have half of the repeats each; a decoder
that sees all of them may do a little better.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from neurons.evaluate.measures import Measure, mean_of_pairs, undefined
from neurons.evaluate.semantics import identified

MOST_SPLITS = 20


def halves(repeats: int) -> list[tuple[list[int], list[int]]]:
    """Ways to split repeats into two halves (of an odd number one is left out), at most `MOST_SPLITS`, evenly chosen."""
    half = repeats // 2
    splits = []
    for first in combinations(range(repeats), half):
        rest = [repeat for repeat in range(repeats) if repeat not in first]
        for second in combinations(rest, half):
            if first < second:
                splits.append((list(first), list(second)))
    step = max(len(splits) / MOST_SPLITS, 1.0)
    return [splits[int(k * step)] for k in range(min(len(splits), MOST_SPLITS))]


def pattern_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson correlation over vertices of all pairs of responses, each vertex centred over clips first.

    Parameters
    ----------
    first, second
        Shape (clips, vertices).

    Returns
    -------
    numpy.ndarray
        float64, shape (clips, clips).
    """
    x, y = (part - part.mean(0) for part in (first.astype(np.float64), second.astype(np.float64)))
    x, y = (part - part.mean(1, keepdims=True) for part in (x, y))
    lengths = np.linalg.norm(x, axis=1)[:, None] * np.linalg.norm(y, axis=1)
    return np.divide(x @ y.T, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def ceiling_measures(responses: np.ndarray, pool: int) -> Iterator[Measure]:
    """Agreement of two halves of the repeats, mean over splits.

    Parameters
    ----------
    responses
        Shape (clips, repeats, vertices).
    pool
        Clips among which a clip is identified.
    """
    clips, repeats = responses.shape[:2]
    definitions = {
        "ceiling_r": "Correlation of the response patterns of two halves of the repeats to one clip (vertices centred over"
        " clips).",
        "ceiling_2way": "Probability that the pattern of one half correlates more with the other half's of the same clip"
        " than with that of another clip.",
        f"ceiling_top1_of{pool}": "Probability that it correlates more with it than with those of"
        f" {pool - 1} other clips, drawn at random; exact.",
    }
    sizes = dict(zip(definitions, (None, 2, pool), strict=True))
    splits = halves(repeats)
    if not splits:
        for name, definition in definitions.items():
            yield undefined(name, "ceiling", f"{definition} Undefined: one repeat only.", clips)
        return
    correlations = [
        pattern_correlation(responses[:, list(a)].mean(1), responses[:, list(b)].mean(1)) for a, b in splits
    ]
    for name, definition in definitions.items():
        size = sizes[name]
        if size is not None and size > clips:
            yield undefined(name, "ceiling", definition, clips)
            continue
        values = [r if size is None else identified(r, size) for r in correlations]
        said = f"{definition} {repeats} repeats, {len(splits)} splits."
        yield mean_of_pairs(
            name, "ceiling", said, np.mean(values, 0), chance=None if size is None else 1 / size
        )
