"""Numbers on the quality of runs: agreement with the other presentations of the movie, signal, in which areas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurons.preprocess import atlas
from neurons.preprocess.reliability import correlation
from neurons.preprocess.runs import Run

TOP_VERTICES = 1000
TOP_AREAS = 20
FACTS = (
    "kind", "split", "movie", "repeat", "clips", "volumes", "header_repetition_time_s", "tsnr",
    "framewise_displacement_mm", "constant", "faint", "spikes",
    "spike_clips",
)  # fmt: skip
FROM_ALIGNMENT = (
    "lag_clips",
    "r_lag",
    "r_lag_0",
    "stimulus_lag_clips",
    "stimulus_r",
    "best_movie",
    "level",
    "flag",
)
DROP_OUT = 1 / 3
"""A vertex whose tSNR is below this share of the median vertex has hardly any signal."""


def mean_correlation(total: np.ndarray, repeats: int) -> np.ndarray:
    """Mean correlation over all pairs of repeats, from the sum of their z-scores: ``(|sum|^2 / (n - 1) - k) / (k (k - 1))``.

    Parameters
    ----------
    total
        Sum over repeats of z-scored responses (clips, vertices).
    repeats
        Number k of repeats, at least two.
    """
    power = np.einsum("cv,cv->v", total, total, dtype=np.float64) / (len(total) - 1)
    return (power - repeats) / (repeats * (repeats - 1))


def run_table(
    movies: Mapping[str, list[Run]], vertices: pd.DataFrame, training: set[str], alignment: pd.DataFrame
) -> pd.DataFrame:
    """A row per run and a row per movie.

    Reads each run twice and holds three of them at a time (the real study: 0.2 GB).

    Parameters
    ----------
    movies
        Runs by movie.
    vertices
        Selection table (grayordinate, r, selected, constant) of all cortical vertices in order.
    training
        Content hashes of the training runs.
    alignment
        Table from `alignment`.

    Returns
    -------
    pandas.DataFrame
        `kind` (run or movie), `split`, `movie`, `repeat`, facts of the run, median correlation with the mean of the other
        repeats (runs) or between pairs of repeats (movies) over the selected vertices, the 1000 most reliable ones and
        all that are not constant, and for runs what `alignment` found.
    """
    usable = ~vertices["constant"].to_numpy()
    reliability = np.where(usable, vertices["r"], -np.inf)
    top = np.sort(np.argsort(-reliability, kind="stable")[:TOP_VERTICES])
    groups = {
        "r_selected": np.flatnonzero(vertices["selected"]),
        f"r_top{TOP_VERTICES}": top,
        "r_cortex": np.flatnonzero(usable),
    }
    rows: list[dict[str, Any]] = []
    for movie, repeats in movies.items():
        split = "train" if repeats[0].metadata["content_hash"] in training else "test"
        total = _sum(repeats)
        for run in repeats:
            own = run.responses
            agreement = _medians(correlation(own, total - own), groups) if len(repeats) > 1 else {}
            rows.append({"kind": "run", "split": split, **_facts(run), **agreement})
        whole: dict[str, Any] = {"kind": "movie", "split": split, "movie": movie, "clips": len(total)}
        if len(repeats) > 1:
            whole |= _medians(mean_correlation(total, len(repeats)), groups)
        rows.append(whole)
    table = pd.DataFrame(rows, columns=[*FACTS, *groups])
    whole_numbers = ["repeat", "volumes", "constant", "faint", "spikes", "spike_clips"]
    table[whole_numbers] = table[whole_numbers].astype("Int64")
    checked = alignment[["movie", "repeat", *FROM_ALIGNMENT]].astype({"repeat": "Int64"})
    table = table.merge(checked, on=["movie", "repeat"], how="left")
    return table.fillna({"level": "", "flag": ""}).round(6)


def _sum(repeats: list[Run]) -> np.ndarray:
    total = np.array(repeats[0].responses)
    for run in repeats[1:]:
        total += run.responses
    return total


def _facts(run: Run) -> dict[str, Any]:
    facts = run.metadata["facts"]
    return {
        "movie": run.movie,
        "repeat": run.repeat,
        "clips": len(run.responses),
        "volumes": facts["volumes"],
        "header_repetition_time_s": facts["header_repetition_time_s"],
        "tsnr": facts["tsnr"],
        "framewise_displacement_mm": facts["framewise_displacement_mm"],
        "constant": facts["constant"],
        "faint": facts["faint"],
        "spikes": facts["spikes"],
        "spike_clips": len(facts["spike_clips"]),
    }


def _medians(r: np.ndarray, groups: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(np.median(r[members])) if len(members) else 0.0 for name, members in groups.items()}


def vertex_tsnr(movies: Mapping[str, list[Run]]) -> np.ndarray:
    """Temporal signal-to-noise ratio of each vertex, mean over runs; float64 (vertices,)."""
    runs = [run for repeats in movies.values() for run in repeats]
    return np.asarray(np.mean([run.tsnr for run in runs], axis=0, dtype=np.float64))


def area_table(vertices: pd.DataFrame, areas: np.ndarray, tsnr: np.ndarray) -> pd.DataFrame:
    """A row per named area, the areas with the largest share of selected vertices first.

    Parameters
    ----------
    vertices
        Selection table (r, selected, constant).
    areas
        Name of the area of each vertex, empty for none.
    tsnr
        Of each vertex.

    Returns
    -------
    pandas.DataFrame
        `area`, `vertices`, `selected`, `share`, `median_r`, `median_tsnr`, `drop_outs` (constant, or tSNR below a third of
        the median vertex).
    """
    lost = vertices["constant"].to_numpy() | (tsnr < DROP_OUT * np.median(tsnr))
    columns = {
        "area": areas,
        "selected": vertices["selected"],
        "r": vertices["r"],
        "tsnr": tsnr,
        "lost": lost,
    }
    named = pd.DataFrame(columns)[areas != ""]
    table = named.groupby("area", as_index=False).agg(
        vertices=("r", "size"),
        selected=("selected", "sum"),
        share=("selected", "mean"),
        median_r=("r", "median"),
        median_tsnr=("tsnr", "median"),
        drop_outs=("lost", "sum"),
    )
    return table.sort_values(["share", "median_r"], ascending=False, ignore_index=True).round(6)


def summarise(
    subject: str,
    vertices: pd.DataFrame,
    rows: pd.DataFrame,
    areas: np.ndarray,
    by_area: pd.DataFrame,
    tsnr: np.ndarray,
) -> dict[str, Any]:
    """The numbers of one subject: how much was selected, where, how reliable it is, what was flagged."""
    selected, r = vertices["selected"].to_numpy(), vertices["r"].to_numpy()
    usable = ~vertices["constant"].to_numpy()
    names = np.array([area[2:] for area in areas.tolist()])
    groups = {group: np.isin(names, members) & usable for group, members in atlas.VISUAL_AREAS.items()}
    visual = np.logical_or.reduce(list(groups.values()))
    runs = rows[rows["kind"] == "run"]
    flagged = runs.loc[runs["flag"] != "", ["movie", "repeat", "flag"]]
    best = by_area[by_area["selected"] > 0].head(TOP_AREAS)
    return {
        "subject": subject,
        "runs": len(runs),
        "flagged": flagged.to_dict("records"),
        "out_of_step": ", ".join(f"{row.movie} repeat {row.repeat}" for row in flagged.itertuples())
        or "no run",
        "cortex_vertices": len(vertices),
        "constant_vertices": int((~usable).sum()),
        "low_signal_vertices": int((usable & (tsnr < DROP_OUT * np.median(tsnr))).sum()),
        "selected_vertices": int(selected.sum()),
        "selected_share": float(selected.mean()),
        "passed_vertices": int(vertices["passed"].sum()),
        "median_r": {
            "cortex": _median(r[usable]),
            "selected": _median(r[selected]),
            "visual": _median(r[visual]),
            "not_visual": _median(r[usable & ~visual]),
            **{group: _median(r[members]) for group, members in groups.items()},
        },
        "tsnr": _median(runs["tsnr"].dropna().to_numpy(dtype=np.float64)),
        "spikes": int(runs["spikes"].sum()),
        "areas": [dict(row) for row in best.to_dict("records")],
    }


def _median(values: np.ndarray) -> float | None:
    return round(float(np.median(values)), 6) if len(values) else None
