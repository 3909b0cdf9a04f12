"""Movies of the simulated study: timelines, annotations, and the files that the step writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError, TensorFile, read_table
from neurons.simulate import movie_steps
from neurons.simulate.annotations import instance_table, scene_table, timeline_of
from neurons.simulate.design import simulated_runs
from neurons.simulate.movies import draw_combinations, sample_timeline, scene_at
from neurons.simulate.render import render, render_masks
from neurons.simulate.settings import Simulate
from neurons.simulate.vocabulary import MOTIONS, OBJECTS, PLACES
from neurons.simulate.world import combinations

SETTINGS = Simulate(train_movie_s=12.0, test_movie_s=10.0, frame_size_px=64)


def make_movie(folder: Path, movie: str, settings: Simulate = SETTINGS) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    runs = folder / "runs.tsv"
    simulated_runs(["subject1"], {"train": (1, 2), "test": (1, 2)}).to_csv(runs, sep="\t", index=False)
    names = {"video": "mp4", "captions": "captions.tsv", "instances": "instances.tsv"}
    names |= {"masks": "masks.safetensors", "scenes": "scenes.parquet"}
    paths = {role: folder / f"{movie}_{role}.{suffix.split('.')[-1]}" for role, suffix in names.items()}
    movie_steps.movie(runs=runs, movie=movie, settings=settings, **paths)
    return paths


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return make_movie(tmp_path_factory.mktemp("movies"), "seg1")


def decoded(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    return np.stack([f.to_ndarray(format="rgb24") for f in frames]), np.array([f.time for f in frames])


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("duration_s", [10.0, 80.0, 96.0])
def test_scenes_fill_the_movie_and_cuts_keep_off_clip_borders(seed: int, duration_s: float) -> None:
    timeline = sample_timeline(np.random.default_rng(seed), "train", duration_s, 30.0)
    starts = np.array([timed.start_s for timed in timeline])
    ends = np.array([timed.end_s for timed in timeline])
    lengths = ends - starts
    assert starts[0] == 0 and ends[-1] == pytest.approx(duration_s)
    np.testing.assert_allclose(ends[:-1], starts[1:], atol=1e-9)
    assert lengths.min() >= 2 - 1e-9 and lengths.max() <= 8 + 1e-9
    np.testing.assert_allclose(starts * 30, np.round(starts * 30), atol=1e-6)
    remainder = starts[1:] % 2
    assert np.minimum(remainder, 2 - remainder).min() >= 0.2 - 1e-9


def test_training_and_test_movies_never_share_a_combination() -> None:
    rng = np.random.default_rng(0)
    drawn = {part: set(draw_combinations(rng, part, 400)) for part in ("train", "test")}
    assert not drawn["train"] & drawn["test"]
    for part, chosen in drawn.items():
        assert chosen <= set(combinations(part))


def test_words_are_drawn_evenly() -> None:
    drawn = draw_combinations(np.random.default_rng(1), "train", 96)
    for position, words in ((0, OBJECTS), (2, PLACES), (3, MOTIONS)):
        assert Counter(c[position] for c in drawn) == dict.fromkeys(words, 96 // len(words))


def test_scene_at_changes_exactly_at_the_cut() -> None:
    timeline = sample_timeline(np.random.default_rng(3), "train", 30.0, 30.0)
    second = timeline[1]
    assert scene_at(timeline, second.start_s) is second
    assert scene_at(timeline, second.start_s - 1 / 30) is timeline[0]
    assert scene_at(timeline, -5.0) is timeline[0]
    assert scene_at(timeline, 99.0) is timeline[-1]


def test_truth_table_gives_the_same_scenes_back(tmp_path: Path) -> None:
    timeline = sample_timeline(np.random.default_rng(4), "test", 40.0, 30.0)
    scene_table(timeline).to_parquet(tmp_path / "scenes.parquet")
    assert timeline_of(pd.read_parquet(tmp_path / "scenes.parquet")) == timeline
    changed = [replace(timeline[0], start_s=1.0), *timeline[1:]]
    assert timeline_of(scene_table(changed)) != timeline


def test_movie_shows_the_scenes_at_a_constant_rate(made: dict[str, Path]) -> None:
    pictures, times_s = decoded(made["video"])
    np.testing.assert_allclose(times_s, np.arange(360) / 30, atol=1e-6)
    timeline = timeline_of(read_table(made["scenes"]))
    cut = round(timeline[1].start_s * 30)
    for frame in (0, 100, cut - 1, cut, 359):
        shown = pictures[frame].astype(float)
        here = scene_at(timeline, frame / 30)
        errors = {
            timed: np.mean((render(timed.scene, frame / 30 - timed.start_s, 64) - shown) ** 2)
            for timed in timeline
        }
        # Chroma is stored at half the resolution: small frames come back with some error.
        assert errors[here] < 150
        assert all(error > 5 * errors[here] for timed, error in errors.items() if timed is not here)


def test_masks_are_those_of_the_scenes(made: dict[str, Path]) -> None:
    file = TensorFile(made["masks"])
    timeline = timeline_of(read_table(made["scenes"]))
    instances = read_table(made["instances"])
    assert file.metadata["width"] == 64
    np.testing.assert_allclose(file["time_s"], np.arange(360) / 30)
    for frame in (0, 200, 359):
        timed = scene_at(timeline, frame / 30)
        expected = render_masks(timed.scene, frame / 30 - timed.start_s, 64)
        stored = np.unpackbits(file["masks"][frame], axis=-1, count=64).astype(bool)
        np.testing.assert_array_equal(stored[: len(expected)], expected)
        assert not stored[len(expected) :].any()
        shown = file["instance"][frame]
        assert (shown >= 0).sum() == len(expected)
        tags = instances.set_index("instance").loc[shown[shown >= 0], "tag"].to_list()
        assert tags == [item.kind for item in timed.scene.items]


def test_instances_are_numbered_through_the_movie() -> None:
    timeline = sample_timeline(np.random.default_rng(5), "train", 60.0, 30.0)
    table = instance_table(timeline)
    assert table["instance"].to_list() == list(range(sum(len(t.scene.items) for t in timeline)))


def test_captions_cover_the_movie(made: dict[str, Path]) -> None:
    captions, truth = read_table(made["captions"]), read_table(made["scenes"])
    assert captions["caption"].to_list() == truth["caption"].to_list()
    for row in truth.itertuples():
        tags = str(captions["tags"].iloc[row.Index]).split("|")
        assert tags[0] == row.kind and tags[-1] == row.place


def test_a_movie_is_the_same_bytes_again(made: dict[str, Path], tmp_path: Path) -> None:
    again = make_movie(tmp_path, "seg1")
    for role, path in made.items():
        assert again[role].read_bytes() == path.read_bytes(), role


def test_length_and_combinations_follow_the_split(tmp_path: Path) -> None:
    paths = make_movie(tmp_path, "test1")
    truth = read_table(paths["scenes"])
    assert truth["end_s"].iloc[-1] == pytest.approx(10.0)
    main = set(zip(truth["kind"], truth["colour"], truth["place"], truth["motion"], strict=True))
    assert main <= set(combinations("test"))


def test_unknown_movie_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seg7.*seg1, test1"):
        make_movie(tmp_path, "seg7")
