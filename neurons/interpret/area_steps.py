"""The step that makes the table of areas, and sets the methods side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, TensorFile, provenance, write_json, write_table
from neurons.console import logger
from neurons.interpret.settings import Interpret
from neurons.interpret.statistics import AREA_COLUMNS, LEVEL, agreement_rows, area_rows
from neurons.interpret.tasks import METHODS

USED = {"seed", "bootstrap", "permutations", "block_clips"}
"""Settings that decide the result."""


def areas(
    *,
    importance: Path,
    encoding: Path,
    settings: Interpret,
    table: Path,
    agreement: Path,
    summary: Path,
) -> None:
    """Importance of each area and functional group for each task, with interval and corrected p.

    Parameters
    ----------
    importance, encoding
        From `interpret importance` and `interpret encoding` of one subject and variant.
    settings
        Section `interpret` of the configuration.
    table
        Output: a row per method, task and region (TSV).
    agreement
        Output: rank correlations between methods, over vertices and over areas (TSV).
    summary
        Output: numbers of vertices, areas and significant areas (JSON).
    """
    files = {"importance": TensorFile(importance), "encoding": TensorFile(encoding)}
    facts = files["importance"].metadata
    _check_same(importance, facts, encoding, files["encoding"].metadata)
    regions, clip_ids, tasks = facts["regions"], facts["held_out_clips"], facts["tasks"]
    by_method = {method: files["importance"] for method in (*METHODS, "permutation")}
    by_method |= {method: files["encoding"] for method in ("encoding", "unique")}
    limits = settings.model_dump(include=USED)
    parts = [
        area_rows(method, task, np.array(file[f"{method}_series"][number]), regions, clip_ids, **limits)
        for method, file in by_method.items()
        for number, task in enumerate(tasks)
        if regions["names"]
    ]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=AREA_COLUMNS)
    for method, ceiling in (("encoding", "region_ceiling"), ("unique", "region_reliability")):
        chosen = rows["method"] == method
        limit = dict(zip(regions["names"], files["encoding"][ceiling].tolist(), strict=True))
        rows.loc[chosen, "normalised"] = rows.loc[chosen, "value"] / rows.loc[chosen, "region"].map(limit)
    made_by = provenance(
        "interpret areas",
        {"importance": importance, "encoding": encoding},
        limits,
        settings.seed,
    )
    write_table(table, rows, made_by)
    write_table(agreement, _agreement(files, rows, tasks), made_by)
    counts: dict[str, Any] = {
        "subject": facts["subject"],
        "variant": facts["variant"],
        "kind": facts["kind"],
        "vertices": len(files["importance"]["vertex"]),
        "held_out_clips": len(clip_ids),
        "areas": regions["levels"].count("area"),
    }
    of_areas = rows[rows["level"] == "area"]
    significant = of_areas[of_areas["p_corrected"] < LEVEL]
    found = significant.groupby(["method", "task"]).size()
    counts["significant_areas"] = {
        method: {task: int(found.get((method, task), 0)) for task in tasks} for method in by_method
    }
    write_json(summary, counts, made_by)
    logger.info("%d of %d rows of areas are significant", len(significant), len(of_areas))


def _check_same(importance: Path, first: dict[str, Any], encoding: Path, second: dict[str, Any]) -> None:
    different = [
        key
        for key in ("subject", "variant", "held_out_clips", "regions", "tasks")
        if first[key] != second[key]
    ]
    if different:
        raise InputError(
            f"{importance} and {encoding} differ in {', '.join(different)}: they must be of the same subject, variant and "
            "settings. Rerun the stage `interpret`."
        )


def _agreement(files: dict[str, TensorFile], rows: pd.DataFrame, tasks: list[str]) -> pd.DataFrame:
    """Rank correlations of all methods over vertices, and over areas, where shuffling has a say too."""
    parts = []
    for number, task in enumerate(tasks):
        by_vertex = {method: files["importance"][method][number] for method in METHODS}
        by_vertex |= {name: files["encoding"][name][number] for name in ("encoding", "unique")}
        parts.append(agreement_rows(by_vertex, task, "vertex"))
        of_areas = rows[(rows["task"] == task) & (rows["level"] == "area")]
        by_area = {
            str(name): part["value"].to_numpy(float) for name, part in of_areas.groupby("method", sort=False)
        }
        if by_area:
            parts.append(agreement_rows(by_area, task, "area"))
    return pd.concat(parts, ignore_index=True)
