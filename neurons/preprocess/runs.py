"""Preprocessed runs as a set: which movies and repeats there are, and whether they fit together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neurons.artifacts import InputError, TensorFile
from neurons.study import natural_key


@dataclass(frozen=True)
class Run:
    """One preprocessed run; its arrays are memory-mapped."""

    path: Path

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Subject, movie, repeat, facts, hashes."""
        return TensorFile(self.path).metadata

    @property
    def movie(self) -> str:
        """Name of the movie."""
        return self.metadata["movie"]

    @property
    def repeat(self) -> int:
        """Number of the presentation, from 1."""
        return self.metadata["repeat"]

    @property
    def name(self) -> str:
        """``<movie>_<repeat>``."""
        return f"{self.movie}_{self.repeat}"

    @property
    def source(self) -> str:
        """What the run was made of: hash of the file, and from where on (equal for copies only)."""
        return self.metadata["source"]

    @property
    def clip_ids(self) -> list[str]:
        """Clips along the first axis of the responses."""
        return TensorFile(self.path).clip_ids

    @property
    def responses(self) -> np.ndarray:
        """Z-scored responses, float32 (clips, locations): 59412 of a CIFTI file."""
        return TensorFile(self.path)["responses"]

    @property
    def valid(self) -> np.ndarray:
        """Vertices that are not constant, bool (locations,)."""
        return np.asarray(TensorFile(self.path)["valid"])

    @property
    def tsnr(self) -> np.ndarray:
        """Temporal signal-to-noise ratio, mean over SD after detrending, float32 (locations,); 0 where not valid."""
        return np.asarray(TensorFile(self.path)["tsnr"])


def by_movie(paths: Sequence[Path], subject: str) -> dict[str, list[Run]]:
    """Runs of one subject by movie (natural order), repeats ascending.

    Raises
    ------
    InputError
        If runs are of another subject, given twice, made of one and the same file, or of different clips.
    """
    runs = sorted((Run(Path(path)) for path in paths), key=lambda run: (natural_key(run.movie), run.repeat))
    problems = [
        *(
            f"{run.path} is of {run.metadata['subject']!r}"
            for run in runs
            if run.metadata["subject"] != subject
        ),
        *(f"run {name} is given {count} times" for name, count in _repeated(run.name for run in runs)),
    ]
    for content, _ in _repeated(run.source for run in runs):
        copies = ", ".join(run.name for run in runs if run.source == content)
        problems.append(f"runs {copies} were made of files with the same content")
    sizes = {run.responses.shape[1] for run in runs}
    if len(sizes) > 1:
        problems.append(f"runs have different numbers of vertices: {sorted(sizes)}")
    movies: dict[str, list[Run]] = {}
    for run in runs:
        movies.setdefault(run.movie, []).append(run)
    for repeats in movies.values():
        first = repeats[0].clip_ids
        problems += [
            f"{run.name} has {len(run.clip_ids)} clips, {repeats[0].name} has {len(first)}: they cover different clips"
            for run in repeats[1:]
            if run.clip_ids != first
        ]
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise InputError(f"the runs of {subject} do not fit together; correct the run table:\n{listed}")
    return movies


def _repeated(values: Iterable[str]) -> list[tuple[str, int]]:
    return [(value, count) for value, count in Counter(values).items() if count > 1]
