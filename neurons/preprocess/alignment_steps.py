"""The step of `preprocess` that asks whether each run follows its movie."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, TensorFile, provenance, read_table, write_table
from neurons.console import logger
from neurons.preprocess import alignment as check
from neurons.preprocess.gathering import selection_runs
from neurons.preprocess.quality import TOP_VERTICES
from neurons.preprocess.reliability import correlation
from neurons.preprocess.runs import Run
from neurons.preprocess.runs import by_movie as runs_by_movie
from neurons.preprocess.settings import Preprocess
from neurons.preprocess.stimulus import Encoding, like_responses, mean_response, picture_features

WHOLE_STUDY = "all"
PLAIN = (
    "split", "movie", "repeat", "clips", "level", "flag", "lag_clips", "r_lag", "r_lag_0", "chance", "stimulus_lag_clips",
    "stimulus_r_lag", "stimulus_r", "stimulus_chance", "best_movie", "best_movie_r",
)  # fmt: skip


def alignment(
    *,
    subject: str,
    split: Literal["train", "test"],
    train_runs: list[Path],
    test_runs: list[Path] | None = None,
    frames: list[Path],
    selection: Path,
    clip_s: float,
    settings: Preprocess,
    table: Path,
) -> None:
    """Compare each run of a split with the other showings of its movie and with the stimulus, at lags.

    What the stimulus should evoke is learnt from the training runs. They are judged without a look at the test runs, so that
    a new test movie leaves training as it is; a test run is compared with the movies of both splits. Nothing stops here, so
    that the table can be looked at: the steps that gather refuse runs that are out of step. Reads each run once; memory: the
    4,000 most reliable vertices of the given runs (1 GB for the real study).

    Parameters
    ----------
    subject
        The person.
    split
        Which runs are judged.
    train_runs
        Preprocessed training runs.
    test_runs
        Preprocessed test runs, if they are judged.
    frames
        Frames of the movies of these runs, from `cut clips`.
    selection
        Table from `select`.
    clip_s
        Length of a clip, in s.
    settings
        Lags, and the detrending that responses went through.
    table
        Output: a row per run, and, of training runs, one for the whole study (TSV).
    """
    runs = [*train_runs, *(test_runs or [])]
    movies = runs_by_movie(runs, subject)
    training = set(selection_runs(selection).values())
    columns = _candidates(read_table(selection, ["grayordinate", "r", "selected", "constant"]))
    lags = settings.alignment.lags
    features = movie_features(frames, settings.detrend_order)
    missing = [movie for movie in movies if movie not in features]
    if missing:
        raise InputError(
            f"{subject}: no frames are given for the movies {missing}; rerun `neurons cut clips`"
        )
    responses = {movie: [run.responses[:, columns] for run in repeats] for movie, repeats in movies.items()}
    splits = {movie: _split(repeats, training) for movie, repeats in movies.items()}
    means = {movie: mean_response(responses[movie]) for movie in movies}
    learnt = {movie: mean for movie, mean in means.items() if splits[movie] == "train"}
    judged = [movie for movie in movies if splits[movie] == split]
    top = slice(0, TOP_VERTICES)
    rows = [
        {"split": split, "movie": movie, "repeat": run.repeat, "clips": len(own)}
        | _agreement(
            own[:, top],
            [other[:, top] for other in responses[movie] if other is not own],
            [mean[:, top] for name, mean in means.items() if name != movie],
            lags,
        )
        for movie in judged
        for run, own in zip(movies[movie], responses[movie], strict=True)
    ]
    stimulus = _against_stimulus(features, learnt, responses, judged, lags)
    found = pd.DataFrame([row | fit for row, fit in zip(rows, stimulus, strict=True)])
    found = pd.concat([found, check.judge(found, clip_s)], axis=1)
    for row in found[found["level"] != ""].itertuples():
        logger.warning("%s %s repeat %s: %s", subject, row.movie, row.repeat, row.flag)
    if split == "train":
        whole = _whole_row(*check.study_profile(features, learnt, lags), clip_s)
        found = pd.concat([found, pd.DataFrame([whole])], ignore_index=True)
        if whole["level"]:
            logger.warning("%s: %s", subject, whole["flag"])
    made_by = provenance(
        "preprocess alignment",
        {"runs": runs, "frames": frames, "selection": selection},
        {"split": split, "clip_s": clip_s, "detrend_order": settings.detrend_order, "lags": lags},
    )
    write_table(table, _flat(found, lags), made_by)


def _candidates(vertices: pd.DataFrame) -> np.ndarray:
    """Positions of the most reliable usable vertices, best first."""
    r = np.where(vertices["constant"], -np.inf, vertices["r"])
    order = np.argsort(-r, kind="stable")[: check.CANDIDATES]
    return order[np.isfinite(r[order])]


def movie_features(frames: list[Path], order: int) -> dict[str, np.ndarray]:
    """Features of the picture, (clips, K), of each movie, standardised like responses.

    Raises
    ------
    InputError
        If two movies show the same pictures.
    """
    features: dict[str, np.ndarray] = {}
    for path in frames:
        file = TensorFile(path)
        movie = file.clip_ids[0].rpartition(":")[0]
        features[movie] = like_responses(picture_features(file["frames"]), order)
    _refuse_copies(features)
    return features


def _refuse_copies(features: dict[str, np.ndarray]) -> None:
    copies = [
        f"{first} and {second}"
        for first, second in combinations(features, 2)
        if features[first].any() and np.array_equal(features[first], features[second])
    ]
    if copies:
        raise InputError(
            f"movies show the same pictures: {', '.join(copies)}. One file lies under two names, or one movie is named in "
            "the place of another; correct the column `stimulus` of the run table."
        )


def _split(repeats: list[Run], training: set[str]) -> str:
    return "train" if repeats[0].metadata["content_hash"] in training else "test"


def _agreement(
    own: np.ndarray, others: list[np.ndarray], foreign: list[np.ndarray], lags: int
) -> dict[str, Any]:
    if not others:
        missing = dict.fromkeys(("r_lag", "r_lag_0", "r_top", "chance"), np.nan)
        return {"profile": {}, "lag_clips": None, **missing}
    mean = mean_response(others)
    profile = check.lag_profile(own, mean, lags)
    lag = check.best(profile)
    r_top = float(np.median(correlation(own, mean)))
    chance = check.chance_profile(own, foreign, lags, np.median)
    return {
        "profile": profile, "lag_clips": lag, "r_lag": profile[lag], "r_lag_0": profile[0], "r_top": r_top,
        "chance": chance,
    }  # fmt: skip


def _against_stimulus(
    features: dict[str, np.ndarray],
    learnt: dict[str, np.ndarray],
    responses: dict[str, list[np.ndarray]],
    judged: list[str],
    lags: int,
) -> list[dict[str, Any]]:
    """A row per run of the judged movies."""
    encoding = Encoding(features)
    for movie, own in learnt.items():
        encoding.learn(movie, own)
    best = check.predictable(encoding, learnt)
    predictions = {movie: encoding.predict(movie)[:, best] for movie in responses}
    return [
        check.stimulus_row(own[:, best], movie, predictions, lags)
        for movie in judged
        for own in responses[movie]
    ]


def _whole_row(profile: dict[int, float], chance: float, clip_s: float) -> dict[str, Any]:
    level, flag = check.judge_study(profile, chance, clip_s)
    lag = check.best(profile)
    return {
        "split": "train", "movie": WHOLE_STUDY, "level": level, "flag": flag, "profile": {},
        "stimulus_profile": profile, "stimulus_lag_clips": lag, "stimulus_r_lag": profile[lag], "stimulus_r": profile[0],
        "stimulus_chance": chance,
    }  # fmt: skip


def _flat(table: pd.DataFrame, lags: int) -> pd.DataFrame:
    """The table with a column per lag."""
    flat = table[list(PLAIN)].copy()
    flat[["repeat", "lag_clips", "stimulus_lag_clips"]] = flat[
        ["repeat", "lag_clips", "stimulus_lag_clips"]
    ].astype("Int64")
    for name, profile in (("r", "profile"), ("stimulus_r", "stimulus_profile")):
        for lag in range(-lags, lags + 1):
            flat[f"{name}_at_{lag:+d}"] = [values.get(lag, np.nan) for values in table[profile]]
    return flat.round(6)


def refuse_misaligned(subject: str, table: Path) -> None:
    """Stop if runs do not follow their movies.

    Raises
    ------
    InputError
        Listing the runs, what is wrong with each, and the lines that leave them out.
    """
    rows = read_table(table, PLAIN)
    errors = rows[rows["level"] == "error"]
    if errors.empty:
        return
    names = [
        f"{subject}, all runs" if movie == WHOLE_STUDY else f"{subject}/{movie}/{repeat:.0f}"
        for movie, repeat in zip(errors["movie"], errors["repeat"].astype(float), strict=True)
    ]
    listed = "\n".join(f"- {name}: {flag}" for name, flag in zip(names, errors["flag"], strict=True))
    lines = "\n".join(f"    {name}: out of step with its movie" for name in names if "," not in name)
    advice = (
        f", or leave runs out, each by one line of the configuration:\nstudy:\n  exclude:\n{lines}"
        if lines
        else ""
    )
    raise InputError(
        f"runs of {subject} do not follow their movies (lag profiles: {table}):\n{listed}\nCorrect the run table{advice}"
    )
