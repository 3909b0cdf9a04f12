"""From the contributions of single clips to intervals, and p corrected over areas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from neurons.artifacts import seed_for
from neurons.evaluate.measures import interval
from neurons.evaluate.resampling import block_bootstrap, block_numbers

AREA_COLUMNS = [
    "method", "task", "level", "region", "vertices", "value", "low", "high", "share", "normalised", "p", "p_corrected",
]  # fmt: skip

LEVEL = 0.05
"""Corrected p below which a region is called significant."""


def sign_flip_p(
    series: np.ndarray, blocks: np.ndarray, samples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """One-sided p of means above 0, single and corrected over regions by the largest statistic (Westfall and Young 1993).

    Under the null hypothesis the sign of a block of clips is arbitrary. The statistic is the sum over blocks by the root of
    the sum of their squares, which no sign changes, so that regions of any size count the same. All regions share the
    signs, so that their dependence needs no assumption.

    Parameters
    ----------
    series
        Contributions of clips, (n, regions).
    blocks
        Number of each clip's block, (n,).
    samples
        Sign vectors; if all there are are fewer, each is taken once and p is exact.

    Returns
    -------
    tuple
        p and corrected p, each (regions,); NaN where a region's series is 0 throughout.
    """
    _, numbers = np.unique(blocks, return_inverse=True)
    sums = np.zeros((numbers.max() + 1, series.shape[1]))
    np.add.at(sums, numbers, series)
    size = np.sqrt(np.square(sums).sum(axis=0))
    tested = size > 0
    if not tested.any():
        return np.full(series.shape[1], np.nan), np.full(series.shape[1], np.nan)
    units = sums[:, tested] / size[tested]
    count = len(units)
    exact = 2**count <= samples
    if exact:
        signs = 1.0 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(samples, count))
    drawn, observed = signs @ units, units.sum(axis=0) - 1e-9
    largest = drawn.max(axis=1)
    reached = np.stack([(drawn >= observed).sum(axis=0), (largest[:, None] >= observed).sum(axis=0)])
    shares = reached / len(signs) if exact else (1 + reached) / (1 + samples)
    result = np.full((2, series.shape[1]), np.nan)
    result[:, tested] = shares
    return result[0], result[1]


def area_rows(
    method: str,
    task: str,
    series: np.ndarray,
    regions: dict[str, list],
    clip_ids: Sequence[str],
    *,
    block_clips: int,
    bootstrap: int,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Mean of each region with its 95 % block bootstrap interval and p, corrected over the regions of its level.

    Parameters
    ----------
    series
        Contributions of clips, (n, regions).
    regions
        ``names``, ``levels`` and ``vertices`` of the regions.
    clip_ids
        Of the clips.

    Returns
    -------
    pandas.DataFrame
        Columns `AREA_COLUMNS`. `share`: positive part of mean times vertices, of the sum over the regions of the level
        (groups may overlap); `normalised` is left undefined.
    """
    blocks = block_numbers(clip_ids, block_clips)
    drawn = block_bootstrap(clip_ids, block_clips, bootstrap, seed_for(seed, "interpret", "bootstrap"))
    counts = np.stack([np.bincount(sample, minlength=len(clip_ids)) for sample in drawn])
    means = counts @ series / len(clip_ids)
    bounds = [interval(column, int(blocks.max()) + 1) for column in means.T]
    table = pd.DataFrame(
        {
            "method": method,
            "task": task,
            "level": regions["levels"],
            "region": regions["names"],
            "vertices": regions["vertices"],
            "value": series.mean(axis=0, dtype=np.float64),
            "low": [low for low, _ in bounds],
            "high": [high for _, high in bounds],
        }
    )
    signs = seed_for(seed, "interpret", "signs")
    for rows in table.groupby("level").groups.values():
        positions = rows.to_numpy()
        p = sign_flip_p(series[:, positions], blocks, permutations, signs)
        table.loc[rows, "p"], table.loc[rows, "p_corrected"] = p
        size = 1 if method == "permutation" else table.loc[rows, "vertices"]
        total = table.loc[rows, "value"].clip(lower=0) * size
        table.loc[rows, "share"] = total / total.sum() if total.sum() > 0 else 0.0
    return table.assign(normalised=np.nan)[AREA_COLUMNS]


def agreement_rows(values: dict[str, np.ndarray], task: str, level: str) -> pd.DataFrame:
    """Spearman correlations of all pairs of methods over vertices or areas.

    Parameters
    ----------
    values
        Importance by method, (V,) each; vertices without a value are not given.

    Returns
    -------
    pandas.DataFrame
        Columns ``task, level, method, other, rho, n``; rho is NaN where a method is constant.
    """
    ranks = {name: rankdata(value) for name, value in values.items()}
    names = list(values)
    rows = []
    for position, name in enumerate(names):
        for other in names[position + 1 :]:
            first, second = (ranks[key] - ranks[key].mean() for key in (name, other))
            size = np.sqrt((first**2).sum() * (second**2).sum())
            rho = float((first * second).sum() / size) if size > 0 else float("nan")
            rows.append(
                {"task": task, "level": level, "method": name, "other": other, "rho": rho, "n": len(first)}
            )
    return pd.DataFrame(rows, columns=["task", "level", "method", "other", "rho", "n"])
