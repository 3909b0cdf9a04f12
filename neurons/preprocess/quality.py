"""Numbers on the quality of runs: agreement with the other presentations of the movie, at which lag, in which areas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurons.preprocess import atlas
from neurons.preprocess.reliability import correlation
from neurons.preprocess.runs import Run

TOP_VERTICES = 1000
LAGS = 6
"""Volumes searched each way: enough to find a recording that runs 10 s behind its movie, as happened in cc2017."""

TOP_AREAS = 20
FACTS = (
    "level", "split", "movie", "repeat", "clips", "volumes", "header_repetition_time_s", "tsnr", "constant", "spikes",
    "spike_clips",
)  # fmt: skip
LOW_SHARE = 1 / 3
"""Agreement below this share of the median run of the split is flagged."""


def lag_profile(run: np.ndarray, others: np.ndarray, lags: int = LAGS) -> dict[int, float]:
    """Median correlation of a run with the mean of the other repeats, as a function of lag.

    Parameters
    ----------
    run, others
        Responses (clips, vertices) to the same clips.
    lags
        Volumes searched each way; at most a quarter of the clips.

    Returns
    -------
    dict
        Median correlation over vertices by lag in volumes; it peaks at a positive lag if `run` comes late.
    """
    lags = min(lags, len(run) // 4)
    profile = {}
    for lag in range(-lags, lags + 1):
        late, early = (run, others) if lag >= 0 else (others, run)
        shift = abs(lag)
        profile[lag] = float(np.median(correlation(late[shift:], early[: len(early) - shift])))
    return profile


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


def run_table(movies: Mapping[str, list[Run]], vertices: pd.DataFrame, training: set[str]) -> pd.DataFrame:
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

    Returns
    -------
    pandas.DataFrame
        `level` (run or movie), `split`, `movie`, `repeat`, facts of the run, median correlation with the mean of the other
        repeats (runs) or between pairs of repeats (movies) over the selected vertices, the 1000 most reliable ones and
        the whole cortex, lag of the best agreement in volumes, and `flag` (empty if nothing is suspicious).
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
            agreement = _agreement(run, total, groups, top) if len(repeats) > 1 else {}
            rows.append({"level": "run", "split": split, **_facts(run), **agreement})
        whole: dict[str, Any] = {"level": "movie", "split": split, "movie": movie, "clips": len(total)}
        if len(repeats) > 1:
            whole |= _medians(mean_correlation(total, len(repeats)), groups)
        rows.append(whole)
    table = pd.DataFrame(rows, columns=[*FACTS, *groups, "lag_volumes", "r_lag", "r_lag_0"])
    whole_numbers = ["repeat", "volumes", "constant", "spikes", "spike_clips", "lag_volumes"]
    table[whole_numbers] = table[whole_numbers].astype("Int64")
    table["flag"] = flag_runs(table)
    return table.round(6)


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
        "constant": facts["constant"],
        "spikes": facts["spikes"],
        "spike_clips": len(facts["spike_clips"]),
    }


def _agreement(
    run: Run, total: np.ndarray, groups: dict[str, np.ndarray], top: np.ndarray
) -> dict[str, float | int]:
    own = run.responses
    others = total - own
    profile = lag_profile(own[:, top], others[:, top])
    lag = max(profile, key=lambda lag: (profile[lag], -abs(lag)))
    r = _medians(correlation(own, others), groups)
    return {**r, "lag_volumes": lag, "r_lag": profile[lag], "r_lag_0": profile[0]}


def _medians(r: np.ndarray, groups: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(np.median(r[members])) if len(members) else 0.0 for name, members in groups.items()}


def flag_runs(table: pd.DataFrame) -> pd.Series:
    """What is suspicious about each run, if it exceeds what noise does (half a standard error of a correlation).

    Parameters
    ----------
    table
        `level`, `split`, `clips`, `lag_volumes`, `r_lag` (at the best lag), `r_lag_0`, `r_top1000`.

    Returns
    -------
    pandas.Series
        A sentence per row; empty if the run agrees best at lag 0 and not much less than the other runs of its split.
    """
    flags = pd.Series("", index=table.index)
    noise = 0.5 / np.sqrt(table["clips"])
    shifted = table["lag_volumes"].fillna(0).ne(0) & (table["r_lag"] > table["r_lag_0"] + noise)
    for row in flags.index[shifted]:
        lag = int(table["lag_volumes"].loc[row])
        flags[row] = f"agrees best with the other repeats {lag:+d} volumes away: wrong onset, or out of step"
    r = table[f"r_top{TOP_VERTICES}"].where(table["level"] == "run")
    typical = r.groupby(table["split"]).transform("median")
    low = ~shifted & (r < LOW_SHARE * typical) & (typical > noise)
    flags[low] = "hardly agrees with the other repeats: wrong movie, wrong subject, or a bad recording"
    return flags


def summarise(subject: str, vertices: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """The numbers of one subject: how much of the cortex was selected, where, how reliable it is, what was flagged."""
    selected, r = vertices["selected"].to_numpy(), vertices["r"].to_numpy()
    usable = ~vertices["constant"].to_numpy()
    groups = {group: atlas.visual_group(group) & usable for group in atlas.VISUAL_AREAS}
    visual = np.logical_or.reduce(list(groups.values()))
    runs = rows[rows["level"] == "run"]
    flagged = runs.loc[runs["flag"] != "", ["movie", "repeat", "flag"]]
    return {
        "subject": subject,
        "runs": len(runs),
        "flagged": flagged.to_dict("records"),
        "cortex_vertices": len(vertices),
        "constant_vertices": int((~usable).sum()),
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
        "tsnr": _median(runs["tsnr"].to_numpy(dtype=np.float64)),
        "spikes": int(runs["spikes"].sum()),
        "areas": _areas(selected, r),
    }


def _median(values: np.ndarray) -> float | None:
    return round(float(np.median(values)), 6) if len(values) else None


def _areas(selected: np.ndarray, r: np.ndarray) -> list[dict[Any, Any]]:
    """The areas with the largest share of selected vertices."""
    table = pd.DataFrame({"area": atlas.areas(), "selected": selected, "r": r})
    columns = {"vertices": ("r", "size"), "selected": ("selected", "sum"), "median_r": ("r", "median")}
    areas = table.groupby("area").agg(**columns)
    areas["share"] = areas["selected"] / areas["vertices"]
    best = areas[areas["selected"] > 0].sort_values(["share", "median_r"], ascending=False).head(TOP_AREAS)
    return [dict(row) for row in best.round(6).reset_index().to_dict("records")]
