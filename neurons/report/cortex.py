"""Which vertices speak for which task, for the page; only there where the stage `interpret` ran."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from neurons.artifacts import read_json, read_table
from neurons.report.content import labels, png_uri

TABLE_COLUMNS = (
    "method", "task", "level", "region", "vertices", "value", "low", "high", "normalised", "p_corrected",
)  # fmt: skip
PICTURES = {
    "importance": "Importance of each vertex: contribution to the evidence for what was shown",
    "shape": "The same on the inflated cortex, or in slices",
    "encoding": "Encoding direction: how well each task's output for a clip predicts the response",
    "areas": "Functional groups: filled bars are above 0 with p < .05, corrected over the groups",
}
METHODS = ("integrated", "haufe", "permutation", "unique")
LINES = 8
"""Areas listed per task."""
LEVEL = 0.05


def on_cortex(
    summaries: Sequence[Path],
    tables: Sequence[Path],
    agreements: Sequence[Path],
    pictures: Sequence[Path],
    views: Sequence[Path],
    page: Path,
) -> list[dict[str, Any]]:
    """What the page shows of each subject and variant.

    Parameters
    ----------
    summaries, tables, agreements, pictures
        Files of `interpret`, in folders ``<variant>/<subject>/``.
    views
        Folders with interactive views, in the same folders.
    page
        The page, which links to views by relative paths.
    """
    entries = []
    for summary in summaries:
        own = labels(summary)
        facts = read_json(summary)
        table = read_table(next(path for path in tables if labels(path) == own), TABLE_COLUMNS)
        agreement = read_table(next(path for path in agreements if labels(path) == own))
        drawn = {path.stem: path for path in pictures if labels(path) == own}
        folder = next(path for path in views if labels(path) == own)
        entries.append(
            {
                "label": ", ".join(own),
                "vertices": facts["vertices"],
                "clips": facts["held_out_clips"],
                "areas": facts["areas"],
                "pictures": [
                    {"source": png_uri(drawn[name]), "caption": caption} for name, caption in PICTURES.items()
                ],
                "views": [
                    {"task": path.stem.replace("_", " "), "link": os.path.relpath(path, page.parent)}
                    for path in sorted(folder.glob("*.html"))
                ],
                "tasks": [_leading(part, str(task)) for task, part in table.groupby("task", sort=False)],
                "agreement": _agreement(agreement),
            }
        )
    return entries


def _leading(table: pd.DataFrame, task: str) -> dict[str, Any]:
    """The areas with the largest importance per vertex, with the other methods beside."""
    areas = table[table["level"] == "area"]
    cells = areas.set_index(["region", "method"])
    value, corrected = cells["value"], cells["p_corrected"]
    normalised = areas[areas["method"] == "encoding"].set_index("region")["normalised"]
    vertices = areas.drop_duplicates("region").set_index("region")["vertices"]
    leading = areas[areas["method"] == "integrated"].sort_values("value", ascending=False)["region"]
    rows = []
    for region in leading.head(LINES):
        shown = [(method, f"{value[region, method]:.2g}") for method in METHODS]
        shown.append(("encoding", f"{normalised[region]:.2f}"))
        marks = [corrected[region, method] < LEVEL for method, _ in shown]
        rows.append(
            {
                "region": region,
                "vertices": int(vertices[region]),
                "cells": [
                    {"value": text, "mark": mark} for (_, text), mark in zip(shown, marks, strict=True)
                ],
            }
        )
    return {"task": task.replace("_", " "), "rows": rows}


def _agreement(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rank correlation of pairs of methods, mean over tasks."""
    means = table.groupby(["level", "method", "other"], sort=False)["rho"].mean().reset_index()
    rows = zip(*(means[name].tolist() for name in ("level", "method", "other", "rho")), strict=True)
    return [
        {"level": level, "pair": f"{method} and {other}", "rho": f"{rho:.2f}"}
        for level, method, other, rho in rows
        if not math.isnan(rho)
    ]
