"""Responses of the selected vertices: repeats apart for training, averaged for test."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from neurons.artifacts import InputError
from neurons.preprocess.runs import Run

Movies = Mapping[str, list[Run]]


@dataclass(frozen=True)
class TestResponses:
    """Test responses (clips, vertices): mean over repeats, means of two halves of them, and their number per clip."""

    __test__ = False  # not a test case

    mean: np.ndarray
    halves: np.ndarray
    n_repeats: np.ndarray


def clip_ids(movies: Movies) -> list[str]:
    """Clips of all movies, movie by movie."""
    return [identity for repeats in movies.values() for identity in repeats[0].clip_ids]


def check_split(train: Movies, test: Movies) -> None:
    """Check that no test movie, and no recording of one, is a training movie too.

    Raises
    ------
    InputError
        If a movie is in both splits, or a test run was made of the same file as a training run.
    """
    problems = [f"movie {movie} is in both splits" for movie in train if movie in test]
    trained = {run.source: run.name for run in _runs(train)}
    problems += [
        f"test run {run.name} was made of the same file as training run {trained[run.source]}"
        for run in _runs(test)
        if run.source in trained
    ]
    _refuse(problems)


def check_selection(train: Movies, selection: Path) -> None:
    """Check that the vertices were selected on the training runs, all of them and no others.

    Raises
    ------
    InputError
        If they were not.
    """
    wanted = {run.metadata["content_hash"]: run.name for run in _runs(train)}
    used = {content: Path(name).stem for name, content in selection_runs(selection).items()}
    foreign = [name for content, name in used.items() if content not in wanted]
    unused = [name for content, name in wanted.items() if content not in used]
    problems = [f"vertices were selected with run {name}, not one of the training runs" for name in foreign]
    problems += [f"vertices were selected without training run {name}" for name in unused]
    _refuse(problems)


def _runs(movies: Movies) -> list[Run]:
    return [run for repeats in movies.values() for run in repeats]


def _refuse(problems: list[str]) -> None:
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise InputError(
            f"training and test are mixed; correct the run table or rerun the selection:\n{listed}"
        )


def selection_runs(selection: Path) -> dict[str, str]:
    """Content hash of each run that `selection` was made with, by file name, from its provenance."""
    facts = pq.read_schema(selection).metadata
    return json.loads(facts[b"provenance"])["inputs"]["runs"]


def selected_vertices(table: pd.DataFrame) -> np.ndarray:
    """Grayordinate index of the selected vertices, ascending; int64."""
    return np.sort(table.loc[table["selected"], "grayordinate"].to_numpy(dtype=np.int64))


def train_responses(movies: Movies, vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Training responses with the repeats apart.

    One array of the result's size (the real study: 4,320 x 2 x 13,447, 465 MB); runs are read one at a time. A movie that
    was shown less often than others (a run was left out) fills its places by its own repeats again, in turn, so that each
    clip weighs the same in training; how many are measured is said beside it.

    Returns
    -------
    tuple
        Responses, float32 (clips, repeats, vertices), and the number of measured repeats, int64 (clips,).
    """
    most = max(len(repeats) for repeats in movies.values())
    clips = len(clip_ids(movies))
    gathered = np.empty((clips, most, len(vertices)), np.float32)
    measured = np.empty(clips, np.int64)
    start = 0
    for repeats in movies.values():
        stop = start + len(repeats[0].clip_ids)
        measured[start:stop] = len(repeats)
        for position, run in enumerate(repeats):
            gathered[start:stop, position :: len(repeats)] = run.responses[:, None, vertices]
        start = stop
    return gathered, measured


def test_responses(movies: Movies, vertices: np.ndarray) -> TestResponses:
    """Test responses averaged over repeats, as many as each movie has.

    The halves are the means of the first, third, ... and of the second, fourth, ... repeat (odd and even repeats when none
    is missing); they are 0 where a movie has a single repeat. Means are not scaled again: noise averages out, so
    their SD is below 1.
    """
    means, halves, counts = [], [], []
    for repeats in movies.values():
        sums = np.zeros((2, len(repeats[0].clip_ids), len(vertices)))
        for position, run in enumerate(repeats):
            sums[position % 2] += run.responses[:, vertices]
        sizes = np.array([len(repeats[0::2]), len(repeats[1::2])])
        means.append((sums.sum(axis=0) / len(repeats)).astype(np.float32))
        half = sums / np.maximum(sizes, 1)[:, None, None] if len(repeats) > 1 else np.zeros_like(sums)
        halves.append(half.transpose(1, 0, 2).astype(np.float32))
        counts += [len(repeats)] * sums.shape[1]
    return TestResponses(np.concatenate(means), np.concatenate(halves), np.array(counts, np.int64))


test_responses.__test__ = False  # type: ignore[attr-defined]  # not a test case
