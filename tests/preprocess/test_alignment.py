"""Runs that do not follow their movies are found, those that do are not, whatever the other is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError, provenance, read_table, write_table, write_tensors
from neurons.preprocess.alignment import lag_profile
from neurons.preprocess.alignment_steps import alignment, refuse_misaligned
from neurons.preprocess.selection_steps import select
from neurons.preprocess.settings import Preprocess
from neurons.preprocess.stimulus import like_responses, picture_features

CLIPS, VERTICES = 60, 400
REPEATS = {"seg1": 2, "seg2": 2, "seg3": 2, "seg4": 2, "test1": 4}
Change = Mapping[tuple[str, int], object]


@pytest.mark.parametrize("lag", [-5, -1, 0, 1, 5])
def test_a_known_lag_is_recovered(lag: int) -> None:
    random = np.random.default_rng(2)
    movie = random.standard_normal((80, 60))
    run, others = (movie[10 - shift : 60 - shift] + random.standard_normal((50, 60)) for shift in (lag, 0))
    profile = lag_profile(run, others, 6)
    assert list(profile) == list(range(-6, 7))
    assert max(profile, key=lambda shift: profile[shift]) == lag
    assert profile[lag] == pytest.approx(0.5, abs=0.1)


def test_short_runs_search_fewer_lags() -> None:
    assert list(lag_profile(np.eye(9), np.eye(9), 6)) == [-2, -1, 0, 1, 2]


@pytest.fixture(scope="module")
def movies() -> dict[str, np.ndarray]:
    """Frames of scenes of a few clips, as films have them, with six clips before and after."""
    random = np.random.default_rng(0)

    def film() -> np.ndarray:
        scenes = random.integers(0, 200, (CLIPS, 4, 4)).repeat(2, axis=0)[: CLIPS + 12]
        flicker = random.integers(0, 55, (CLIPS + 12, 2, 4, 4))
        grey = (scenes[:, None] + flicker).astype(np.uint8)
        return np.repeat(np.kron(grey, np.ones((2, 2), np.uint8))[..., None], 3, axis=-1)

    return {movie: film() for movie in REPEATS}


@pytest.fixture
def study(tmp_path: Path, movies: dict[str, np.ndarray]) -> Callable[..., tuple[list[Path], list[Path]]]:
    """Write preprocessed runs of a small brain; `late` shifts runs, `shown` swaps what was on the screen."""

    def make(
        late: Change,
        shown: Change,
        repeats: Mapping[str, int] = REPEATS,
        signal: float = 0.5,
        shared: float = 0.0,
        seed: int = 7,
        by: str = "all",
    ) -> tuple[list[Path], list[Path]]:
        random = np.random.default_rng(seed)
        weights = random.standard_normal((48, VERTICES)) * (np.arange(VERTICES) < 300) / 7
        runs, frames = [], []
        for movie, count in repeats.items():
            identities = [f"{movie}:{index}" for index in range(CLIPS)]
            frames.append(tmp_path / f"{movie}_frames.safetensors")
            write_tensors(
                frames[-1], {"frames": movies[movie][6:-6]}, provenance("cut clips", {}), identities
            )
            for repeat in range(1, count + 1):
                film = movies[str(shown.get((movie, repeat), movie))]
                start = 6 - int(str(late.get((movie, repeat), 0)))
                evoked = like_responses(picture_features(film[start : start + CLIPS]), 4) @ weights
                own = signal * evoked + random.standard_normal((CLIPS, VERTICES))
                own += shared * random.standard_normal((CLIPS, 1))
                runs.append(tmp_path / f"{movie}_{repeat}.safetensors")
                write_tensors(
                    runs[-1],
                    {"responses": like_responses(own, 4), "valid": np.ones(VERTICES, bool)},
                    provenance("preprocess run", {}),
                    identities,
                    subject="s1", movie=movie, repeat=repeat, source=f"{movie}{repeat}",
                )  # fmt: skip
        where = tmp_path / "locations.tsv"
        write_table(where, _locations(), provenance("preprocess locations", {}))
        training = [path for path in runs if path.name.startswith("seg")]
        selection = tmp_path / "selection.parquet"
        settings = Preprocess(selection={"by": by, "minimum": 1, "correction": "fdr"})
        pictures = [path for path in frames if path.name.startswith("seg")]
        select(
            subject="s1",
            runs=training,
            frames=pictures,
            locations=where,
            settings=settings,
            selection=selection,
        )
        tables = []
        for split in ("train", "test"):
            tables.append(tmp_path / f"alignment_{split}.tsv")
            alignment(
                subject="s1",
                split=split,
                train_runs=training,
                test_runs=[path for path in runs if path not in training] if split == "test" else None,
                frames=frames,
                selection=selection,
                clip_s=2.0,
                settings=Preprocess(),
                table=tables[-1],
            )
        return tables, runs

    return make


def _locations() -> pd.DataFrame:
    return pd.DataFrame({"grayordinate": np.arange(VERTICES), "area": "L_V1"})


def read_tables(tables: list[Path]) -> pd.DataFrame:
    return pd.concat(map(read_table, tables), ignore_index=True)


def refuse(tables: list[Path]) -> None:
    for table in tables:
        refuse_misaligned("s1", table)


def flagged(tables: list[Path], level: str = "error") -> dict[tuple[str, object], str]:
    rows = read_tables(tables)
    rows = rows[rows["level"] == level]
    return {
        (row.movie, None if np.isnan(row.repeat) else int(row.repeat)): row.flag for row in rows.itertuples()
    }


def test_sound_runs_and_noise_are_not_flagged(study) -> None:
    tables, _ = study({}, {})
    assert flagged(tables) == {} and flagged(tables, "warning") == {}
    refuse(tables)
    rows = read_tables(tables)
    runs = rows[rows["repeat"].notna()]
    assert (runs[["lag_clips", "stimulus_lag_clips"]] == 0).all(axis=None)
    assert (runs["best_movie"] == runs["movie"]).all()
    tables, _ = study({}, {}, signal=0.0)
    assert flagged(tables) == {}


@pytest.mark.parametrize("seed", range(5))
def test_breathing_that_all_vertices_share_is_not_taken_for_a_lag(study, seed: int) -> None:
    """One course in all vertices: a correlation over them is as uncertain as that of a single vertex."""
    tables, _ = study({}, {}, signal=0.0, shared=4.0, seed=seed)
    assert flagged(tables) == {}


@pytest.mark.parametrize("lag", [5, -4, 1])
def test_one_of_several_showings_out_of_step(study, lag: int) -> None:
    tables, _ = study({("test1", 3): lag}, {})
    found = flagged(tables)
    assert list(found) == [("test1", 3)]
    assert f"{lag:+d} clips ({2 * lag:+g} s) away" in found["test1", 3]
    with pytest.raises(InputError) as caught:
        refuse(tables)
    assert "exclude:\n    s1/test1/3: out of step with its movie" in str(caught.value)


@pytest.mark.parametrize(("repeat", "lag"), [(1, 3), (2, 3), (2, -4)])
def test_of_two_showings_the_stimulus_tells_which_is_out_of_step(study, repeat: int, lag: int) -> None:
    tables, _ = study({("seg3", repeat): lag}, {})
    assert list(flagged(tables)) == [("seg3", repeat)]


def test_both_showings_late_are_found_by_the_stimulus_alone(study) -> None:
    tables, _ = study({("seg2", 1): 4, ("seg2", 2): 4}, {})
    found = flagged(tables)
    assert list(found) == [("seg2", 1), ("seg2", 2)]
    assert all("follows the stimulus best +4 clips (+8 s) late" in text for text in found.values())


def test_swapped_movies_are_named(study) -> None:
    swapped = {("seg1", 1): "seg4", ("seg1", 2): "seg4", ("seg4", 1): "seg1", ("seg4", 2): "seg1"}
    tables, _ = study({}, swapped)
    found = flagged(tables)
    assert sorted(found) == sorted(swapped)
    for key, text in found.items():
        assert f"follows the movie {swapped[key]}" in text and f"rather than {key[0]}" in text


def test_a_delay_that_is_wrong_throughout_is_said_of_the_study(study) -> None:
    late = {(movie, repeat): 3 for movie, count in REPEATS.items() for repeat in range(1, count + 1)}
    tables, _ = study(late, {})
    found = flagged(tables)
    assert "+3 clips (+6 s) after the configured delay" in found["all", None]
    with pytest.raises(InputError, match="s1, all runs: all runs together follow"):
        refuse(tables)


def test_a_single_showing_is_checked_by_the_stimulus(study) -> None:
    once = dict.fromkeys(REPEATS, 1)
    tables, _ = study({("test1", 1): 5}, {("seg1", 1): "seg2"}, once, signal=0.8)
    found = flagged(tables)
    assert set(found) == {("test1", 1), ("seg1", 1)}
    assert "follows the movie seg2" in found["seg1", 1] and "+5 clips" in found["test1", 1]
    assert read_tables(tables)["lag_clips"].isna().all()


def test_a_run_of_noise_among_good_ones_is_a_warning(study, movies: dict[str, np.ndarray]) -> None:
    movies["nothing"] = np.full_like(movies["seg1"], 90)
    tables, _ = study({}, {("test1", 2): "nothing"})
    assert flagged(tables) == {}
    assert "hardly agrees" in flagged(tables, "warning")["test1", 2]


@pytest.mark.parametrize("showings", [1, 2])
def test_vertices_that_the_picture_predicts_are_selected_even_with_one_showing(study, showings: int) -> None:
    many = {f"seg{number}": showings for number in range(1, 5)} | {"test1": 1}
    tables, _ = study({}, {}, many, signal=1.5, by="encoding")
    selection = read_table(tables[0].parent / "selection.parquet")
    chosen = selection["selected"].to_numpy()
    assert chosen[:300].mean() > 0.9, "the first 300 of 400 vertices respond"
    assert chosen[300:].sum() < 0.1 * chosen.sum(), "false discovery rate 0.05"
    assert selection["r"][:300].median() > 0.5 > 0.1 > abs(selection["r"][300:].median())
