"""The table of all scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurons.evaluate.measures import COLUMNS

KEYS = ["variant", "subject"]
CHANCE = {"variant": "chance", "subject": "any"}


def score_frame(rows: Sequence[dict[str, Any]], variant: str, subject: str) -> pd.DataFrame:
    """Rows of measures as a table with the columns `KEYS` and `measures.COLUMNS`."""
    table = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("value", "low", "high", "chance", "permutation_mean", "p"):
        table[name] = table[name].astype(float)
    table.insert(0, "subject", subject)
    table.insert(0, "variant", variant)
    return table


def chance_rows(scores: pd.DataFrame) -> pd.DataFrame:
    """What a prediction without information scores, a row for each metric for which that is known.

    The value is the chance level where the metric has one, else the mean over variants and subjects of the null
    distributions' means.

    Parameters
    ----------
    scores
        All scores, columns `KEYS` and `measures.COLUMNS`.
    """
    rows = []
    for _, group in scores.groupby("metric", sort=False):
        levels, nulls = group["chance"].dropna(), group["permutation_mean"].dropna()
        if levels.empty and nulls.empty:
            continue
        first = group.iloc[0]
        value = float((nulls if levels.empty else levels).mean())
        how = "chance level" if len(levels) else "mean of predictions paired with the wrong clips"
        facts = {
            "metric": first["metric"],
            "protocol": first["protocol"],
            "group": first["group"],
            "definition": f"{how}: {first['definition']}",
        }
        facts |= {"value": value, "n": first["n"], "higher_is_better": first["higher_is_better"]}
        rows.append({**dict.fromkeys(COLUMNS), **facts})
    return score_frame(rows, CHANCE["variant"], CHANCE["subject"])


def stack(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All score tables below each other, the rows of chance first."""
    scores = pd.concat(tables, ignore_index=True)
    return pd.concat([chance_rows(scores), scores], ignore_index=True)


def records(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as dictionaries; undefined values are None."""
    plain = scores.astype(object).where(scores.notna(), None)
    return [{str(key): _plain(value) for key, value in row.items()} for row in plain.to_dict("records")]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
