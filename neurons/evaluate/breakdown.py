"""Where a prediction is good and where it fails: scores by concept, by key object and by kind of clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurons.evaluate.comparisons import holm
from neurons.evaluate.concepts import average_precision_statistic, counts_statistic
from neurons.evaluate.measures import BY_CLIP, COLUMNS, Measure, interval, row
from neurons.evaluate.resampling import Resamples

LEVELS = ["factor", "level", "metric", "n", "value", "low", "high", "others", "p", "p_holm"]
SIZES = {"none": (0.0, 0.0), "below 3 %": (0.0, 0.03), "3 to 15 %": (0.03, 0.15), "above 15 %": (0.15, 1.0)}
"""Share of a clip's pixels that belong to the key object: above the first, up to the second."""


def kinds_of_clip(
    concepts: np.ndarray,
    names: Sequence[str],
    key_masks: np.ndarray,
    key_tags: Sequence[str | None],
    tags: Sequence[Sequence[str]],
    cuts: np.ndarray,
) -> dict[tuple[str, str], np.ndarray]:
    """Which clips belong to which level of which factor.

    Parameters
    ----------
    concepts, names
        0 or 1, shape (clips, concepts), and the names of the columns.
    key_masks
        Shape (clips, frames, height, width).
    key_tags, tags
        Key object, and everything that is tagged, of each clip.
    cuts
        Scene cuts inside each clip.

    Returns
    -------
    dict
        bool (clips,) by (factor, level), for levels with at least one clip.
    """
    share = key_masks.reshape(len(key_masks), -1).astype(bool).mean(1)
    counts = np.array([len(set(listed)) for listed in tags])
    levels: dict[tuple[str, str], np.ndarray] = {
        ("scene cut", "inside"): cuts > 0,
        ("scene cut", "none"): cuts == 0,
    }
    for name, (above, most) in SIZES.items():
        levels["key object", name] = share == 0 if name == "none" else (share > above) & (share <= most)
    for tag in sorted({tag for tag in key_tags if tag}):
        levels["key object", tag] = np.array([own == tag for own in key_tags])
    for count in sorted(set(counts)):
        levels["things tagged", str(count)] = counts == count
    for column, name in enumerate(names):
        levels["concept", name] = concepts[:, column] > 0
    return {level: members for level, members in levels.items() if members.any()}


def by_kind(
    by_clip: pd.DataFrame,
    kinds: dict[tuple[str, str], np.ndarray],
    resamples: Resamples,
) -> pd.DataFrame:
    """Means of metrics over the clips of each level, beside those over all other clips.

    Parameters
    ----------
    by_clip
        A row per clip, a column per metric; NaN where undefined.
    kinds
        From `kinds_of_clip`.
    resamples
        Of these clips.

    Returns
    -------
    pandas.DataFrame
        Columns `LEVELS`: mean with 95 % block bootstrap interval, mean of the other clips, p of their difference (two-sided,
        levels permuted in blocks of clips) and p corrected for all rows (Holm).
    """
    rows: list[dict[str, Any]] = []
    for metric in (name for name in BY_CLIP if name in by_clip):
        values = by_clip[metric].to_numpy(float)
        defined = np.isfinite(values)
        filled = np.where(defined, values, 0.0)
        for (factor, level), members in kinds.items():
            inside = members & defined
            if not inside.any():
                continue
            counts = inside[resamples.bootstrap].sum(1)
            sampled = (filled * inside)[resamples.bootstrap].sum(1)[counts > 0] / counts[counts > 0]
            low, high = interval(sampled, len(np.unique(resamples.blocks[inside])))
            outside = ~members & defined
            facts = {"factor": factor, "level": level, "metric": metric, "n": int(inside.sum())}
            facts |= {"value": float(values[inside].mean()), "low": low, "high": high}
            facts["others"] = float(values[outside].mean()) if outside.any() else np.nan
            tested = outside.any() and len(resamples.permutations)
            facts["p"] = _difference_p(filled, defined, members, resamples.permutations) if tested else np.nan
            rows.append(facts)
    table = pd.DataFrame(rows, columns=LEVELS[:-1])
    table["p_holm"] = holm(table["p"].to_numpy(float))
    return table


def _difference_p(
    values: np.ndarray, defined: np.ndarray, members: np.ndarray, permutations: np.ndarray
) -> float:
    def difference(chosen: np.ndarray) -> np.ndarray:
        inside, outside = chosen & defined, ~chosen & defined
        with np.errstate(invalid="ignore", divide="ignore"):
            return (values * inside).sum(-1) / inside.sum(-1) - (values * outside).sum(-1) / outside.sum(-1)

    observed = abs(float(difference(members)))
    null = np.abs(difference(members[permutations]))
    null = null[np.isfinite(null)]
    return float((1 + (null >= observed - 1e-12).sum()) / (1 + len(null)))


def concept_measures_by_class(
    truth: np.ndarray, probability: np.ndarray, threshold: float, names: Sequence[str]
) -> Iterator[tuple[str, Measure]]:
    """Average precision, precision, recall and F1 of each concept.

    Parameters
    ----------
    truth, probability
        Shape (clips, concepts).
    threshold
        Probability from which on a concept is recognised.
    """
    recognised = probability >= threshold
    for c, name in enumerate(names):
        labels, support = truth[:, [c]], int(truth[:, c].sum())
        chance = support / len(truth) if support else None
        definition = "Average precision of one concept; n: clips that have it; chance: its prevalence."
        statistic = average_precision_statistic(labels, probability[:, [c]])
        yield name, Measure("concept_ap", "concept", definition, statistic, support, chance)
        for figure in ("precision", "recall", "f1"):
            definition = (
                f"{figure.capitalize()} of one concept, probability >= {threshold:g}; n: clips that have it."
            )
            statistic = counts_statistic(labels, recognised[:, [c]], figure)
            yield name, Measure(f"concept_{figure}", "concept", definition, statistic, support)


def by_concept(
    truth: np.ndarray,
    probability: np.ndarray,
    threshold: float,
    names: Sequence[str],
    resamples: Resamples,
) -> pd.DataFrame:
    """Recognition of each concept with support, a row per concept and figure: `concept` and `measures.COLUMNS`."""
    rows = [
        {"concept": name, **row(measure, resamples)}
        for name, measure in concept_measures_by_class(truth, probability, threshold, names)
    ]
    return pd.DataFrame(rows, columns=["concept", *COLUMNS])
