"""The score table of the page: every value beside its chance level and interval."""

from __future__ import annotations

from typing import Any

import pandas as pd

COLUMNS = (
    "variant",
    "subject",
    "metric",
    "protocol",
    "definition",
    "value",
    "low",
    "high",
    "chance",
    "permutation_mean",
    "p",
    "n",
)
HEADLINES = {
    "video_2way_gt1": "video 2-way",
    "video_50way_gt1": "video 50-way",
    "frame_2way_gt1": "frame 2-way",
    "frame_50way_gt1": "frame 50-way",
    "ssim_gray2d": "SSIM",
    "psnr": "PSNR (dB)",
    "clip_truth": "CLIP to truth",
    "dice": "Dice",
    "concept_map": "concept mAP",
    "caption_object": "key object named",
    "caption_subject": "subject named",
}


def headline_rows(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per (variant, subject) with a cell per headline metric that the table holds.

    A cell has ``value``, ``low``, ``high``, ``chance`` (of chance and permutation mean the larger that is defined), ``p``
    and ``n``; it is None where the row has no such score. Rows without any (the ceiling) are left out.
    """
    rows = []
    for (variant, subject), group in scores.groupby(["variant", "subject"], sort=False):
        by_metric = group.set_index("metric")
        cells = [_cell(by_metric, metric) for metric in shown_metrics(scores)]
        if not any(cells):
            continue
        rows.append({"variant": variant, "subject": subject, "cells": cells})
    return rows


def shown_metrics(scores: pd.DataFrame) -> list[str]:
    """Headline metrics that occur in the table, in their fixed order."""
    present = set(scores["metric"])
    return [metric for metric in HEADLINES if metric in present]


def _cell(by_metric: pd.DataFrame, metric: str) -> dict[str, Any] | None:
    if metric not in by_metric.index:
        return None
    row = by_metric.loc[metric]
    if pd.isna(row["value"]):
        return None
    cell: dict[str, Any] = {name: _number(row[name]) for name in ("value", "low", "high", "p", "n")}
    levels = [
        level for level in (_number(row["chance"]), _number(row["permutation_mean"])) if level is not None
    ]
    cell["chance"] = max(levels) if levels else None
    return cell


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)


def full_rows(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """All scores as plain dictionaries (undefined values are None)."""
    records = scores.astype(object).where(scores.notna(), None).to_dict("records")
    return [{str(key): value for key, value in record.items()} for record in records]
