"""A lab's study in BIDS with fMRIPrep derivatives: runs, events that say which movie began when, confounds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from nilearn.interfaces.bids import parse_bids_filename

from neurons.artifacts import InputError, read_table
from neurons.study import COLUMNS, NAME, natural_key

CIFTI_SPACE = "fsLR"
MOVIES = (".mp4", ".mov", ".avi", ".mkv", ".m4v", ".webm")
RAW_ENTITIES = ("sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo")
"""Entities that a run shares with its events and its confounds."""


@dataclass(frozen=True)
class Scan:
    """One preprocessed scan."""

    bold: Path
    entities: dict[str, str]

    @property
    def stem(self) -> str:
        """What the file names of this scan have in common, such as ``sub-01_task-movie_run-1``."""
        return "_".join(f"{key}-{self.entities[key]}" for key in RAW_ENTITIES if key in self.entities)

    @property
    def confounds(self) -> Path:
        """The confounds table that fMRIPrep writes beside it."""
        return self.bold.with_name(f"{self.stem}_desc-confounds_timeseries.tsv")

    @property
    def order(self) -> tuple[Any, ...]:
        """Subject, session, run: the order in which scans were made."""
        return tuple(natural_key(self.entities.get(key, "")) for key in ("sub", "ses", "run", "task"))


def find_scans(derivatives: Path, space: str, task: str | None) -> list[Scan]:
    """Preprocessed scans in a space: CIFTI-91k for ``fsLR``, NIfTI volumes otherwise; in the order of scanning.

    Raises
    ------
    InputError
        If there is none, naming the spaces there are.
    """
    pattern = "*_bold.dtseries.nii" if space == CIFTI_SPACE else "*_desc-preproc_bold.nii.gz"
    every = [Scan(path, _entities(path)) for path in sorted(derivatives.rglob(pattern))]
    kept = [
        scan
        for scan in every
        if scan.entities.get("space") == space and task in (None, scan.entities.get("task"))
    ]
    if not kept:
        spaces = sorted({scan.entities.get("space", "none") for scan in every})
        tasks = sorted({scan.entities.get("task", "none") for scan in every})
        raise InputError(
            f"{derivatives} has no {pattern} with space-{space}{'' if task is None else f' and task-{task}'}. Found: spaces "
            f"{', '.join(spaces) or 'none'}; tasks {', '.join(tasks) or 'none'}. Run fMRIPrep with --output-spaces {space}"
            + (" --cifti-output 91k." if space == CIFTI_SPACE else ".")
        )
    return sorted(kept, key=lambda scan: scan.order)


def _entities(path: Path) -> dict[str, str]:
    parsed = parse_bids_filename(path)
    return {key: str(value) for key, value in parsed["entities"].items()}


def repetition_times(scans: Sequence[Scan]) -> dict[str, list[str]]:
    """Names of scans by the repetition time (s) that the file beside them states; ``unknown`` where it states none."""
    times: dict[str, list[str]] = {}
    for scan in scans:
        side = scan.bold.with_name(f"{scan.bold.name.split('.')[0]}.json")
        stated = json.loads(side.read_text()).get("RepetitionTime") if side.is_file() else None
        times.setdefault("unknown" if stated is None else f"{float(stated):g}", []).append(scan.stem)
    return times


def presentations(root: Path, scan: Scan) -> Iterator[tuple[Path, float]]:
    """Movies that were shown in a scan, and when each began (s of scan time), from its events.

    Raises
    ------
    InputError
        If there is no events file, or none of its rows names a movie.
    """
    folders = [
        part for key in ("sub", "ses") if key in scan.entities for part in [f"{key}-{scan.entities[key]}"]
    ]
    events = root.joinpath(*folders, "func", f"{scan.stem}_events.tsv")
    if not events.is_file():
        raise InputError(f"{scan.stem}: {events} does not exist; it should say which movie began when")
    table = read_table(events, ["onset"])
    files = table.get("stim_file", pd.Series(dtype=object)).astype(str)
    shown = table[files.reindex(table.index).str.lower().str.endswith(MOVIES, na=False)]
    if shown.empty:
        raise InputError(
            f"{events}: no row names a movie (column stim_file, a path below stimuli/ that ends in {', '.join(MOVIES)})"
        )
    for row in shown.itertuples():
        yield Path(str(row.stim_file)), float(str(row.onset))


def run_table(
    root: Path, scans: Sequence[Scan], test_movies: Sequence[str], confounds: bool = True
) -> tuple[pd.DataFrame, list[str]]:
    """The run table of a study, and what is wrong with it.

    Parameters
    ----------
    root
        BIDS folder; paths of the table start from it.
    scans
        From `find_scans`.
    test_movies
        Names of the movies to test on; all others are for training.
    confounds
        Whether each scan should have a confounds table.

    Returns
    -------
    tuple
        Table with the columns of a run table and `confounds`; sentences.
    """
    rows: list[tuple[object, ...]] = []
    problems: list[str] = []
    files: dict[str, Path] = {}
    seen: dict[tuple[str, str], int] = {}
    for scan in scans:
        try:
            shown = sorted(presentations(root, scan), key=lambda entry: entry[1])
        except InputError as error:
            problems.append(str(error))
            continue
        if confounds and not scan.confounds.is_file():
            problems.append(f"{scan.stem}: {scan.confounds.name} does not exist beside the run")
        for file, onset_s in shown:
            movie, subject = file.stem, f"sub-{scan.entities['sub']}"
            stimulus = Path("stimuli") / file
            if not NAME.fullmatch(movie):
                problems.append(
                    f"{stimulus}: rename the movie, its name may have letters, digits, - and _ only"
                )
            if files.setdefault(movie, stimulus) != stimulus:
                problems.append(f"two movies are called {movie}: {files[movie]} and {stimulus}")
            repeat = seen[subject, movie] = seen.get((subject, movie), 0) + 1
            split = "test" if movie in test_movies else "train"
            own = scan.confounds.relative_to(root).as_posix() if confounds else None
            bold = scan.bold.relative_to(root).as_posix()
            rows.append((subject, split, movie, repeat, bold, stimulus.as_posix(), -onset_s, own))
    problems += [f"{path} does not exist" for path in files.values() if not (root / path).is_file()]
    unknown = [movie for movie in test_movies if movie not in files]
    if unknown:
        known = ", ".join(sorted(files, key=natural_key))
        problems.append(f"no run shows the test movies {unknown}; movies: {known}")
    return pd.DataFrame(rows, columns=[*COLUMNS, "confounds"]), problems
