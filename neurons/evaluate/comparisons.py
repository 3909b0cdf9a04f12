"""Paired comparisons of two predictions of the same clips, with a correction for many tests.

Released tables compare methods by a rank test of bootstrap means, whose p falls with the number of bootstraps. Here the
null distribution is made by exchanging the two predictions within blocks of neighbouring clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import locate, seed_for
from neurons.evaluate.measures import BY_CLIP, interval
from neurons.evaluate.resampling import block_bootstrap, block_numbers

COMPARED = [
    "subject", "variant", "other", "metric", "difference", "low", "high", "p", "p_holm", "n", "better",
]  # fmt: skip


def sign_flip_p(differences: np.ndarray, blocks: np.ndarray, samples: int, seed: int) -> float:
    """Two-sided p of the mean difference, when the sign of each block of clips is drawn at random.

    Parameters
    ----------
    differences
        Shape (clips,), finite.
    blocks
        Number of each clip's block, shape (clips,).
    samples
        Number of draws; if all combinations of signs are fewer, each of them is taken once and p is exact.

    Returns
    -------
    float
        ``(1 + draws at least as far from 0) / (1 + draws)``, or the exact share.
    """
    _, block = np.unique(blocks, return_inverse=True)
    sums = np.bincount(block, weights=differences)
    observed = abs(sums.sum())
    tolerance = 1e-12 * max(1.0, np.abs(sums).sum())
    if 2 ** len(sums) <= samples:
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(signs @ sums) >= observed - tolerance).mean())
    signs = np.random.default_rng(seed).choice([-1, 1], size=(samples, len(sums)))
    return float((1 + (np.abs(signs @ sums) >= observed - tolerance).sum()) / (1 + samples))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values corrected for their number by Holm's (1979) step-down procedure; NaN values are not counted."""
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = np.arange(len(order), 0, -1) * p[order]
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def compare(
    by_clip: Mapping[str, pd.DataFrame],
    subject: str,
    *,
    block_clips: int,
    bootstrap: int,
    permutations: int,
    seed: int,
) -> pd.DataFrame:
    """Compare all pairs of variants in the metrics `BY_CLIP`.

    Parameters
    ----------
    by_clip
        For each variant a table with the column `clip` and a column per metric; clips where one of two is undefined do not
        count.
    subject
        Written into the table.

    Returns
    -------
    pandas.DataFrame
        Columns `COMPARED`: mean of `variant` minus `other` with its 95 % block bootstrap interval; `p_holm` is corrected for
        all rows of this table; `better` names the variant where `p_holm` < .05.
    """
    names = list(by_clip)
    rows: list[dict[str, Any]] = []
    for variant, other in combinations(names, 2):
        ids = list(by_clip[variant]["clip"])
        blocks = block_numbers(ids, block_clips)
        drawn = block_bootstrap(ids, block_clips, bootstrap, seed_for(seed, "bootstrap"))
        theirs = list(by_clip[other]["clip"])
        order = locate(ids, theirs, f"the scores of {other}")
        locate(theirs, ids, f"the scores of {variant}")
        for metric in (name for name in BY_CLIP if name in by_clip[variant] and name in by_clip[other]):
            differences = (
                by_clip[variant][metric].to_numpy(float) - by_clip[other][metric].to_numpy(float)[order]
            )
            if not np.isfinite(differences).any():
                continue
            signs = seed_for(seed, "signs", subject, variant, other, metric)
            facts: dict[str, Any] = {"subject": subject, "variant": variant, "other": other, "metric": metric}
            rows.append(facts | paired_difference(differences, blocks, drawn, permutations, signs))
    table = pd.DataFrame(rows, columns=[name for name in COMPARED if name not in ("p_holm", "better")])
    table["p_holm"] = holm(table["p"].to_numpy(float))
    columns = (table[name] for name in ("variant", "other", "difference", "p_holm"))
    table["better"] = [
        "" if corrected >= 0.05 else (variant if difference > 0 else other)
        for variant, other, difference, corrected in zip(*columns, strict=True)
    ]
    return table[COMPARED]


def paired_difference(
    differences: np.ndarray, blocks: np.ndarray, drawn: np.ndarray, permutations: int, seed: int
) -> dict[str, float]:
    """Mean of the clips' differences with its interval and p.

    Parameters
    ----------
    differences
        Shape (clips,); NaN where one of two is undefined, which does not count.
    blocks
        Number of each clip's block, shape (clips,).
    drawn
        Bootstrap samples, shape (samples, clips).
    permutations, seed
        Draws of `sign_flip_p`.

    Returns
    -------
    dict
        ``difference``, ``low``, ``high``, ``p``, ``n``.
    """
    both = np.isfinite(differences)
    low, high = interval(_defined_means(differences, both, drawn), len(np.unique(blocks[both])))
    p = sign_flip_p(differences[both], blocks[both], permutations, seed)
    return {
        "difference": float(differences[both].mean()), "low": low, "high": high, "p": p, "n": int(both.sum()),
    }  # fmt: skip


def mean_over_subjects(tables: Sequence[pd.DataFrame], compared: Sequence[str] = BY_CLIP) -> pd.DataFrame:
    """Clip by clip the mean of metrics over subjects who saw the same clips; undefined where one of them is.

    Parameters
    ----------
    tables
        One per subject: the column `clip` and a column per metric.
    compared
        Metrics that are kept.

    Raises
    ------
    InputError
        If subjects were scored on different clips.
    """
    first = tables[0]
    ids = list(first["clip"])
    metrics = [name for name in compared if all(name in table for table in tables)]
    for table in tables[1:]:
        locate(list(table["clip"]), ids, "the scores of the first subject")
    stacked = [
        table.iloc[locate(ids, list(table["clip"]), "the scores of a subject")][metrics] for table in tables
    ]
    mean = np.mean([table.to_numpy(float) for table in stacked], axis=0)
    return pd.DataFrame(mean, columns=metrics).assign(clip=ids)


def _defined_means(values: np.ndarray, defined: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    count = defined[drawn].sum(1)
    total = np.where(defined, values, 0.0)[drawn].sum(1)
    return total[count > 0] / count[count > 0]
