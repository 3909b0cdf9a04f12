"""The data set cc2017 as it is published (Wen et al., Cerebral Cortex 2018): names, counts, onsets, known defects.

Training movies seg1 to seg18 were shown twice, test movies test1 to test5 ten times. Scanning of seg* and test1 began 2 s
after the movie (245 volumes of 2 s), of test2 to test5 with the movie (246 volumes). Name and volume count decide
together; any other combination is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from neurons.artifacts import InputError
from neurons.preprocess.cifti import open_run
from neurons.study import COLUMNS

FOLDER = "video_fmri_dataset"
SUBJECTS = ("subject1", "subject2", "subject3")
MOVIES: dict[str, str] = {
    **{f"seg{number}": "train" for number in range(1, 19)},
    **{f"test{number}": "test" for number in range(1, 6)},
}
"""Split of each movie."""
TRAIN_MOVIES = tuple(movie for movie, split in MOVIES.items() if split == "train")
TEST_MOVIES = tuple(movie for movie, split in MOVIES.items() if split == "test")
REPEATS = {"train": 2, "test": 10}
MOVIE_S, TAIL_S, REPETITION_TIME_S = 480.0, 12.0, 2.0
OUT_OF_STEP = {
    "subject3/test2/9": "recorded about 10 s behind its movie, says the README of the data set",
}
"""Runs that `config/cc2017.yaml` leaves out, with the reason."""


def onset_s(movie: str) -> float:
    """Movie time at which the scan of a movie began, in s."""
    return 0.0 if movie in ("test2", "test3", "test4", "test5") else 2.0


def expected_volumes(movie: str) -> int:
    """Volumes of each run of a movie: 245, or 246 for test2 to test5."""
    return round((MOVIE_S + TAIL_S - onset_s(movie)) / REPETITION_TIME_S)


def bold_names(movie: str, repeat: int) -> tuple[str, str]:
    """Name of a run's CIFTI file, and the misspelling that occurs in the data set (a dot for an underscore)."""
    return f"{movie}_{repeat}_Atlas.dtseries.nii", f"{movie}_{repeat}.Atlas.dtseries.nii"


@dataclass
class Index:
    """What was found: a row per run, what is missing, misnamed files, and files without content."""

    rows: list[tuple[str, str, str, int, str, str, float]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """The run table."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS))


def walk(root: Path, subjects: Sequence[str]) -> Index:
    """Look for the CIFTI file of each run and for each movie.

    Parameters
    ----------
    root
        The folder that holds `stimuli` and the subjects.
    subjects
        Names of their folders.
    """
    index = Index()
    for movie in MOVIES:
        stimulus = root / "stimuli" / f"{movie}.mp4"
        if not stimulus.is_file():
            index.missing.append(f"stimuli: {movie}.mp4")
        elif not stimulus.stat().st_size:
            index.empty.append(f"stimuli/{movie}.mp4")
    for subject in subjects:
        for movie, split in MOVIES.items():
            folder = root / subject / "fmri" / movie / "cifti"
            absent = [
                repeat
                for repeat in range(1, REPEATS[split] + 1)
                if not _add_run(index, root, folder, subject, movie, repeat)
            ]
            if absent:
                numbers = ", ".join(map(str, absent))
                index.missing.append(f"{subject}: {movie}, repeats {numbers} (of {REPEATS[split]})")
    return index


def _add_run(index: Index, root: Path, folder: Path, subject: str, movie: str, repeat: int) -> bool:
    right, wrong = bold_names(movie, repeat)
    path = next((folder / name for name in (right, wrong) if (folder / name).is_file()), None)
    if path is None:
        return False
    relative = path.relative_to(root).as_posix()
    if path.name == wrong:
        index.misnamed.append(relative)
    if not path.stat().st_size:
        index.empty.append(relative)
    row = (subject, MOVIES[movie], movie, repeat, relative, f"stimuli/{movie}.mp4", onset_s(movie))
    index.rows.append(row)
    return True


def header_problems(root: Path, index: Index) -> Iterator[str]:
    """Check the header of each run that has content: grayordinates, and the volume count that belongs to its name.

    Yields
    ------
    str
        A sentence per run, empty if it is as it should be.
    """
    for _, _, movie, _, relative, _, _ in index.rows:
        if relative in index.empty:
            continue
        try:
            volumes = open_run(root / relative).volumes
        except InputError as error:
            yield str(error)
            continue
        expected = expected_volumes(movie)
        found = f"{relative} has {volumes} volumes; runs of {movie} have {expected}"
        yield "" if volumes == expected else f"{found}. No shift is guessed: fetch the file again"
