"""The steps of `preprocess` that compare runs: vertex selection and the quality report."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.artifacts import (
    InputError,
    provenance,
    read_table,
    write_json,
    write_table,
)
from neurons.config import Selection
from neurons.console import logger
from neurons.preprocess import gathering, reliability
from neurons.preprocess import quality as qualities
from neurons.preprocess.runs import by_movie


def select(*, subject: str, runs: list[Path], settings: Selection, selection: Path) -> None:
    """Select the vertices whose responses repeat across the presentations of the training movies.

    Per movie the correlation between repeats; over movies a one-sided t-test of its Fisher z. Reads one movie at a time
    (memory: one double-precision value per movie and vertex, and blocks of two runs).

    Parameters
    ----------
    subject
        The person.
    runs
        Preprocessed training runs, never test runs.
    settings
        Level, correction, and what to do if few vertices pass.
    selection
        Output: table of all cortical vertices (grayordinate, r, t, p, p_corrected, constant, passed, selected).
    """
    movies = by_movie(runs, subject)
    single = [movie for movie, repeats in movies.items() if len(repeats) < 2]
    if single:
        raise InputError(
            f"{subject}: vertices are selected by how well their responses repeat, but these training movies have one "
            f"run only: {', '.join(single)}. Add a repeat to the run table or leave the movie out."
        )
    if len(movies) < 2:
        raise InputError(f"{subject}: the test over training movies needs at least two, found {len(movies)}")
    z = np.stack(
        [reliability.fisher_z({run.name: run.responses for run in repeats}) for repeats in movies.values()]
    )
    constant = ~np.logical_and.reduce([run.valid for repeats in movies.values() for run in repeats])
    try:
        table = reliability.selection_table(z, constant, settings)
    except InputError as error:
        raise InputError(f"{subject}: {error}") from error
    passed, selected = int(table["passed"].sum()), int(table["selected"].sum())
    logger.info("%s: %d of %d vertices selected, %d passed the test", subject, selected, len(table), passed)
    write_table(
        selection, table, provenance("preprocess select", {"runs": runs}, settings.model_dump(mode="json"))
    )


def quality(
    *, subject: str, runs: list[Path], selection: Path, table: Path, summary: Path, picture: Path
) -> None:
    """Report how well each run agrees with the other presentations of its movie, and where on the cortex.

    Parameters
    ----------
    subject
        The person.
    runs
        All preprocessed runs, training and test.
    selection
        Table from `select`.
    table
        Output: a row per run and per movie (TSV).
    summary
        Output: numbers of the subject (JSON).
    picture
        Output: maps of the inter-repeat correlation on the flat cortex, and its histogram (PNG).
    """
    from neurons.preprocess.picture import draw  # matplotlib takes a second to import: only where it is used

    vertices = read_table(selection, ["grayordinate", "r", "selected", "passed", "constant"])
    training = set(gathering.selection_runs(selection).values())
    rows = qualities.run_table(by_movie(runs, subject), vertices, training)
    flagged = rows[rows["flag"] != ""]
    for row in flagged.itertuples():
        logger.warning("%s %s repeat %s: %s", subject, row.movie, row.repeat, row.flag)
    made_by = provenance("preprocess quality", {"runs": runs, "selection": selection})
    write_table(table, rows, made_by)
    write_json(summary, qualities.summarise(subject, vertices, rows), made_by)
    draw(picture, subject, vertices)
