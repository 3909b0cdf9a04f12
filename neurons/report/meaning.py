"""What the scores mean, for the page: alarms, paired comparisons, where it fails, the tables of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import read_table
from neurons.report.content import labels
from neurons.report.forests import Line, forest

ALARM_COLUMNS = ("alarm", "variant", "subject", "raised", "count", "of", "what", "clips")
SHOWN_METRIC = "video_50way_gt1"
FEWEST_CLIPS = 3
MOST_LINES = 24
PAPER_TABLES = {"videos": "Videos", "frames": "Frames", "ablations": "Variants", "tasks": "Decoded tasks"}


def alarms(path: Path) -> dict[str, Any]:
    """Raised alarms, and how many checks found nothing."""
    table = read_table(path, ALARM_COLUMNS)
    raised = table["raised"].astype(str) == "True"
    return {
        "raised": table[raised].fillna("").to_dict("records"),
        "silent": int((~raised).sum()),
        "checks": sorted(set(table["alarm"].astype(str))),
        "cuts": table[table["alarm"] == "clips across cuts"].to_dict("records"),
    }


def comparison_pictures(path: Path) -> list[dict[str, str]]:
    """A picture per pair of variants, of the last group of the table (the mean over subjects if there are several)."""
    table = read_table(
        path, ("subject", "variant", "other", "metric", "difference", "low", "high", "p_holm", "n")
    )
    if table.empty:
        return []
    group = str(table["subject"].iloc[-1])
    pictures = []
    for (variant, other), pair in table[table["subject"] == group].groupby(["variant", "other"], sort=False):
        # Differences of all kinds of metrics on one axis: each in units of its own standard error.
        pair = pair.assign(error=(pair["high"] - pair["low"]) / (2 * 1.96))
        pair = pair[pair["error"] > 0]
        figures = zip(
            *(pair[name] for name in ("metric", "difference", "low", "high", "error", "p_holm")), strict=True
        )
        lines = [
            Line(
                f"{metric}  {difference:+.3f}",
                difference / error,
                low / error,
                high / error,
                corrected < 0.05,
            )
            for metric, difference, low, high, error, corrected in figures
        ]
        title = f"{variant} minus {other} ({group})"
        pictures.append({"title": title, "svg": forest(lines, title, "difference, in standard errors", 0.0)})
    return pictures


def failure_picture(kinds: Path, clip_scores: Path) -> str:
    """Scores of the kinds of clips of one prediction, the worst first."""
    table = read_table(kinds, ("factor", "level", "metric", "n", "value", "low", "high", "p_holm"))
    chosen = table[(table["metric"] == SHOWN_METRIC) & (table["n"] >= FEWEST_CLIPS)].sort_values(
        ["value", "level"]
    )
    half = MOST_LINES // 2
    if len(chosen) > MOST_LINES:
        chosen = pd.concat([chosen.head(half), chosen.tail(half)])
    columns = ("factor", "level", "n", "value", "low", "high", "p_holm")
    lines = [
        Line(f"{factor}: {level} ({n})", value, low, high, corrected < 0.05)
        for factor, level, n, value, low, high, corrected in zip(
            *(chosen[name] for name in columns), strict=True
        )
    ]
    mean = float(np.nanmean(read_table(clip_scores, (SHOWN_METRIC,))[SHOWN_METRIC].astype(float)))
    return forest(lines, ", ".join(labels(kinds)), f"{SHOWN_METRIC}; line: all clips", mean)


def cells(path: Path, required: Sequence[str]) -> dict[str, Any]:
    """A table as texts: its columns and its rows."""
    table = read_table(path, required).astype(object).fillna("")
    return {
        "columns": [str(name) for name in table.columns],
        "rows": [[str(cell) for cell in row] for row in table.to_numpy()],
    }


def paper_tables(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The tables of the paper, as rows of texts."""
    return [
        {"title": PAPER_TABLES[path.stem], **cells(path, ("variant", "subject"))}
        for path in paths
        if path.stem in PAPER_TABLES
    ]
