"""The areas figure: what each functional group adds to each task, in both directions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurons.artifacts import atomic
from neurons.interpret.settings import Interpret
from neurons.interpret.statistics import LEVEL
from neurons.interpret.tasks import TASKS

TASK_COLOURS = dict(zip(TASKS, ("#4f7cff", "#f2a93b", "#2fb58a", "#d9577a"), strict=True))
INK, GREY = "#1c2233", "#5b6475"
LABELS = {
    "gradient": "gradient x input",
    "integrated": "integrated gradients",
    "haufe": "Haufe pattern",
    "permutation": "shuffled in time",
    "encoding": "predicted from task (r)",
    "unique": "unique variance (R2)",
}


def draw_areas(path: Path, table: pd.DataFrame, methods: Sequence[str], title: str) -> None:
    """Bars of regions by task for some methods, with 95 % intervals; filled where the corrected p is below .05 (PNG).

    Each task has its own panel, for evidence of different tasks has no common unit.

    Parameters
    ----------
    table
        From `neurons.interpret.statistics.area_rows`. Functional groups are shown if there are any, else the areas with
        the most vertices.
    """
    level, shown = _regions(table)
    figure = Figure(figsize=(max(12.0, 1.1 * len(shown)), 2.0 * len(methods) + 0.9), facecolor="white")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(methods), len(TASKS), squeeze=False)
    for row, method in enumerate(methods):
        for column, task in enumerate(TASKS):
            axes = grid[row, column]
            chosen = table[(table["method"] == method) & (table["task"] == task) & (table["level"] == level)]
            chosen = chosen.set_index("region").reindex(shown)
            value, low, high = (chosen[name].to_numpy(float) for name in ("value", "low", "high"))
            filled = (chosen["p_corrected"] < LEVEL).to_numpy()
            colours = [TASK_COLOURS[task] if yes else "white" for yes in filled]
            places = np.arange(len(shown))
            axes.bar(places, value, color=colours, edgecolor=TASK_COLOURS[task], linewidth=1)
            axes.vlines(places, low, high, color=INK, linewidth=1)
            axes.axhline(0, color=GREY, linewidth=0.6)
            axes.set_xticks(places, shown if row == len(methods) - 1 else [""] * len(shown), rotation=90)
            axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 2))
            axes.yaxis.get_offset_text().set_fontsize(7)
            axes.tick_params(labelsize=8, colors=INK, length=2)
            axes.spines[["top", "right"]].set_visible(False)
            if row == 0:
                axes.set_title(task.replace("_", " "), fontsize=11, color=INK)
            if column == 0:
                axes.set_ylabel(LABELS[method], fontsize=8, color=INK)
    figure.suptitle(title, fontsize=12, color=INK)
    figure.tight_layout()
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})


def _regions(table: pd.DataFrame, most: int = 20) -> tuple[str, list[str]]:
    groups = table.loc[table["level"] == "group", "region"].drop_duplicates().tolist()
    if groups:
        usual = list(Interpret().groups)
        return "group", sorted(
            groups, key=lambda name: (usual.index(name) if name in usual else len(usual), name)
        )
    largest = table.sort_values("vertices", ascending=False, kind="stable")["region"].drop_duplicates()
    return "area", largest.head(most).tolist()


def write_sentence(path: Path, sentence: str) -> None:
    """A picture that says why there is no picture (PNG)."""
    figure = Figure(figsize=(9, 1.6), facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.5, 0.5, fill(sentence, 90), ha="center", va="center", fontsize=11, color=INK)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90, metadata={"Software": None})
