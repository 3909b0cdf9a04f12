"""Which vertices are selected, against the truth of a simulated study at full run length, in the exact layout of cc2017.

    python benchmarks/selection_truth.py --folder /tmp/selection_truth --signals 1.0 --signals 0.5

Movies of 480 s (a few of the 23), runs of 245 and 246 volumes, one run misnamed and one recorded 10 s behind its movie.
From `index-cc2017` to selected vertices with the steps that the workflow calls. For each signal level prints precision and
recall against the vertices that truly respond, recall among those that respond strongly, the lag at which runs of both
onsets agree best with the others and with the stimulus, and what `gather` says of the late run.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from cyclopts import run as cli

from neurons.artifacts import InputError, provenance, read_table, write_table
from neurons.config import Study
from neurons.cut import steps as cut
from neurons.cut.settings import Cut
from neurons.preprocess import alignment_steps, selection_steps, steps
from neurons.preprocess.index_steps import index_cc2017
from neurons.preprocess.settings import Preprocess
from neurons.simulate import movie_steps
from neurons.simulate import steps as simulate
from neurons.simulate.design import simulated_runs
from neurons.simulate.settings import Simulate
from neurons.study import read_runs

MOVIE_S = 480.0
LATE, MISNAMED = "subject1/test2/3", "subject1/test1/2"
STRONG = 0.5
"""Ratio of evoked to noise SD from which on a vertex responds strongly."""


def design(movies: int) -> pd.DataFrame:
    """Run table: `movies` training movies twice, two test movies four times."""
    return simulated_runs(["subject1"], {"train": (movies, 2), "test": (2, 4)})


def make_movies(folder: Path, table: pd.DataFrame) -> None:
    """Movies, their truth and their clips."""
    settings = Simulate(train_movie_s=MOVIE_S, test_movie_s=MOVIE_S)
    for movie in dict.fromkeys(table["movie"]):
        notes = folder / "notes" / movie
        movie_steps.movie(
            runs=folder / "runs.tsv",
            movie=movie,
            settings=settings,
            video=folder / "data/stimuli" / f"{movie}.mp4",
            captions=notes.with_suffix(".tsv"),
            instances=notes.with_suffix(".instances.tsv"),
            masks=notes.with_suffix(".safetensors"),
            scenes=notes.with_suffix(".parquet"),
        )
        cut.clips(
            movie=movie,
            video=folder / "data/stimuli" / f"{movie}.mp4",
            clip_s=2.0,
            settings=Cut(),
            frames=folder / "cut" / f"{movie}.safetensors",
            clips=folder / "cut" / f"{movie}.tsv",
            facts=folder / "cut" / f"{movie}.json",
        )


def scan(folder: Path, table: pd.DataFrame, signal: float) -> None:
    """Brain and runs of one signal level, with the two faults."""
    settings = Simulate(
        subjects={"subject1": {"signal": signal}}, faults=[f"out_of_sync:{LATE}", f"misnamed_run:{MISNAMED}"]
    )
    shutil.rmtree(folder / "data/subject1", ignore_errors=True)
    simulate.brain(
        runs=folder / "runs.tsv", subject="subject1", settings=settings, vertices=folder / "brain.parquet"
    )
    for row in table.itertuples():
        simulate.run(
            runs=folder / "runs.tsv",
            subject="subject1",
            movie=str(row.movie),
            repeat=int(str(row.repeat)),
            scenes=folder / "notes" / f"{row.movie}.parquet",
            vertices=folder / "brain.parquet",
            repetition_time_s=2.0,
            settings=settings,
            bold=folder / "data" / str(row.bold),
        )


def process(folder: Path, settings: Preprocess) -> pd.DataFrame:
    """From the folder to selected vertices; the run table that was found."""
    index_cc2017(folder / "data", runs=folder / "found.tsv", subjects=("subject1",), allow_missing=True)
    runs = read_runs(folder / "found.tsv", Study(source="files", validation_movies=["seg1"]))
    steps.locations(
        subject="subject1", space="fsLR_91k", settings=settings.volume, locations=folder / "where.parquet"
    )
    for row in runs.itertuples():
        steps.run(
            bold=folder / "data" / str(row.bold),
            subject="subject1",
            movie=str(row.movie),
            repeat=int(str(row.repeat)),
            clips=folder / "cut" / f"{row.movie}.tsv",
            locations=folder / "where.parquet",
            onset_s=float(str(row.onset_s)),
            clip_s=2.0,
            repetition_time_s=2.0,
            tail_s=12.0,
            settings=settings,
            responses=folder / "done" / f"{row.movie}_{row.repeat}.safetensors",
        )
    return runs


def paths(folder: Path, runs: pd.DataFrame, split: str) -> list[Path]:
    """Preprocessed runs of a split."""
    rows = runs[runs["split"] == split].itertuples()
    return [folder / "done" / f"{row.movie}_{row.repeat}.safetensors" for row in rows]


def frames(folder: Path, runs: pd.DataFrame) -> list[Path]:
    """Frames of the movies."""
    return [folder / "cut" / f"{movie}.safetensors" for movie in dict.fromkeys(runs["movie"])]


def selected(folder: Path, runs: pd.DataFrame, settings: Preprocess) -> np.ndarray:
    """Which vertices the settings select, bool (59412,)."""
    selection_steps.select(
        subject="subject1",
        runs=paths(folder, runs, "train"),
        frames=frames(folder, runs[runs["split"] == "train"]),
        locations=folder / "where.parquet",
        settings=settings,
        selection=folder / "selection.parquet",
    )
    return read_table(folder / "selection.parquet")["selected"].to_numpy(bool)


def overlap(chosen: np.ndarray, signal: np.ndarray) -> str:
    """Precision, and recall among all that respond and among those that respond strongly."""
    responds, strongly = signal > 0, signal > STRONG
    precision = responds[chosen].mean() if chosen.any() else np.nan
    return (
        f"{chosen.sum():6d} of {responds.sum()} responsive, precision {precision:.4f}, recall {chosen[responds].mean():.3f} "
        f"({chosen[strongly].mean():.3f} of {strongly.sum()} strong)"
    )


def report_alignment(folder: Path, runs: pd.DataFrame) -> None:
    """Lags of runs by their volume count, and what happens to the late one."""
    tables = {split: folder / f"alignment_{split}.tsv" for split in ("train", "test")}
    splits: tuple[Literal["train", "test"], ...] = ("train", "test")
    for split in splits:
        alignment_steps.alignment(
            subject="subject1",
            split=split,
            train_runs=paths(folder, runs, "train"),
            test_runs=paths(folder, runs, "test") if split == "test" else None,
            frames=frames(folder, runs),
            selection=folder / "selection.parquet",
            clip_s=2.0,
            settings=Preprocess(),
            table=tables[split],
        )
    table = pd.concat(map(read_table, tables.values()), ignore_index=True)
    table = table[table["repeat"].notna()]
    late = (table["movie"] + "/" + table["repeat"].astype(int).astype(str)) == LATE.removeprefix("subject1/")
    for volumes, members in ((245, table["movie"] != "test2"), (246, (table["movie"] == "test2") & ~late)):
        lags = [
            sorted(set(table.loc[members, name].astype(int))) for name in ("lag_clips", "stimulus_lag_clips")
        ]
        print(
            f"  {members.sum()} runs of {volumes} volumes: best lags {lags[0]} (repeats), {lags[1]} (stimulus)"
        )
    try:
        alignment_steps.refuse_misaligned("subject1", tables["test"])
    except InputError as error:
        print("  " + str(error).splitlines()[1])


def main(
    *, folder: Path = Path("selection_truth"), movies: int = 8, signals: list[float], keep: bool = False
) -> None:
    """Simulate, select, compare.

    Parameters
    ----------
    folder
        Where files are written.
    movies
        Training movies.
    signals
        Signal levels.
    keep
        Do not delete the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = design(movies)
    write_table(folder / "runs.tsv", table, provenance("simulate run_table", {}))
    make_movies(folder, table)
    for signal in signals:
        scan(folder, table, signal)
        runs = process(folder, Preprocess())
        print(f"signal {signal:g}: {len(runs)} runs")
        truth = read_table(folder / "brain.parquet")["signal"].to_numpy()
        for by in ("repeats", "encoding"):
            for correction in ("fdr", "bonferroni"):
                selection = {"by": by, "correction": correction, "minimum": 1}
                chosen = selected(folder, runs, Preprocess(selection=selection))
                print(f"  {by:8s} {correction:10s} {overlap(chosen, truth)}", flush=True)
        report_alignment(folder, runs)
    if not keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    cli(main)
