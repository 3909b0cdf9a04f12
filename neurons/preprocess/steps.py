"""The steps of `preprocess` that make responses: locations, run, and gathering them by split."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from neurons.artifacts import (
    InputError,
    clip_id,
    hash_vertices,
    provenance,
    read_table,
    write_table,
    write_tensors,
)
from neurons.console import logger
from neurons.preprocess import gathering
from neurons.preprocess.alignment_steps import refuse_misaligned
from neurons.preprocess.cifti import BoldRun, open_run
from neurons.preprocess.confounds import confound_basis, framewise_displacement, read_confounds
from neurons.preprocess.images import VolumeRun, open_volume_run
from neurons.preprocess.locations import VOXEL_COLUMNS, cortex_locations, voxel_locations
from neurons.preprocess.responses import clip_responses
from neurons.preprocess.runs import Run, by_movie
from neurons.preprocess.settings import Preprocess, Volume
from neurons.preprocess.standardise import faint
from neurons.preprocess.timing import Timing, clip_weights

LARGE_MOVEMENT_MM = 0.5
SPIKE_VOLUME = 0.01
"""Share of vertices that must spike together for a clip to be listed."""


def locations(*, subject: str, space: str, settings: Volume, locations: Path) -> None:
    """List where responses are measured: cortical grayordinates, or the voxels of a mask, with the names of their areas.

    Parameters
    ----------
    subject
        The person; takes the place of ``{subject}`` in the paths of `settings`.
    space
        ``fsLR_91k`` or ``volume``.
    settings
        Mask, atlas and labels of volumetric runs.
    locations
        Output: table (`grayordinate`, `area`; of voxels also `i, j, k, x_mm, y_mm, z_mm`).
    """
    if space == "fsLR_91k":
        write_table(locations, cortex_locations(), provenance("preprocess locations", {}, {"space": space}))
        return
    named = {"mask": settings.mask, "atlas": settings.atlas, "labels": settings.labels}
    paths = {role: Path(text.format(subject=subject)) for role, text in named.items() if text is not None}
    table = voxel_locations(paths.get("mask"), paths.get("atlas"), paths.get("labels"))
    write_table(locations, table, provenance("preprocess locations", paths, {"space": space}))


def run(
    *,
    bold: Path,
    subject: str,
    movie: str,
    repeat: int,
    clips: Path,
    locations: Path,
    confounds: Path | None = None,
    onset_s: float,
    clip_s: float,
    repetition_time_s: float,
    tail_s: float | None = None,
    settings: Preprocess,
    responses: Path,
) -> None:
    """Check one run and turn it into one z-scored response per clip.

    Regress out confounds if the settings name any, take the signal of each clip (volume j answers clip j, where clips and
    volumes are equally long), remove a polynomial per vertex, divide by the sample SD. Constant vertices are marked not
    valid and stored as 0; they are never selected. Memory: the responses (57 MB for 240 clips) beside the file, which is
    memory-mapped where its format allows.

    Parameters
    ----------
    bold
        CIFTI-2 dense time series, or NIfTI volumes.
    subject, movie, repeat
        Which run it is, as in the run table.
    clips
        Clip table of the movie.
    locations
        From `locations`.
    confounds
        Confounds table of the run, if there is one: head movement is recorded, and what `settings.confounds` names is
        regressed out.
    onset_s
        Movie time at which the scan began, in s.
    clip_s
        Length of a clip, in s.
    repetition_time_s
        Time between volumes, in s; used instead of the header's, which is often wrong.
    tail_s
        Scanning after the movie, in s; None if it is not known.
    settings
        Delay, detrending, confounds, and the kind of file.
    responses
        Output: tensors `responses` (clips, locations), `valid` and `tsnr` (locations).
    """
    name = f"{subject} {movie} repeat {repeat}"
    identities = _clips_of(movie, clips)
    bold_run = _open(bold, locations, settings)
    try:
        timing = Timing(len(identities), clip_s, repetition_time_s, onset_s, tail_s)
        weights = clip_weights(timing, settings.hemodynamic_delay_s, bold_run.volumes)
    except InputError as error:
        raise InputError(f"run {name} ({bold}): {error}") from error
    if not np.isclose(bold_run.repetition_time_s, repetition_time_s):
        logger.warning(
            "run %s: the header says %g s between volumes; the configured %g s (study.repetition_time_s) are used",
            name,
            bold_run.repetition_time_s,
            repetition_time_s,
        )
    unwanted = None
    if settings.confounds:
        if confounds is None:
            raise InputError(
                f"run {name}: preprocess.confounds names columns, but the run table names no table for this run (column "
                "`confounds`)"
            )
        table = read_confounds(confounds, settings.confounds, bold_run.volumes)
        unwanted = confound_basis(table, settings.detrend_order)
    made = clip_responses(bold_run.series(), weights, settings.detrend_order, unwanted)
    valid, tsnr, weak = made.valid, made.tsnr, faint(made.sd, made.valid)
    spike_clips = np.flatnonzero(made.spiking > SPIKE_VOLUME * len(valid)).tolist()
    if not valid.all():
        logger.warning("run %s: %d vertices are constant and will not be used", name, (~valid).sum())
    if weak.any():
        logger.warning(
            "run %s: %d vertices change less than a hundredth as much as the typical one", name, weak.sum()
        )
    if spike_clips:
        logger.warning(
            "run %s: at %d of %d clips more than 1 %% of the vertices are over 6 robust SD from their mean: clips %s",
            name,
            len(spike_clips),
            len(identities),
            ", ".join(map(str, spike_clips)),
        )
    moved_mm = None if confounds is None else framewise_displacement(confounds)
    if moved_mm is not None and moved_mm > LARGE_MOVEMENT_MM:
        logger.warning("run %s: the head moved by %.2f mm from volume to volume, on average", name, moved_mm)
    facts = {
        "volumes": bold_run.volumes,
        "first_volume": int(np.flatnonzero(weights[0])[0]),
        "header_repetition_time_s": bold_run.repetition_time_s,
        "onset_s": onset_s,
        "tsnr": float(np.median(tsnr[valid])) if valid.any() else 0.0,
        "constant": int((~valid).sum()),
        "faint": int(weak.sum()),
        "spikes": int(made.spiking.sum()),
        "framewise_displacement_mm": moved_mm,
        "spike_clips": spike_clips,
    }
    parameters = {
        **settings.model_dump(mode="json", exclude={"selection", "volume", "alignment"}),
        "onset_s": onset_s,
        "clip_s": clip_s,
        "repetition_time_s": repetition_time_s,
        "tail_s": tail_s,
    }
    inputs = {"bold": bold, "clips": clips} | ({} if confounds is None else {"confounds": confounds})
    made_by = provenance("preprocess run", inputs, parameters)
    write_tensors(
        responses,
        {"responses": made.responses, "valid": valid, "tsnr": tsnr},
        made_by,
        clip_ids=identities,
        subject=subject,
        movie=movie,
        repeat=repeat,
        space=settings.space,
        source=f"{made_by['inputs']['bold'][bold.name]} from {onset_s:g} s",
        facts=facts,
    )


def _open(bold: Path, locations: Path, settings: Preprocess) -> BoldRun | VolumeRun:
    if settings.space == "volume":
        return open_volume_run(bold, read_table(locations, VOXEL_COLUMNS))
    return open_run(bold)


def _clips_of(movie: str, clips: Path) -> list[str]:
    found = read_table(clips, ["clip"])["clip"].tolist()
    expected = [clip_id(movie, index) for index in range(len(found))]
    if found != expected or not found:
        raise InputError(
            f"{clips} does not list the clips {movie}:0, {movie}:1, ... in order; rerun `neurons cut clips`"
        )
    return found


def gather_train(
    *,
    subject: str,
    runs: list[Path],
    selection: Path,
    alignment: Path,
    action: Literal["stop", "warn"],
    responses: Path,
) -> None:
    """Put the training responses of the selected vertices together, repeats apart, clips in natural order of movies.

    Runs that do not follow their movies stop the work here.

    Parameters
    ----------
    subject
        The person.
    runs
        Preprocessed training runs.
    selection
        Table from `select`, made with exactly these runs.
    alignment
        Table from `alignment`, of training runs.
    action
        What a run that is out of step does: ``stop``, or ``warn`` (`alignment` has warned).
    responses
        Output: `responses` (clips, repeats, vertices), `n_repeats` (clips) measured, `vertex`.
    """
    if action == "stop":
        refuse_misaligned(subject, alignment)
    movies = by_movie(runs, subject)
    gathering.check_selection(movies, selection)
    vertices, metadata = _selected(subject, movies, selection)
    gathered, measured = gathering.train_responses(movies, vertices)
    _warn_about_repeats(movies)
    write_tensors(
        responses,
        {"responses": gathered, "n_repeats": measured, "vertex": vertices},
        provenance("preprocess gather-train", {"runs": runs, "selection": selection}),
        clip_ids=gathering.clip_ids(movies),
        **metadata,
    )


def gather_test(
    *,
    subject: str,
    runs: list[Path],
    train_runs: list[Path],
    selection: Path,
    alignment: Path,
    action: Literal["stop", "warn"],
    responses: Path,
) -> None:
    """Average the test responses of the selected vertices over repeats, clips in natural order of movies.

    Runs that do not follow their movies, or that training runs were made of too, stop the work here.

    Parameters
    ----------
    subject
        The person.
    runs
        Preprocessed test runs.
    train_runs
        Preprocessed training runs, to compare with; their responses are not read.
    selection
        Table from `select`, made with exactly `train_runs`.
    alignment
        Table from `alignment`, of test runs.
    action
        What a run that is out of step does: ``stop``, or ``warn`` (`alignment` has warned).
    responses
        Output: `responses` (clips, vertices), `halves` (clips, 2, vertices), `n_repeats` (clips), `vertex`.
    """
    if action == "stop":
        refuse_misaligned(subject, alignment)
    movies, training = by_movie(runs, subject), by_movie(train_runs, subject)
    gathering.check_split(training, movies)
    gathering.check_selection(training, selection)
    vertices, metadata = _selected(subject, movies, selection)
    _warn_about_constant(movies, vertices)
    averaged = gathering.test_responses(movies, vertices)
    write_tensors(
        responses,
        {
            "responses": averaged.mean,
            "halves": averaged.halves,
            "n_repeats": averaged.n_repeats,
            "vertex": vertices,
        },
        provenance("preprocess gather-test", {"runs": runs, "selection": selection}),
        clip_ids=gathering.clip_ids(movies),
        **metadata,
    )


def _selected(subject: str, movies: gathering.Movies, selection: Path) -> tuple[np.ndarray, dict[str, str]]:
    """The selected vertices, and what gathered responses say of themselves."""
    vertices = gathering.selected_vertices(read_table(selection, ["grayordinate", "selected"]))
    space = next(iter(movies.values()))[0].metadata["space"]
    return vertices, {"subject": subject, "space": space, "vertex_hash": hash_vertices(vertices)}


def _warn_about_repeats(movies: gathering.Movies) -> None:
    most = max(len(repeats) for repeats in movies.values())
    fewer = [f"{movie} ({len(repeats)})" for movie, repeats in movies.items() if len(repeats) < most]
    if fewer:
        logger.warning(
            "training movies with fewer than %d repeats, which are used again so that their clips weigh the same: %s",
            most,
            ", ".join(fewer),
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
