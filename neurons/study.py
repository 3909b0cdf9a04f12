"""The run table: which subject saw which movie in which run, and where the files lie."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pandas as pd

from neurons.artifacts import InputError, read_table
from neurons.config import Study

COLUMNS = ("subject", "split", "movie", "repeat", "bold", "stimulus", "onset_s")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
FILE = re.compile(r"[A-Za-z0-9._/ -]+")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key by which ``seg2`` comes before ``seg10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def read_runs(path: Path, study: Study) -> pd.DataFrame:
    """Read and check the run table.

    Parameters
    ----------
    path
        TSV with the columns ``subject, split (train or test), movie, repeat (1, 2, ...), bold, stimulus, onset_s``; one
        row per run. Paths start from `study.root`; ``onset_s`` is the time from movie onset to scan onset, in s. Optional:
        ``confounds`` (path); for released arrays ``first_clip`` and ``clips`` (rows of the arrays).

    Returns
    -------
    pandas.DataFrame
        Sorted by subject, split (training first), movie in natural order, and repeat, without the runs that
        `study.exclude` names.

    Raises
    ------
    InputError
        Listing every problem of the table.
    """
    runs = read_table(path, COLUMNS)
    found = list(_problems(runs, study))
    if found:
        raise InputError(
            f"the run table {path} has these problems:\n" + "\n".join(f"- {text}" for text in found)
        )
    runs["repeat"] = runs["repeat"].astype(int)
    runs["onset_s"] = runs["onset_s"].astype(float)
    runs = runs[~run_names(runs).isin(study.exclude)]
    order = sorted(
        range(len(runs)),
        key=lambda i: (
            natural_key(runs["subject"].iloc[i]),
            runs["split"].iloc[i] == "test",
            natural_key(runs["movie"].iloc[i]),
            runs["repeat"].iloc[i],
        ),
    )
    return runs.iloc[order].reset_index(drop=True)


def check_files(runs: pd.DataFrame, root: Path) -> None:
    """Check that the files of a study exist.

    Raises
    ------
    InputError
        Listing every missing file, subject by subject.
    """
    columns = [name for name in ("bold", "confounds") if name in runs]
    named = {
        str(subject): pd.concat([rows[name] for name in columns]).dropna()
        for subject, rows in runs.groupby("subject", sort=False)
    }
    named["movies"] = runs["stimulus"]
    missing = {
        owner: sorted({path for path in paths if not (root / path).is_file()}, key=natural_key)
        for owner, paths in named.items()
    }
    if any(missing.values()):
        listed = "\n".join(f"- {owner}: {', '.join(paths)}" for owner, paths in missing.items() if paths)
        count = sum(map(len, missing.values()))
        raise InputError(
            f"{count} files of the run table are not below {root} (study.root):\n{listed}\nFetch them, correct the run "
            "table, or leave runs out (study.exclude)."
        )


def run_names(runs: pd.DataFrame) -> pd.Series:
    """``<subject>/<movie>/<repeat>`` of each row, as `study.exclude` names runs."""
    parts = [runs[column].astype(str) for column in ("subject", "movie", "repeat")]
    return parts[0] + "/" + parts[1] + "/" + parts[2]


def _problems(runs: pd.DataFrame, study: Study) -> list[str]:
    found: list[str] = []
    if runs.empty:
        return ["it has no rows"]
    needed = (*COLUMNS, "first_clip", "clips") if study.source == "released" else COLUMNS
    absent = [column for column in needed if column not in runs]
    if absent:
        return [
            f"it lacks the columns {absent} of released arrays; write it with `neurons preprocess index-released`"
        ]
    for column in needed:
        empty = runs.index[runs[column].isna()]
        if len(empty):
            return [f"column {column} is empty in {len(empty)} rows, the first is row {empty[0] + 1}"]
    patterns = {"subject": NAME, "movie": NAME, "bold": FILE, "stimulus": FILE, "confounds": FILE}
    for column, pattern in ((name, pattern) for name, pattern in patterns.items() if name in runs):
        bad = sorted({str(value) for value in runs[column].dropna() if not pattern.fullmatch(str(value))})
        found += [f"{column} {value!r} has characters other than {pattern.pattern}" for value in bad]
    splits = sorted(set(runs["split"]) - {"train", "test"})
    found += [f"split {value!r} is neither train nor test" for value in splits]
    for column in ("repeat", "onset_s"):
        numbers = pd.to_numeric(runs[column], errors="coerce")
        found += [
            f"{column} {value!r} is not a number" for value in runs.loc[numbers.isna(), column].unique()
        ]
    keys = ["subject", "movie", "repeat"]
    for key in runs.loc[runs.duplicated(keys), keys].itertuples(index=False):
        found.append(f"run {key.subject}/{key.movie}/{key.repeat} occurs more than once")
    # One scan may hold several movies, each with its own onset; released arrays hold all runs of a split.
    same = [] if study.source == "released" else runs.loc[runs.duplicated(["bold", "onset_s"]), "bold"]
    found += [f"the file {path} is named by more than one run" for path in same]
    for movie, rows in runs.groupby("movie"):
        files = sorted(rows["stimulus"].unique())
        if len(rows["split"].unique()) > 1:
            found.append(f"movie {movie} is both train and test: a clip would be trained on and tested on")
        if len(files) > 1:
            found.append(f"movie {movie} has several stimulus files: {files}")
    names = run_names(runs)
    for name in study.exclude:
        if name not in set(names):
            near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0.0)
            found.append(f"study.exclude names {name!r}, which is no run; did you mean {near[0]!r}?")
    kept = runs[~names.isin(study.exclude)]
    train = set(kept.loc[kept["split"] == "train", "movie"])
    if not found and not set(kept["split"]) >= {"train", "test"}:
        found.append("it needs both train and test runs" + (", after study.exclude" if study.exclude else ""))
    unknown = [movie for movie in study.validation_movies if movie not in train]
    if unknown:
        valid = sorted(train, key=natural_key)
        found.append(
            f"study.validation_movies names {unknown}, which are not training movies; those are {valid}"
        )
    if train and train <= set(study.validation_movies):
        found.append("study.validation_movies names all training movies, so none is left to train on")
    return found
