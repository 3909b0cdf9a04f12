"""Does each run follow its movie? Lag against the other showings, lag and movie against the stimulus.

Swapped movies, trims that are off by one, and recordings out of step with their movie leave shapes and counts as they should
be; only the responses tell. Two independent questions are asked of each run: at which lag does it agree best with the mean
of the other showings of its movie, and at which lag, and to which movie, does it fit the responses that an encoding model
(luminance, contrast, motion) predicts from the other movies? The second also works with a single showing, and finds what
befell all showings alike.

How large a correlation arises by chance depends on how alike vertices are, not only on the number of clips. So it is
measured: the same numbers for what belongs to other movies. A run is only called wrong if another lag or movie stands out
from that by `CLEAR` times, and exceeds what the run has in step by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from neurons.preprocess.reliability import correlation
from neurons.preprocess.stimulus import Encoding, shifted

Middle = Callable[[np.ndarray], np.floating]

CANDIDATES = 4000
"""Most reliable vertices among which the encoding model looks for those that it predicts."""
PREDICTED = 500
"""Best predicted vertices that stand for a run in the comparison with the stimulus."""
LOW_SHARE = 1 / 3
"""Agreement below this share of the median run of the split is low."""
FORGIVEN = 1
"""Lag in clips that the whole study may have against the stimulus: haemodynamic responses differ between people."""
CLEAR = 4.0
"""Chance levels (root mean square over other movies and lags) by which a lag or a movie must stand out."""
FOREIGN = 5
"""Other movies that chance is measured with, at most."""
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


def chance_profile(own: np.ndarray, foreign: Sequence[np.ndarray], lags: int, middle: Middle) -> float:
    """Root mean square of the correlations that a run has with what belongs to other movies, at all lags.

    Parameters
    ----------
    own
        Responses (clips, vertices).
    foreign
        Responses or predictions (clips, vertices) of other movies; longer ones are cut off.
    lags
        Clips searched each way.
    middle
        Of the correlations over vertices: ``numpy.median`` or ``numpy.mean``, as the profile has it.

    Returns
    -------
    float
        Infinite without other movies: nothing can be said to stand out.
    """
    values = []
    for other in foreign[:FOREIGN]:
        clips = min(len(own), len(other))
        reach = min(lags, clips // 4)
        pairs = (shifted(own[:clips], other[:clips], lag) for lag in range(-reach, reach + 1))
        values += [float(middle(correlation(*pair))) for pair in pairs]
    return float(np.sqrt(np.mean(np.square(values)))) if values else float("inf")


def stands_out(value: float, in_step: float, chance: float) -> bool:
    """Whether a correlation at another lag, or with another movie, is better than in step, by more than chance."""
    return value - max(in_step, 0.0) > CLEAR * chance


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
) -> tuple[dict[int, float], float]:
    """How well held-out training movies are predicted if all responses are taken to come `lag` clips late.

    A wrong onset of every run, or a wrong delay, shows here only: repeats agree with each other all the same.

    Returns
    -------
    tuple
        Mean correlation of the best predicted vertices by lag; and the SD of that number if predictions are given to other
        movies (over ways to exchange movies and lags).
    """
    lags = min(lags, min(len(own) for own in responses.values()) // 4)
    profile, exchanged = {}, []
    for lag in range(-lags, lags + 1):
        encoding = Encoding(features)
        for movie, own in responses.items():
            encoding.learn(movie, own, lag)
        predictions = [encoding.predict(movie) for movie in responses]
        measured = list(responses.values())
        profile[lag] = _best_r(measured, predictions, lag)
        for step in range(1, min(FOREIGN, len(measured) - 1) + 1):
            exchanged.append(_best_r(measured, predictions[step:] + predictions[:step], lag))
    return profile, float(np.std(exchanged)) if len(exchanged) > 1 else float("inf")


def _best_r(measured: Sequence[np.ndarray], predictions: Sequence[np.ndarray], lag: int) -> float:
    r = []
    for own, predicted in zip(measured, predictions, strict=True):
        clips = min(len(own), len(predicted))
        r.append(correlation(*shifted(own[:clips], predicted[:clips], lag)))
    return float(np.sort(np.mean(r, axis=0))[-PREDICTED:].mean())


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
        `stimulus_profile` (by lag), `stimulus_lag_clips`, `stimulus_r_lag`, `stimulus_r`, `best_movie`, `best_movie_r`,
        `stimulus_chance`.
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
    foreign = [predicted for name, predicted in predictions.items() if name not in (movie, nearest)]
    return {
        "stimulus_chance": chance_profile(own, foreign, lags, np.mean),
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
        Per run `split, movie, repeat, lag_clips, r_lag, r_lag_0, r_top, chance, stimulus_profile, stimulus_lag_clips,
        stimulus_r_lag, stimulus_r, stimulus_chance, best_movie, best_movie_r`; values that do not exist (a single showing)
        are missing.
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
    if pd.isna(row.lag_clips) or row.lag_clips == 0 or not stands_out(row.r_lag, row.r_lag_0, row.chance):
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
    if row.best_movie == row.movie or not stands_out(row.best_movie_r, row.stimulus_r, row.stimulus_chance):
        return ""
    return (
        f"follows the movie {row.best_movie} (r {row.best_movie_r:.2f}) rather than {row.movie} (r {row.stimulus_r:.2f}): "
        "files or movies are swapped"
    )


def _adrift(row: Any, clip_s: float) -> str:
    lag = row.stimulus_lag_clips
    if abs(lag) <= FORGIVEN or not stands_out(row.stimulus_r_lag, row.stimulus_r, row.stimulus_chance):
        return ""
    return (
        f"follows the stimulus best {lag:+d} clips ({lag * clip_s:+g} s) late (r {row.stimulus_r_lag:.2f}, in step "
        f"{row.stimulus_r:.2f}): wrong onset_s, or all showings run out of step with the movie"
    )


def _low(table: pd.DataFrame) -> np.ndarray:
    typical = table.groupby("split")["r_top"].transform("median")
    enough = typical > CLEAR * table["chance"]
    return ((table["r_top"] < LOW_SHARE * typical) & enough).to_numpy()


def judge_study(profile: Mapping[int, float], chance: float, clip_s: float) -> tuple[str, str]:
    """Level and sentence on the delay of the whole study (empty if it is right)."""
    lag = best(profile)
    if lag == 0 or not stands_out(profile[lag], profile[0], chance):
        return "", ""
    text = (
        f"all runs together follow the stimulus best {lag:+d} clips ({lag * clip_s:+g} s) after the configured delay (r "
        f"{profile[lag]:.2f}, at the delay {profile[0]:.2f}): wrong preprocess.hemodynamic_delay_s, or every onset_s is"
    )
    return ("warning" if abs(lag) <= FORGIVEN else "error"), text
