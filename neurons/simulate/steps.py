"""Steps of the simulated study: run table, brains and runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from neurons.artifacts import InputError, atomic, provenance, read_table, write_table
from neurons.console import logger
from neurons.simulate.annotations import (
    timeline_of,
)
from neurons.simulate.brain import simulate_brain
from neurons.simulate.cortex import dense_series, load_cortex
from neurons.simulate.design import simulated_runs
from neurons.simulate.faults import (
    OUT_OF_SYNC_S,
    faults_of,
    parse_faults,
    run_name,
    spoil,
    written_path,
)
from neurons.simulate.runs import evoked_response, measured_run
from neurons.simulate.settings import Simulate
from neurons.study import COLUMNS


def run_table(
    *,
    settings: Simulate,
    train_movies: int = 18,
    test_movies: int = 2,
    train_repeats: int = 2,
    test_repeats: int = 10,
    output: Path,
) -> None:
    """Write the run table of a simulated study.

    Parameters
    ----------
    settings
        Section `simulate`; its subjects are used.
    train_movies, test_movies
        Movies seg1, seg2, ... and test1, test2, ...
    train_repeats, test_repeats
        Runs of each movie and subject.
    output
        TSV with the columns subject, split, movie, repeat, bold, stimulus, onset_s; paths are relative to
        `study.root`.
    """
    counts = {"train": (train_movies, train_repeats), "test": (test_movies, test_repeats)}
    table = simulated_runs(list(settings.subjects), counts)
    parameters = {"subjects": list(settings.subjects), "movies_and_repeats": counts}
    write_table(output, table, provenance("simulate run_table", inputs={}, parameters=parameters))


def brain(*, runs: Path, subject: str, settings: Simulate, vertices: Path) -> None:
    """Make the brain of a simulated person: which vertices respond to what, and how strongly.

    Parameters
    ----------
    runs
        Run table; must hold the subject.
    subject
        Name of the subject.
    settings
        Section `simulate`: seed and subjects.
    vertices
        Parquet table of the truth, one row per cortical grayordinate.
    """
    known = sorted(set(read_table(runs, COLUMNS)["subject"]) & set(settings.subjects))
    if subject not in known:
        raise InputError(
            f"subject {subject!r} is not both in the run table {runs} and in simulate.subjects. "
            f"Available: {known}. Add it to simulate.subjects and make the run table again: "
            "neurons simulate run-table."
        )
    signal = settings.subjects[subject].signal
    parameters = {"subject": subject, "signal": signal}
    made_by = provenance("simulate brain", inputs={}, parameters=parameters, seed=settings.seed)
    write_table(vertices, simulate_brain(settings.seed, subject, signal, load_cortex()), made_by)


def run(
    *,
    runs: Path,
    subject: str,
    movie: str,
    repeat: int,
    scenes: Path,
    vertices: Path,
    repetition_time_s: float,
    settings: Simulate,
    bold: Path,
) -> None:
    """Scan a simulated person who watches a movie.

    Parameters
    ----------
    runs
        Run table; gives the onset of the scan.
    subject, movie, repeat
        Which run.
    scenes
        Truth of the movie (the brain sees the undamaged movie, whatever happened to the MP4 file).
    vertices
        Truth of the brain.
    repetition_time_s
        Time between volumes, in s.
    settings
        Section `simulate`: seed and faults.
    bold
        CIFTI dense time series, `<movie>_<repeat>_Atlas.dtseries.nii`.
    """
    table = read_table(runs, COLUMNS)
    name = run_name(subject, movie, repeat)
    faults = faults_of(parse_faults(settings.faults, table), name)
    target = written_path(bold, faults)
    if target is None:
        logger.warning("run %s is left out, as simulate.faults asks", name)
        return
    row = table[(table.subject == subject) & (table.movie == movie) & (table.repeat == repeat)]
    if len(row) != 1:
        raise InputError(f"the run table {runs} has {len(row)} rows for run {name}; expected 1")
    truth = read_table(scenes)
    evoked = evoked_response(
        timeline_of(truth),
        float(truth["end_s"].iloc[-1]),
        pd.read_parquet(vertices, columns=["features", "weights"]),
        float(row["onset_s"].iloc[0]),
        repetition_time_s,
        OUT_OF_SYNC_S if "out_of_sync" in faults else 0.0,
    )
    noise_of = f"{movie}/1" if "duplicate_run" in faults else f"{movie}/{repeat}"
    responses = spoil(measured_run(settings.seed, subject, noise_of, evoked), faults)
    with atomic(target) as temporary:
        dense_series(responses, repetition_time_s).to_filename(temporary)
