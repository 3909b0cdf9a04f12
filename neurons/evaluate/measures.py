"""A measure, and how one becomes a row of the score table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from neurons.evaluate.resampling import Resamples

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Value of a measure for clips paired by index: truth (..., m) and prediction (..., m), int -> (...), float; NaN where it
is undefined (no clip that it applies to)."""

COLUMNS = [
    "metric", "protocol", "group", "definition", "value", "low", "high", "chance", "permutation_mean", "p", "n",
    "higher_is_better",
]  # fmt: skip

BY_CLIP = (
    "video_2way_gt1", "video_50way_gt1", "frame_2way_gt1", "frame_50way_gt1", "clip_truth", "clip_2way", "ssim_gray2d",
    "psnr", "flow_correlation", "dice", "caption_cider", "caption_subject",
)  # fmt: skip
"""Means over clips, higher is better, in which variants are compared and kinds of clips set side by side."""
FEWEST = 19
"""Permutations that a p of .05 needs."""


@dataclass(frozen=True)
class Measure:
    """What is computed from pairs of truth and prediction.

    Attributes
    ----------
    name, group, definition
        Name that carries the definition; part of the table; one sentence.
    statistic
        The value for any pairing of clips.
    n
        Number of clips (or other units, by the definition) that the value rests on.
    chance
        Expected value of a prediction without information, where it follows from the definition.
    higher_is_better
        None for numbers that are neither (counts).
    uses_truth
        False if the value does not depend on which truth a prediction is paired with: then there is no null distribution.
    per_clip
        Values of single clips, shape (clips,), NaN where undefined; None if the measure is not a mean over clips.
    protocol
        `strict`, or `released`: computed as released evaluators do.
    permutations
        Use only that many of the permutations (0: all), those for which `statistic` is known.
    interval
        95 % interval of a measure for which the bootstrap is no good; None: by the bootstrap.
    """

    name: str
    group: str
    definition: str
    statistic: Statistic
    n: int
    chance: float | None = None
    higher_is_better: bool | None = True
    uses_truth: bool = True
    per_clip: np.ndarray | None = None
    protocol: str = "strict"
    permutations: int = 0
    interval: tuple[float, float] | None = None


def mean_of_pairs(
    name: str, group: str, definition: str, pairs: np.ndarray, defined: np.ndarray | None = None, **facts: Any
) -> Measure:
    """A measure that is the mean over clips of a value for each pair.

    Parameters
    ----------
    pairs
        Shape (clips, clips): value of truth i with prediction j.
    defined
        bool, shape (clips,): truths that the measure applies to; all if None.
    """
    count = len(pairs)
    applies = np.ones(count, dtype=bool) if defined is None else defined
    weight = applies.astype(float)

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        weights = weight[truth]
        total = weights.sum(-1)
        values = np.where(weights > 0, pairs[truth, prediction], 0.0)
        return np.divide((values * weights).sum(-1), total, out=np.full_like(total, np.nan), where=total > 0)

    own = np.where(applies, np.diagonal(pairs), np.nan)
    return Measure(name, group, definition, statistic, int(applies.sum()), per_clip=own, **facts)


def mean_of_clips(name: str, group: str, definition: str, values: np.ndarray, **facts: Any) -> Measure:
    """A measure that is the mean over clips of a value that does not depend on the pairing; NaN values do not count."""

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        chosen = values[prediction]
        total = np.isfinite(chosen).sum(-1)
        return np.divide(np.nansum(chosen, -1), total, out=np.full(total.shape, np.nan), where=total > 0)

    count = int(np.isfinite(values).sum())
    return Measure(name, group, definition, statistic, count, uses_truth=False, per_clip=values, **facts)


def undefined(name: str, group: str, definition: str, clips: int, **facts: Any) -> Measure:
    """A measure that these data leave undefined: its row has no value."""
    return mean_of_clips(name, group, definition, np.full(clips, np.nan), **facts)


def row(measure: Measure, resamples: Resamples) -> dict[str, Any]:
    """The row of a measure in the score table.

    Returns
    -------
    dict
        The `COLUMNS`: value, 95 % interval, chance, mean of the null distribution and the probability
        ``(1 + number of permutations at least as good) / (1 + permutations)``. None where undefined, p also where there are
        too few permutations for it to fall to .05.
    """
    bootstrap, clips = resamples.bootstrap, np.arange(len(resamples.blocks))
    value = float(measure.statistic(clips, clips))
    low = high = null_mean = p = None
    if np.isfinite(value):
        low, high = measure.interval or interval(
            measure.statistic(bootstrap, bootstrap), len(np.unique(resamples.blocks))
        )
        if measure.uses_truth and len(resamples.permutations):
            used = resamples.permutations[: measure.permutations or None]
            null = measure.statistic(np.broadcast_to(clips, used.shape), used)
            null_mean = float(null.mean())
            p = _tail(value, null, measure.higher_is_better is not False) if len(null) >= FEWEST else None
    facts: dict[str, Any] = {
        "metric": measure.name, "protocol": measure.protocol, "group": measure.group, "definition": measure.definition,
        "value": value if np.isfinite(value) else None, "low": low, "high": high, "chance": measure.chance,
        "permutation_mean": null_mean, "p": p, "n": measure.n, "higher_is_better": measure.higher_is_better,
    }  # fmt: skip
    return facts


def interval(samples: np.ndarray, blocks: int) -> tuple[float, float]:
    """95 % interval from bootstrap samples: the expanded percentile interval (Hesterberg 2015, section 3.2).

    The bootstrap of m blocks has a spread that is too small by sqrt((m - 1) / m), and no allowance for its own uncertainty;
    the percentiles are moved outwards by as much as Student's t with m - 1 degrees of freedom asks for.

    Parameters
    ----------
    samples
        Values of the samples; those without a value (NaN) do not count.
    blocks
        Number of blocks that they are drawn from.

    Returns
    -------
    tuple
        Lower and upper bound; NaN if no sample has a value or there is one block only.
    """
    defined = samples[np.isfinite(samples)]
    if not len(defined) or blocks < 2:
        return float("nan"), float("nan")
    tail = norm.cdf(-np.sqrt(blocks / (blocks - 1)) * student.ppf(0.975, blocks - 1))
    low, high = np.quantile(defined, [tail, 1 - tail])
    return float(low), float(high)


def _tail(value: float, null: np.ndarray, higher_is_better: bool) -> float:
    # Sums over the same clips in another order differ in the last bits: equal values must count as equal.
    tolerance = 1e-9 * max(1.0, abs(value))
    as_good = null >= value - tolerance if higher_is_better else null <= value + tolerance
    return float((1 + as_good.sum()) / (1 + len(null)))
