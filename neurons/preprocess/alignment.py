"""Does each run follow its movie? Lag against the other showings, lag and movie against the stimulus.

Swapped movies, trims that are off by one, and recordings out of step with their movie leave shapes and counts as they should
be; only the responses tell. Two independent questions are asked of each run: at which lag does it agree best with the mean
of the other showings of its movie, and at which lag, and to which movie, does it fit the responses that an encoding model
(luminance, contrast, motion) predicts from the other movies? The second also works with a single showing, and finds what
befell all showings alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurons.preprocess.reliability import correlation
from neurons.preprocess.stimulus import Encoding, shifted

CANDIDATES = 4000
"""Most reliable vertices among which the encoding model looks for those that it predicts."""
PREDICTED = 500
"""Best predicted vertices that stand for a run in the comparison with the stimulus."""
LOW_SHARE = 1 / 3
"""Agreement below this share of the median run of the split is low."""
FORGIVEN = 1
"""Lag in clips that the whole study may have against the stimulus: haemodynamic responses differ between people."""
CERTAIN = 0.5
"""Of two showings that disagree, the one is to blame whose fit to the stimulus moves by this share of the other's."""


def lag_profile(run: np.ndarray, others: np.ndarray, lags: int) -> dict[int, float]:
    """Median correlation of a run with the mean of the other repeats, as a function of lag.

    Parameters
    ----------
    run, others
        Responses (clips, vertices) to the same clips.
    lags
        Clips searched each way; at most a quarter of the clips.

    Returns
    -------
    dict
        Median correlation over vertices by lag in clips; it peaks at a positive lag if `run` comes late.
    """
    lags = min(lags, len(run) // 4)
    pairs = {lag: shifted(run, others, lag) for lag in range(-lags, lags + 1)}
    return {lag: float(np.median(correlation(*pair))) for lag, pair in pairs.items()}


def best(profile: Mapping[int, float]) -> int:
    """Lag of the largest value; of equal ones the one nearest to 0."""
    return max(profile, key=lambda lag: (profile[lag], -abs(lag)))


def noise(clips: int) -> float:
    """What a correlation may exceed another by chance: half a standard error."""
    return 0.5 / float(np.sqrt(clips))


def predictable(encoding: Encoding, responses: Mapping[str, np.ndarray]) -> np.ndarray:
    """Vertices that the model predicts best on held-out training movies.

    Parameters
    ----------
    encoding
        Has learnt `responses`.
    responses
        Mean responses (clips, vertices) of each training movie.

    Returns
    -------
    numpy.ndarray
        int64, at most `PREDICTED` columns, ascending.
    """
    r = np.mean([correlation(encoding.predict(movie), own) for movie, own in responses.items()], axis=0)
    return np.sort(np.argsort(-r, kind="stable")[:PREDICTED])


def study_profile(
    features: Mapping[str, np.ndarray], responses: Mapping[str, np.ndarray], lags: int
) -> dict[int, float]:
    """How well held-out training movies are predicted if all responses are taken to come `lag` clips late.

    A wrong onset of every run, or a wrong delay, shows here only: repeats agree with each other all the same.
    """
    lags = min(lags, min(len(own) for own in responses.values()) // 4)
    return {lag: _held_out_r(Encoding(features), responses, lag) for lag in range(-lags, lags + 1)}


def _held_out_r(encoding: Encoding, responses: Mapping[str, np.ndarray], lag: int) -> float:
    for movie, own in responses.items():
        encoding.learn(movie, own, lag)
    r = [correlation(*shifted(own, encoding.predict(movie), lag)) for movie, own in responses.items()]
    over_movies = np.mean(r, axis=0)
    return float(np.sort(over_movies)[-PREDICTED:].mean())


def stimulus_row(
    own: np.ndarray, movie: str, predictions: Mapping[str, np.ndarray], lags: int
) -> dict[str, Any]:
    """How a run fits the predicted responses: by lag to its own movie, and to the best movie of the same length.

    Parameters
    ----------
    own
        Responses (clips, vertices) of the run, of the vertices of `predictions`.
    movie
        What the run table says was shown.
    predictions
        Predicted responses (clips, vertices) to every movie.

    Returns
    -------
    dict
        `stimulus_profile` (by lag), `stimulus_lag_clips`, `stimulus_r_lag`, `stimulus_r`, `best_movie`, `best_movie_r`.
    """
    lags = min(lags, len(own) // 4)
    profile = {
        lag: float(correlation(*shifted(own, predictions[movie], lag)).mean())
        for lag in range(-lags, lags + 1)
    }
    by_movie = {
        name: float(correlation(own, predicted).mean())
        for name, predicted in predictions.items()
        if len(predicted) == len(own)
    }
    nearest = max(by_movie, key=lambda name: (by_movie[name], name == movie))
    lag = best(profile)
    return {
        "stimulus_profile": profile,
        "stimulus_lag_clips": lag,
        "stimulus_r_lag": profile[lag],
        "stimulus_r": profile[0],
        "best_movie": nearest,
        "best_movie_r": by_movie[nearest],
    }


def judge(table: pd.DataFrame, clip_s: float) -> pd.DataFrame:
    """Level and sentence for each run that does not follow its movie.

    Parameters
    ----------
    table
        Per run `split, movie, repeat, clips, lag_clips, r_lag, r_lag_0, r_top, stimulus_lag_clips, stimulus_r_lag,
        stimulus_r, best_movie, best_movie_r`; values that do not exist (a single showing) are missing.
    clip_s
        Length of a clip, in s.

    Returns
    -------
    pandas.DataFrame
        `level` (``error``, ``warning`` or empty) and `flag` (a sentence or empty), a row per run.
    """
    found = [_late(row, table, clip_s) or _swapped(row) or _adrift(row, clip_s) for row in table.itertuples()]
    low = _low(table)
    verdicts = [
        ("error", text) if text else ("warning", LOW_TEXT) if weak else ("", "")
        for text, weak in zip(found, low, strict=True)
    ]
    return pd.DataFrame(verdicts, columns=["level", "flag"], index=table.index)


LOW_TEXT = "hardly agrees with the other repeats: a bad recording, or wrong in a way that no lag or other movie explains"


def _late(row: Any, table: pd.DataFrame, clip_s: float) -> str:
    """Out of step with the other showings; of two showings the one that the stimulus contradicts."""
    if pd.isna(row.lag_clips) or row.lag_clips == 0 or row.r_lag <= row.r_lag_0 + noise(row.clips):
        return ""
    showings = table[table["movie"] == row.movie]
    unsure = ""
    if len(showings) == 2:
        (other,) = showings[showings["repeat"] != row.repeat].itertuples()
        mine, theirs = _misfit(row, int(row.lag_clips)), _misfit(other, int(other.lag_clips))
        if mine < theirs - CERTAIN * abs(theirs):
            return ""
        if theirs >= mine - CERTAIN * abs(mine):
            unsure = f" (or repeat {other.repeat} does: of two showings it cannot be told which)"
    return (
        f"agrees best with the other repeats {row.lag_clips:+d} clips ({row.lag_clips * clip_s:+g} s) away "
        f"(r {row.r_lag:.2f}, in step {row.r_lag_0:.2f}): wrong onset_s, or the recording is out of step with its "
        f"movie{unsure}"
    )


def _misfit(row: Any, lag: int) -> float:
    """By how much a run fits the stimulus better at a lag than in step."""
    profile = row.stimulus_profile
    return profile.get(lag, -1.0) - profile[0]


def _swapped(row: Any) -> str:
    if row.best_movie == row.movie or row.best_movie_r <= row.stimulus_r + 2 * noise(row.clips):
        return ""
    return (
        f"follows the movie {row.best_movie} (r {row.best_movie_r:.2f}) rather than {row.movie} (r {row.stimulus_r:.2f}): "
        "files or movies are swapped"
    )


def _adrift(row: Any, clip_s: float) -> str:
    lag = row.stimulus_lag_clips
    if abs(lag) <= FORGIVEN or row.stimulus_r_lag <= row.stimulus_r + 2 * noise(row.clips):
        return ""
    return (
        f"follows the stimulus best {lag:+d} clips ({lag * clip_s:+g} s) late (r {row.stimulus_r_lag:.2f}, in step "
        f"{row.stimulus_r:.2f}): wrong onset_s, or all showings run out of step with the movie"
    )


def _low(table: pd.DataFrame) -> np.ndarray:
    typical = table.groupby("split")["r_top"].transform("median")
    enough = typical > 0.5 / np.sqrt(table["clips"])
    return ((table["r_top"] < LOW_SHARE * typical) & enough).to_numpy()


def judge_study(profile: Mapping[int, float], clips: int, clip_s: float) -> tuple[str, str]:
    """Level and sentence on the delay of the whole study (empty if it is right)."""
    lag = best(profile)
    if lag == 0 or profile[lag] <= profile[0] + noise(clips):
        return "", ""
    text = (
        f"all runs together follow the stimulus best {lag:+d} clips ({lag * clip_s:+g} s) after the configured delay (r "
        f"{profile[lag]:.2f}, at the delay {profile[0]:.2f}): wrong preprocess.hemodynamic_delay_s, or every onset_s is"
    )
    return ("warning" if abs(lag) <= FORGIVEN else "error"), text
