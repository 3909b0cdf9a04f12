"""The step of `simulate` that renders a movie with its annotations and its truth."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, atomic, provenance, read_table, seed_for, write_table, write_tensors
from neurons.simulate.annotations import (
    caption_table,
    frame_instances,
    instance_table,
    pack_masks,
    scene_table,
)
from neurons.simulate.faults import (
    MOVIE_QUALITY,
    faults_of,
    parse_faults,
    spoil_movie,
)
from neurons.simulate.movies import movie_frames, sample_timeline
from neurons.simulate.settings import Simulate
from neurons.study import COLUMNS
from neurons.video import write_mp4


def movie(
    *,
    runs: Path,
    movie: str,
    settings: Simulate,
    video: Path,
    captions: Path,
    instances: Path,
    masks: Path,
    scenes: Path,
) -> None:
    """Make a movie of the procedural world, with its annotations and its truth.

    Parameters
    ----------
    runs
        Run table; says whether the movie is a training or a test movie.
    movie
        Name of the movie.
    settings
        Section `simulate`: seed, lengths, frame size and rate, faults.
    video
        MP4 (H.264).
    captions, instances
        TSV tables of scenes and of items, as the `table` back end of annotation reads them.
    masks
        Bit-packed masks of the items at the time of every frame.
    scenes
        Parquet table of the truth: all that is needed to draw each scene again.
    """
    table = read_table(runs, COLUMNS)
    split = _split_of(table, movie, runs)
    faults = faults_of(parse_faults(settings.faults, table), movie)
    rate, size = settings.frame_rate_hz, settings.frame_size_px
    duration_s = settings.train_movie_s if split == "train" else settings.test_movie_s
    seed = seed_for(settings.seed, "simulate", "movie", movie)
    timeline = sample_timeline(np.random.default_rng(seed), split, duration_s, rate)
    pictures, packed = [], []
    for picture, visible in movie_frames(timeline, rate, size):
        pictures.append(picture)
        packed.append(pack_masks(visible))
    with atomic(video) as temporary:
        write_mp4(temporary, np.stack(pictures), rate, MOVIE_QUALITY)
        spoil_movie(temporary, faults)
    parameters = {
        "movie": movie,
        "split": split,
        "duration_s": duration_s,
        "frame_rate_hz": rate,
        "frame_size_px": size,
        "faults": sorted(faults),
    }
    made_by = provenance("simulate movie", inputs={}, parameters=parameters, seed=settings.seed)
    write_table(captions, caption_table(timeline), made_by)
    write_table(instances, instance_table(timeline), made_by)
    write_table(scenes, scene_table(timeline), made_by)
    arrays: dict[str, np.ndarray] = {
        "time_s": np.arange(len(pictures)) / rate,
        "masks": np.stack(packed),
        "instance": frame_instances(timeline, rate),
    }
    write_tensors(masks, arrays, made_by, width=size)


def _split_of(table: pd.DataFrame, movie: str, runs: Path) -> Literal["train", "test"]:
    splits = sorted(set(table.loc[table["movie"] == movie, "split"]))
    if splits == ["train"]:
        return "train"
    if splits == ["test"]:
        return "test"
    raise InputError(
        f"the run table {runs} gives movie {movie!r} the splits {splits}; expected one of train, test. "
        f"Movies: {', '.join(sorted(set(table['movie'])))}"
    )
