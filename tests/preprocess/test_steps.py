"""The stage from CIFTI files to arrays: a small study in which V1 answers its movie 4 s later, with known faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from neurons.artifacts import (
    InputError,
    TensorFile,
    hash_vertices,
    provenance,
    read_json,
    read_table,
    write_tensors,
)
from neurons.preprocess import alignment_steps, atlas, selection_steps, steps
from neurons.preprocess.settings import Preprocess, Volume

CLIPS = 16
TRAIN = ("seg1", "seg2", "seg3", "seg9", "seg10", "seg11")
SPLITS = ("train", "test")
LATE = 3
"""Volumes by which the third presentation of test1 is behind its movie."""

WriteRun = Callable[..., Path]


@dataclass(frozen=True)
class Study:
    """Files of the small study."""

    folder: Path
    evoked: dict[str, np.ndarray]

    def run(self, movie: str, repeat: int) -> Path:
        return self.folder / "runs" / f"{movie}_{repeat}.safetensors"

    @property
    def train(self) -> list[Path]:
        return [self.run(movie, repeat) for movie in TRAIN for repeat in (1, 2)]

    @property
    def test(self) -> list[Path]:
        return [self.run("test1", repeat) for repeat in (1, 2, 3, 4)] + [
            self.run("test2", repeat) for repeat in (1, 2)
        ]

    @property
    def selection(self) -> Path:
        return self.folder / "selection.parquet"

    @property
    def locations(self) -> Path:
        return self.folder / "locations.parquet"

    def frames(self, *movies: str) -> list[Path]:
        return [self.folder / f"{movie}_frames.safetensors" for movie in movies]

    def select(self, runs: list[Path], selection: Path, subject: str = "subject1", **options: object) -> None:
        selection_steps.select(
            subject=subject,
            runs=runs,
            frames=self.frames(*TRAIN, "test1", "test2"),
            locations=self.locations,
            settings=Preprocess(selection=options),
            selection=selection,
        )


def preprocess(folder: Path, bold: Path, movie: str, repeat: int, onset_s: float, **changes: object) -> None:
    arguments = {
        "bold": bold,
        "subject": "subject1",
        "movie": movie,
        "repeat": repeat,
        "clips": folder / f"{movie}.tsv",
        "locations": folder / "locations.parquet",
        "onset_s": onset_s,
        "clip_s": 2.0,
        "repetition_time_s": 2.0,
        "tail_s": 12.0,
        "settings": Preprocess(),
        "responses": folder / "runs" / f"{movie}_{repeat}.safetensors",
    }
    steps.run(**{**arguments, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def responsive() -> np.ndarray:
    return np.flatnonzero(np.isin(atlas.areas(), ["L_V1", "R_V1"]))


@pytest.fixture(scope="module")
def study(
    tmp_path_factory: pytest.TempPathFactory,
    responsive: np.ndarray,
    write_run: WriteRun,
    write_clips: Callable[..., Path],
    write_frames: Callable[..., Path],
) -> Study:
    folder = tmp_path_factory.mktemp("study")
    steps.locations(
        subject="subject1", space="fsLR_91k", settings=Volume(), locations=folder / "locations.parquet"
    )
    random = np.random.default_rng(5)
    evoked = {}
    for movie in (*TRAIN, "test1", "test2"):
        onset_s = 0.0 if movie == "test2" else 2.0
        write_clips(folder / f"{movie}.tsv", movie, CLIPS)
        write_frames(folder / f"{movie}_frames.safetensors", movie, CLIPS)
        evoked[movie] = random.standard_normal((CLIPS, len(responsive)))
        volumes = CLIPS + 6 - round(onset_s / 2)
        for repeat in range(1, 5 if movie == "test1" else 3):
            bold = 10_000 + 50 * random.standard_normal((volumes, atlas.CORTEX))
            first = round((4.0 - onset_s) / 2) + (LATE if (movie, repeat) == ("test1", 3) else 0)
            bold[first : first + CLIPS, responsive] += 100 * evoked[movie]
            bold += 40 * np.arange(volumes)[:, None]
            bold[:, 100] = 0
            path = write_run(folder / f"{movie}_{repeat}.dtseries.nii", bold)
            preprocess(folder, path, movie, repeat, onset_s)
            path.unlink()
    study = Study(folder, evoked)
    study.select(study.train, study.selection, correction="fdr")
    align(study, study.folder)
    return study


def align(study: Study, folder: Path) -> None:
    for split in SPLITS:
        alignment_steps.alignment(
            subject="subject1",
            split=split,
            train_runs=study.train,
            test_runs=study.test if split == "test" else None,
            frames=study.frames(*TRAIN, "test1", "test2"),
            selection=study.selection,
            clip_s=2.0,
            settings=Preprocess(),
            table=folder / f"alignment_{split}.tsv",
        )


def gather_train(study: Study, folder: Path, **changes: object) -> None:
    arguments = {
        "subject": "subject1",
        "runs": study.train,
        "selection": study.selection,
        "alignment": study.folder / "alignment_train.tsv",
        "action": "warn",
        "responses": folder / "train.safetensors",
    }
    steps.gather_train(**{**arguments, **changes})  # type: ignore[arg-type]


def gather_test(study: Study, folder: Path, **changes: object) -> None:
    arguments = {
        "subject": "subject1",
        "runs": study.test,
        "train_runs": study.train,
        "selection": study.selection,
        "alignment": study.folder / "alignment_test.tsv",
        "action": "warn",
        "responses": folder / "test.safetensors",
    }
    steps.gather_test(**{**arguments, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def gathered(study: Study) -> Study:
    gather_train(study, study.folder)
    gather_test(study, study.folder)
    return study


@pytest.fixture(scope="module")
def judged(study: Study) -> Study:
    judge(study, study.folder)
    return study


def judge(study: Study, folder: Path) -> None:
    selection_steps.quality(
        subject="subject1",
        runs=study.train + study.test,
        selection=study.selection,
        alignment=[study.folder / f"alignment_{split}.tsv" for split in SPLITS],
        locations=study.locations,
        table=folder / "quality.tsv",
        areas=folder / "areas.tsv",
        summary=folder / "quality.json",
        picture=folder / "quality.png",
    )


@pytest.mark.parametrize(("movie", "first"), [("seg1", 1), ("test2", 2)])
def test_volumes_meet_their_clips_for_both_onsets(
    study: Study, responsive: np.ndarray, movie: str, first: int
) -> None:
    file = TensorFile(study.run(movie, 1))
    assert file.clip_ids == [f"{movie}:{index}" for index in range(CLIPS)]
    assert file.metadata["facts"]["first_volume"] == first
    responses = np.asarray(file["responses"])[:, responsive]
    truth = study.evoked[movie]
    r = [
        np.mean(
            [
                np.corrcoef(np.roll(truth[:, v], shift), responses[:, v])[0, 1]
                for v in range(0, len(responsive), 40)
            ]
        )
        for shift in (-1, 0, 1)
    ]
    assert r[1] > 0.7 and max(r[0], r[2]) < 0.2


def test_constant_vertices_are_marked_stored_as_zero_and_never_selected(study: Study) -> None:
    file = TensorFile(study.run("seg1", 1))
    assert np.flatnonzero(~file["valid"]).tolist() == [100]
    assert not np.asarray(file["responses"])[:, 100].any()
    row = read_table(study.selection).set_index("grayordinate").loc[100]
    assert bool(row["constant"]) and not bool(row["selected"])


def test_wrong_volume_count_names_run_and_counts(study: Study, tmp_path: Path, write_run: WriteRun) -> None:
    bold = write_run(tmp_path / "short.dtseries.nii", np.ones((CLIPS + 4, atlas.CORTEX)))
    with pytest.raises(InputError, match=r"run subject1 seg1 repeat 1 .*20 volumes found, 21 expected"):
        preprocess(study.folder, bold, "seg1", 1, 2.0, responses=tmp_path / "never.safetensors")
    assert not (tmp_path / "never.safetensors").exists()


def test_header_with_another_repetition_time_is_reported_and_not_used(
    study: Study, tmp_path: Path, write_run: WriteRun, caplog: pytest.LogCaptureFixture
) -> None:
    bold = np.random.default_rng(0).standard_normal((CLIPS + 5, atlas.CORTEX))
    outputs = []
    for step_s in (2.0, 1.0):
        path = write_run(tmp_path / "run.dtseries.nii", bold, step_s=step_s)
        with caplog.at_level("WARNING", "neurons"):
            outputs.append(tmp_path / f"{step_s}.safetensors")
            preprocess(study.folder, path, "seg1", 1, 2.0, responses=outputs[-1])
    assert [message for message in caplog.messages if "the header says" in message] == [
        "run subject1 seg1 repeat 1: the header says 1 s between volumes; the configured 2 s "
        "(study.repetition_time_s) are used"
    ]
    np.testing.assert_array_equal(*(TensorFile(path)["responses"] for path in outputs))


def test_clip_table_of_another_movie(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seg2.tsv does not list the clips seg1:0, seg1:1"):
        preprocess(study.folder, tmp_path / "x.nii", "seg1", 1, 2.0, clips=study.folder / "seg2.tsv")


def test_selected_vertices_are_the_responsive_ones(study: Study, responsive: np.ndarray) -> None:
    table = read_table(study.selection)
    selected = table.loc[table["selected"], "grayordinate"].to_numpy()
    hits = np.isin(selected, responsive)
    assert len(table) == atlas.CORTEX
    assert hits.sum() > 0.5 * len(responsive)
    assert hits.mean() > 0.9  # false discovery rate 0.05
    assert table.loc[responsive, "r"].median() > 0.6
    assert abs(table.drop(index=[*responsive, 100])["r"].median()) < 0.01


def test_selection_needs_repeats_and_movies(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"every training movie has one run only.*`encoding`"):
        study.select([study.run(movie, 1) for movie in TRAIN], tmp_path / "s.parquet")
    with pytest.raises(InputError, match=r"needs at least two .*found 1"):
        study.select(study.train[:2], tmp_path / "s.parquet")


def test_runs_must_fit_together(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        runs = [*study.train, study.run("seg1", 1)]
        study.select(runs, tmp_path / "s.parquet", subject="subject2")
    assert "run seg1_1 is given 2 times" in str(caught.value)
    assert f"{study.run('seg1', 1)} is of 'subject1'" in str(caught.value)


def test_one_file_under_two_names(study: Study, tmp_path: Path, write_run: WriteRun) -> None:
    bold = write_run(
        tmp_path / "a.dtseries.nii", np.random.default_rng(0).standard_normal((21, atlas.CORTEX))
    )
    runs = [tmp_path / f"seg1_{repeat}.safetensors" for repeat in (1, 2)]
    for repeat, output in enumerate(runs, start=1):
        preprocess(study.folder, bold, "seg1", repeat, 2.0, responses=output)
    with pytest.raises(InputError, match="runs seg1_1, seg1_2 were made of files with the same content"):
        study.select(runs, tmp_path / "s.parquet")


def test_training_keeps_repeats_apart_in_natural_order(gathered: Study) -> None:
    file = TensorFile(gathered.folder / "train.safetensors")
    vertices = np.asarray(file["vertex"])
    assert file.clip_ids == [f"{movie}:{index}" for movie in TRAIN for index in range(CLIPS)]
    assert file["responses"].shape == (len(TRAIN) * CLIPS, 2, len(vertices))
    assert file.metadata["vertex_hash"] == hash_vertices(vertices)
    assert file.metadata["subject"] == "subject1"
    table = read_table(gathered.selection)
    assert vertices.tolist() == table.loc[table["selected"], "grayordinate"].tolist()
    for repeat in (1, 2):
        expected = TensorFile(gathered.run("seg10", repeat))["responses"][:, vertices]
        rows = file.rows("responses", [f"seg10:{index}" for index in range(CLIPS)])
        np.testing.assert_array_equal(rows[:, repeat - 1], expected)


def test_test_responses_are_means_over_the_repeats_there_are(gathered: Study) -> None:
    file = TensorFile(gathered.folder / "test.safetensors")
    vertices = np.asarray(file["vertex"])
    assert np.asarray(file["n_repeats"]).tolist() == [4] * CLIPS + [2] * CLIPS
    runs = [TensorFile(gathered.run("test1", repeat))["responses"][:, vertices] for repeat in (1, 2, 3, 4)]
    ids = [f"test1:{index}" for index in range(CLIPS)]
    np.testing.assert_allclose(file.rows("responses", ids), np.mean(runs, axis=0), atol=1e-6)
    halves = np.stack([np.mean(runs[0::2], axis=0), np.mean(runs[1::2], axis=0)], axis=1)
    np.testing.assert_allclose(file.rows("halves", ids), halves, atol=1e-6)


def test_a_single_test_repeat_has_no_halves_and_says_so(
    study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", "neurons"):
        gather_test(study, tmp_path, runs=[study.run("test2", 1)])
    file = TensorFile(tmp_path / "test.safetensors")
    expected = TensorFile(study.run("test2", 1))["responses"][:, np.asarray(file["vertex"])]
    np.testing.assert_array_equal(file["responses"], expected)
    assert not np.asarray(file["halves"]).any() and set(np.asarray(file["n_repeats"])) == {1}
    assert any("test movies with one repeat" in message and "test2" in message for message in caplog.messages)


def test_the_order_of_the_files_does_not_matter(gathered: Study, tmp_path: Path) -> None:
    gather_train(gathered, tmp_path, runs=gathered.train[::-1])
    gather_test(gathered, tmp_path, runs=gathered.test[::-1], train_runs=gathered.train[::-1])
    for name in ("train", "test"):
        files = [TensorFile(folder / f"{name}.safetensors") for folder in (gathered.folder, tmp_path)]
        assert files[0].metadata["content_hash"] == files[1].metadata["content_hash"]


def test_test_runs_cannot_take_part_in_training_or_selection(gathered: Study, tmp_path: Path) -> None:
    study = gathered
    mixed = tmp_path / "mixed.parquet"
    runs = [*gathered.train, *gathered.test[:2]]
    study.select(runs, mixed, correction="fdr")
    with pytest.raises(InputError, match="vertices were selected with run test1_1"):
        gather_train(gathered, tmp_path, selection=mixed)
    with pytest.raises(InputError, match="vertices were selected with run test1_1"):
        gather_test(gathered, tmp_path, selection=mixed)
    with pytest.raises(InputError, match="movie seg1 is in both splits"):
        gather_test(gathered, tmp_path, runs=[*gathered.test, gathered.run("seg1", 1)])
    with pytest.raises(InputError, match="selected without training run test2_1"):
        gather_train(gathered, tmp_path, runs=[*gathered.train, *gathered.test[4:]])
    copied = tmp_path / "copied.safetensors"
    of_training = TensorFile(gathered.run("seg1", 1)).metadata["source"]
    run = TensorFile(gathered.run("test2", 1))
    tensors = {name: np.asarray(run[name]) for name in ("responses", "valid", "tsnr")}
    facts = {name: run.metadata[name] for name in ("subject", "movie", "repeat", "space")}
    write_tensors(
        copied, tensors, provenance("preprocess run", {}), run.clip_ids, source=of_training, **facts
    )
    with pytest.raises(InputError, match="test run test2_1 was made of the same file as training run seg1_1"):
        gather_test(gathered, tmp_path, runs=[copied])
    assert not (tmp_path / "test.safetensors").exists() and not (tmp_path / "train.safetensors").exists()


def test_training_runs_are_judged_without_test_runs(study: Study) -> None:
    tables = {split: read_table(study.folder / f"alignment_{split}.tsv") for split in SPLITS}
    assert {split: set(table["split"]) for split, table in tables.items()} == {
        split: {split} for split in SPLITS
    }
    assert tables["train"]["movie"].tolist().count("all") == 1 and "all" not in set(tables["test"]["movie"])
    assert set(tables["train"]["best_movie"].dropna()) <= set(TRAIN)
    assert set(tables["test"]["best_movie"]) & set(TRAIN), "noise that fits a training movie best is seen to"


def test_training_movies_with_fewer_repeats_use_theirs_again(
    study: Study, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = study.train[:2] + study.train[4:5] + [study.run("test1", repeat) for repeat in (1, 2, 4)]
    selection = tmp_path / "s.parquet"
    with caplog.at_level("WARNING", "neurons"):
        study.select(runs, selection, correction="fdr", alpha=0.5, fallback_top=100)
        gather_train(study, tmp_path, runs=runs, selection=selection)
    file = TensorFile(tmp_path / "train.safetensors")
    vertices = np.asarray(file["vertex"])
    assert np.asarray(file["n_repeats"]).tolist() == [2] * CLIPS + [1] * CLIPS + [3] * CLIPS
    for movie, repeats in (("seg1", (1, 2, 1)), ("seg3", (1, 1, 1)), ("test1", (1, 2, 4))):
        rows = file.rows("responses", [f"{movie}:{index}" for index in range(CLIPS)])
        for place, repeat in enumerate(repeats):
            own = TensorFile(study.run(movie, repeat))["responses"][:, vertices]
            np.testing.assert_array_equal(rows[:, place], own)
    text = "\n".join(caplog.messages)
    assert "one run have no part in the selection: seg3" in text and "seg1 (2), seg3 (1)" in text


def test_a_run_out_of_step_stops_the_work_unless_it_is_accepted(study: Study, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"subject1/test1/3: agrees best with the other repeats \+3 clips \(\+6 s\)"
    ):
        gather_test(study, tmp_path, action="stop")
    assert not list(tmp_path.iterdir())
    gather_train(study, tmp_path, action="stop")


@pytest.mark.parametrize("areas", [["V1"], ["L_V1", "R_V2"]])
def test_vertices_of_named_areas(study: Study, tmp_path: Path, areas: list[str]) -> None:
    study.select(study.train, tmp_path / "s.parquet", by="areas", areas=areas)
    names = [f"{side}_{area}" for area in areas for side in "LR"] if areas == ["V1"] else areas
    wanted = np.isin(atlas.areas(), names)
    assert (read_table(tmp_path / "s.parquet")["selected"] == wanted).all()
    with pytest.raises(InputError, match=r"unknown areas \['V9'\].*Available: .*L_V1"):
        study.select(study.train, tmp_path / "s.parquet", by="areas", areas=["V1", "V9"])


def test_quality_finds_the_late_run_and_its_lag_and_no_other(judged: Study) -> None:
    table = read_table(judged.folder / "quality.tsv")
    runs = table[table["kind"] == "run"]
    assert len(runs) == 18 and (table["kind"] == "movie").sum() == 8
    flagged = runs[runs["flag"].notna()]
    assert flagged[["movie", "repeat", "lag_clips"]].to_numpy().tolist() == [["test1", 3, LATE]]
    others = runs.drop(index=flagged.index)
    assert (others["lag_clips"] == 0).all()
    assert set(runs.loc[runs["split"] == "train", "movie"]) == set(TRAIN)
    assert (others["r_top1000"] > 0.4).all() and (others["r_cortex"].abs() < 0.1).all()


def test_quality_summary(judged: Study, responsive: np.ndarray) -> None:
    summary = read_json(judged.folder / "quality.json")
    assert summary["constant_vertices"] == 1
    assert [(row["movie"], row["repeat"]) for row in summary["flagged"]] == [("test1", 3)]
    assert {row["area"] for row in summary["areas"][:2]} == {"L_V1", "R_V1"}
    assert summary["median_r"]["primary"] > 0.6 > 0.1 > abs(summary["median_r"]["not_visual"])
    assert summary["selected_vertices"] == sum(read_table(judged.selection)["selected"])
    assert "NaN" not in json.dumps(summary)


def test_quality_by_area(judged: Study) -> None:
    areas = read_table(judged.folder / "areas.tsv").set_index("area")
    assert len(areas) == 360 and set(areas.index[:2]) == {"L_V1", "R_V1"}
    assert areas["vertices"].sum() == atlas.CORTEX and areas.loc["L_V1", "median_r"] > 0.6
    assert areas["selected"].sum() == read_table(judged.selection)["selected"].sum()


def test_same_inputs_same_bytes(judged: Study, tmp_path: Path) -> None:
    judge(judged, tmp_path)
    judged.select(judged.train, tmp_path / "selection.parquet", correction="fdr")
    align(judged, tmp_path)
    for name in (
        "quality.tsv",
        "areas.tsv",
        "quality.json",
        "quality.png",
        "selection.parquet",
        "alignment_train.tsv",
        "alignment_test.tsv",
    ):
        assert (tmp_path / name).read_bytes() == (judged.folder / name).read_bytes(), name
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")
