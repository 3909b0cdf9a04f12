"""The step of `evaluate` that draws learning curves: scores against minutes of training data."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from neurons.artifacts import atomic, provenance, read_json, write_table

matplotlib.use("Agg")

DRAWN = {
    "image_top1": "own image tokens nearest\nof all held-out clips",
    "text_top1": "own caption nearest\nof all held-out clips",
}
"""Axis titles by score of `pretrain`'s validation."""
LOOKS = {"own": ("#4f7cff", "own data alone"), "others": ("#f2a93b", "backbone of the other subjects")}
MARKERS = "os^Dv"


def learning_curves(*, points: str, summaries: list[Path], scores: Path, picture: Path) -> None:
    """Put the validation scores of brain models against the minutes they learned from.

    Parameters
    ----------
    points
        JSON list: for each file its ``start``, ``minutes``, ``seed`` and ``subject``.
    summaries
        Validation scores of the brain models (from `pretrain fit`).
    scores
        A line per start, subject, minutes and score: mean, lowest and highest over seeds (written, TSV).
    picture
        The same as curves (written, PNG).
    """
    found = []
    for facts, path in zip(json.loads(points), summaries, strict=True):
        own = read_json(path)
        found += [
            {
                **{key: facts[key] for key in ("start", "subject", "minutes", "seed")},
                "score": name,
                "value": own[name],
            }
            for name in (*DRAWN, "regression", "chance")
        ]
    table = over_seeds(pd.DataFrame(found))
    write_table(scores, table, provenance("evaluate learning-curves", {"summaries": summaries}))
    with atomic(picture) as temporary:
        drawn(table).savefig(temporary, dpi=130, metadata={"Software": None})


def over_seeds(points: pd.DataFrame) -> pd.DataFrame:
    """Mean, lowest and highest value over seeds, and their number.

    Parameters
    ----------
    points
        Columns start, subject, minutes, seed, score, value.
    """
    keys = ["start", "subject", "score", "minutes"]
    table = points.groupby(keys, sort=False)["value"].agg(
        mean="mean", lowest="min", highest="max", seeds="count"
    )
    return table.reset_index().sort_values(keys, kind="stable", ignore_index=True)


def drawn(table: pd.DataFrame) -> Figure:
    """A panel per score, a line per start and subject, ranges over seeds as bars; chance as a dotted line."""
    figure = Figure(figsize=(9, 3.8))
    subjects = list(dict.fromkeys(table["subject"]))
    chance = float(table.loc[table["score"] == "chance", "mean"].iloc[0])
    for axes, (score, title) in zip(figure.subplots(1, len(DRAWN)), DRAWN.items(), strict=True):
        for (start, subject), line in table[table["score"] == score].groupby(
            ["start", "subject"], sort=False
        ):
            colour, said = LOOKS[str(start)]
            bars = (line["mean"] - line["lowest"], line["highest"] - line["mean"])
            axes.errorbar(
                line["minutes"], line["mean"], bars, color=colour, capsize=2, linewidth=1.5, markersize=5,
                marker=MARKERS[subjects.index(str(subject)) % len(MARKERS)], label=f"{said}, {subject}",
            )  # fmt: skip
        axes.axhline(chance, color="0.5", linestyle=":", linewidth=1)
        axes.set_xscale("log")
        minutes = sorted(table["minutes"].unique())
        axes.set_xticks(minutes, [f"{value:.3g}" for value in minutes])
        axes.minorticks_off()
        axes.set(xlabel="minutes of training movies", ylabel=title, ylim=(0, None))
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    return figure
