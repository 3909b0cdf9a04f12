"""The steps of `preprocess` that compare runs: vertex selection and the quality report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, provenance, read_table, write_json, write_table
from neurons.console import logger
from neurons.preprocess import gathering, reliability
from neurons.preprocess import quality as qualities
from neurons.preprocess.alignment_steps import movie_features
from neurons.preprocess.locations import COLUMNS, in_areas
from neurons.preprocess.runs import Run, by_movie
from neurons.preprocess.settings import Preprocess
from neurons.preprocess.stimulus import Encoding, mean_response

Inputs = dict[str, Path | Sequence[Path]]


def select(
    *,
    subject: str,
    runs: list[Path],
    frames: list[Path],
    locations: Path,
    settings: Preprocess,
    selection: Path,
) -> None:
    """Select vertices, by training runs only.

    By `repeats`: per movie the correlation between showings. By `encoding`: per movie the correlation between the mean
    response and what an encoding model, trained on the other movies, predicts from the picture. Over movies a one-sided
    t-test of its Fisher z. By `areas`, or `all`: without a test; `r` then is the first of these two that the data allow, for
    information. Reads one movie at a time.

    Parameters
    ----------
    subject
        The person.
    runs
        Preprocessed training runs, never test runs.
    frames
        Frames of the training movies, from `cut clips`.
    locations
        From `locations`: where vertices are.
    settings
        Section `preprocess`: how to select.
    selection
        Output: table of all vertices (grayordinate, r, t, p, p_corrected, constant, passed, selected).
    """
    movies = by_movie(runs, subject)
    where = read_table(locations, COLUMNS)
    chosen = settings.selection
    z, dependence = _evidence(subject, movies, frames, settings)
    constant = ~np.logical_and.reduce([run.valid for repeats in movies.values() for run in repeats])
    if len(where) != len(constant):
        raise InputError(
            f"{subject}: {locations} lists {len(where)} vertices, the runs have {len(constant)}; rerun preprocess"
        )
    try:
        if chosen.by in ("repeats", "encoding"):
            table = reliability.selection_table(z, constant, chosen, dependence)
        else:
            named = in_areas(where, chosen.areas) if chosen.by == "areas" else np.ones(len(where), bool)
            table = reliability.given_table(z, constant, named, chosen, dependence)
    except InputError as error:
        raise InputError(f"{subject}: {error}") from error
    table["grayordinate"] = where["grayordinate"]
    passed, selected = int(table["passed"].sum()), int(table["selected"].sum())
    logger.info("%s: %d of %d vertices selected, %d passed the test", subject, selected, len(table), passed)
    inputs: Inputs = {"runs": runs, "frames": frames, "locations": locations}
    parameters = {**chosen.model_dump(mode="json"), "detrend_order": settings.detrend_order}
    write_table(selection, table, provenance("preprocess select", inputs, parameters))


def _evidence(
    subject: str, movies: dict[str, list[Run]], frames: list[Path], settings: Preprocess
) -> tuple[np.ndarray, float]:
    """Fisher z (movies, vertices) of the agreement between repeats or of the prediction, and how dependent movies are."""
    repeated = {movie: repeats for movie, repeats in movies.items() if len(repeats) > 1}
    by_picture = settings.selection.by == "encoding" or (
        settings.selection.by != "repeats" and len(repeated) < 2
    )
    if by_picture:
        dependence = reliability.held_out_dependence(len(movies))
        return _predicted_z(movies, frames, settings.detrend_order), dependence
    if not repeated:
        raise InputError(
            f"{subject}: vertices are selected by how well their responses repeat, but every training movie has one run "
            "only. Set preprocess.selection.by to `encoding` (responses predicted from the picture) or to `areas`."
        )
    if len(repeated) < 2:
        raise InputError(
            f"{subject}: the test over training movies needs at least two (with two runs each, if selection.by is repeats), "
            f"found {len(repeated)}"
        )
    single = [movie for movie in movies if movie not in repeated]
    if single:
        logger.warning(
            "%s: training movies with one run have no part in the selection: %s", subject, ", ".join(single)
        )
    every = repeated.values()
    z = [reliability.fisher_z({run.name: run.responses for run in repeats}) for repeats in every]
    return np.stack(z), 1.0


def _predicted_z(movies: dict[str, list[Run]], frames: list[Path], order: int) -> np.ndarray:
    encoding = Encoding(movie_features(frames, order))

    def measured(movie: str) -> np.ndarray:
        return mean_response(run.responses for run in movies[movie])

    for movie in movies:
        encoding.learn(movie, measured(movie))
    r = [reliability.correlation(encoding.predict(movie), measured(movie)) for movie in movies]
    return np.arctanh(np.clip(r, -reliability.COPY, reliability.COPY))


def quality(
    *,
    subject: str,
    runs: list[Path],
    selection: Path,
    alignment: list[Path],
    locations: Path,
    left_out: list[str] | None = None,
    table: Path,
    areas: Path,
    summary: Path,
    picture: Path,
) -> None:
    """Report how well each run agrees with the other presentations of its movie, where, and how much signal there is.

    Parameters
    ----------
    subject
        The person.
    runs
        All preprocessed runs, training and test.
    selection
        Table from `select`.
    alignment
        Tables from `alignment`, of training and of test runs.
    locations
        From `locations`.
    left_out
        Runs that `study.exclude` leaves out, with the reasons, for the record.
    table
        Output: a row per run and per movie (TSV).
    areas
        Output: a row per area: vertices, selected ones, reliability, temporal SNR, drop-outs (TSV).
    summary
        Output: numbers of the subject (JSON).
    picture
        Output: maps of the reliability, distributions, lag profiles (PNG).
    """
    from neurons.preprocess.picture import draw  # matplotlib takes a second to import: only where it is used

    vertices = read_table(selection, ["grayordinate", "r", "selected", "passed", "constant"])
    where = read_table(locations, COLUMNS)
    checked = pd.concat(
        [read_table(path, ["movie", "repeat", *qualities.FROM_ALIGNMENT]) for path in alignment],
        ignore_index=True,
    )
    checked = checked.astype({"level": object, "flag": object}).fillna({"level": "", "flag": ""})
    training = set(gathering.selection_runs(selection).values())
    movies = by_movie(runs, subject)
    rows = qualities.run_table(movies, vertices, training, checked)
    tsnr = qualities.vertex_tsnr(movies)
    names = where["area"].to_numpy(str)
    by_area = qualities.area_table(vertices, names, tsnr)
    inputs: Inputs = {"runs": runs, "selection": selection, "alignment": alignment, "locations": locations}
    made_by = provenance("preprocess quality", inputs)
    write_table(table, rows, made_by)
    write_table(areas, by_area, made_by)
    numbers = qualities.summarise(subject, vertices, rows, names, by_area, tsnr)
    write_json(summary, {**numbers, "left_out": "; ".join(left_out or []) or "no run"}, made_by)
    draw(picture, subject, vertices, where, checked, by_area, tsnr)
