"""The steps of `preprocess` that make responses: run and gather."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.artifacts import (
    InputError,
    clip_id,
    hash_vertices,
    provenance,
    read_table,
    write_tensors,
)
from neurons.config import Preprocess
from neurons.console import logger
from neurons.preprocess import atlas, gathering
from neurons.preprocess.cifti import open_run
from neurons.preprocess.runs import Run, by_movie
from neurons.preprocess.standardise import spikes, standardise
from neurons.preprocess.timing import Timing, kept_volumes

SPIKE_VOLUME = 0.01
"""Share of vertices that must spike together for a volume to be listed."""


def run(
    *,
    bold: Path,
    subject: str,
    movie: str,
    repeat: int,
    clips: Path,
    onset_s: float,
    clip_s: float,
    repetition_time_s: float,
    settings: Preprocess,
    responses: Path,
) -> None:
    """Check one run and turn it into one z-scored response per clip.

    Trim (volume j answers clip j), remove a polynomial per vertex, divide by the sample SD. Constant vertices are marked
    not valid and stored as 0; they are never selected. Memory: about 4 times the cortical time series (0.25 GB for
    245 volumes).

    Parameters
    ----------
    bold
        CIFTI-2 dense time series.
    subject, movie, repeat
        Which run it is, as in the run table.
    clips
        Clip table of the movie.
    onset_s
        Movie time at which the scan began, in s.
    clip_s
        Length of a clip, in s.
    repetition_time_s
        Time between volumes, in s; used instead of the header's, which is often wrong.
    settings
        Delay and detrending.
    responses
        Output: tensors `responses` (clips, 59412) and `valid` (59412).
    """
    name = f"{subject} {movie} repeat {repeat}"
    identities = _clips_of(movie, clips)
    bold_run = open_run(bold)
    try:
        timing = Timing(len(identities), clip_s, repetition_time_s, onset_s)
        kept = kept_volumes(timing, settings.hemodynamic_delay_s, bold_run.volumes)
    except InputError as error:
        raise InputError(f"run {name} ({bold}): {error}") from error
    if not np.isclose(bold_run.repetition_time_s, repetition_time_s):
        logger.warning(
            "run %s: the header says %g s between volumes; the configured %g s (study.repetition_time_s) are used",
            name,
            bold_run.repetition_time_s,
            repetition_time_s,
        )
    courses = np.ascontiguousarray(bold_run.cortex()[:, kept])
    valid, tsnr = standardise(courses, settings.detrend_order)
    spiking = spikes(courses)
    if not valid.all():
        logger.warning("run %s: %d cortical vertices are constant and will not be used", name, (~valid).sum())
    facts = {
        "volumes": bold_run.volumes,
        "first_volume": kept.start,
        "header_repetition_time_s": bold_run.repetition_time_s,
        "onset_s": onset_s,
        "tsnr": float(np.median(tsnr[valid])) if valid.any() else 0.0,
        "constant": int((~valid).sum()),
        "spikes": int(spiking.sum()),
        "spike_clips": np.flatnonzero(spiking.mean(axis=0) > SPIKE_VOLUME).tolist(),
    }
    parameters = {
        **settings.model_dump(mode="json", exclude={"selection"}),
        "onset_s": onset_s,
        "clip_s": clip_s,
        "repetition_time_s": repetition_time_s,
    }
    write_tensors(
        responses,
        {"responses": courses.T, "valid": valid},
        provenance("preprocess run", {"bold": bold, "clips": clips}, parameters),
        clip_ids=identities,
        subject=subject,
        movie=movie,
        repeat=repeat,
        grayordinates=atlas.GRAYORDINATES,
        facts=facts,
    )


def _clips_of(movie: str, clips: Path) -> list[str]:
    found = read_table(clips, ["clip"])["clip"].tolist()
    expected = [clip_id(movie, index) for index in range(len(found))]
    if found != expected or not found:
        raise InputError(
            f"{clips} does not list the clips {movie}:0, {movie}:1, ... in order; rerun `neurons cut clips`"
        )
    return found


def gather(
    *, subject: str, train_runs: list[Path], test_runs: list[Path], selection: Path, train: Path, test: Path
) -> None:
    """Put the responses of the selected vertices together, clips in natural order of movies.

    Parameters
    ----------
    subject
        The person.
    train_runs, test_runs
        Preprocessed runs.
    selection
        Table from `select`, made with exactly `train_runs`.
    train
        Output: `responses` (clips, repeats, vertices), `vertex`.
    test
        Output: `responses` (clips, vertices) averaged over repeats, `halves` (clips, 2, vertices), `n_repeats` (clips),
        `vertex`.
    """
    training, testing = by_movie(train_runs, subject), by_movie(test_runs, subject)
    gathering.check_split(training, testing, selection)
    vertices = gathering.selected_vertices(read_table(selection, ["grayordinate", "selected"]))
    metadata = {"subject": subject, "vertex_hash": hash_vertices(vertices)}
    _warn_about_constant(testing, vertices)
    averaged = gathering.test_responses(testing, vertices)
    write_tensors(
        test,
        {
            "responses": averaged.mean,
            "halves": averaged.halves,
            "n_repeats": averaged.n_repeats,
            "vertex": vertices,
        },
        provenance("preprocess gather", {"runs": test_runs, "selection": selection}),
        clip_ids=gathering.clip_ids(testing),
        **metadata,
    )
    write_tensors(
        train,
        {"responses": gathering.train_responses(training, vertices), "vertex": vertices},
        provenance("preprocess gather", {"runs": train_runs, "selection": selection}),
        clip_ids=gathering.clip_ids(training),
        **metadata,
    )


def _warn_about_constant(movies: gathering.Movies, vertices: np.ndarray) -> None:
    def constant(run: Run) -> int:
        return int((~run.valid[vertices]).sum())

    for run in (run for repeats in movies.values() for run in repeats if constant(run)):
        logger.warning(
            "test run %s: %d selected vertices are constant; their response is 0", run.name, constant(run)
        )
    single = [movie for movie, repeats in movies.items() if len(repeats) == 1]
    if single:
        logger.warning(
            "test movies with one repeat have no halves for a noise ceiling (stored as 0): %s",
            ", ".join(single),
        )
