"""The steps that ask what scores mean, from files to tables: break-down, ceiling, comparison, alarms."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import (
    InputError,
    TensorFile,
    clip_id,
    gather,
    provenance,
    read_table,
    write_table,
    write_tensors,
)
from neurons.evaluate import analysis_steps
from neurons.evaluate.alarms import ALARMS
from neurons.evaluate.analysis_steps import EVERYBODY
from neurons.evaluate.breakdown import LEVELS
from neurons.evaluate.comparisons import COMPARED
from neurons.evaluate.measures import COLUMNS
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.table import KEYS, score_frame
from tests.evaluate.conftest import CLIPS, TAGS, TEST, TRAIN, WITH_CUT, Study

IDS = [clip_id(movie, index) for movie in TEST for index in range(CLIPS)]
SETTINGS = Evaluate(bootstrap=50, permutations=99, block_clips=2, retrieval_pool=5)
TIME_S = [(i + 0.5) / 8 for i in range(16)]
SHOWN = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5]


def facts_of(path: Path) -> dict[str, Any]:
    """Provenance in the first line of a TSV table."""
    return json.loads(path.read_text().splitlines()[0].removeprefix("# "))


# Break-down


def scored_clips(path: Path, **columns: Iterable[float]) -> Path:
    write_table(path, pd.DataFrame({"clip": IDS, **columns}), {})
    return path


def break_down(study: Study, folder: Path, clips: Path, **given: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables of kinds and of concepts."""
    arguments: dict[str, Any] = {
        "clips": clips,
        "labels": study.movies("annotate", "labels.safetensors", TEST),
        "annotation": study.movies("annotate", "annotation.parquet", TEST),
        "clip_tables": study.movies("cut", "clips.tsv", TEST),
        "settings": SETTINGS,
        "kinds": folder / "kinds.tsv",
        "concepts": folder / "concepts.tsv",
    }
    analysis_steps.breakdown(**(arguments | given))
    return read_table(folder / "kinds.tsv"), read_table(folder / "concepts.tsv")


def test_breakdown_sets_kinds_of_clips_side_by_side(study: Study, tmp_path: Path) -> None:
    with_cut = np.array([index in WITH_CUT for _ in TEST for index in range(CLIPS)])
    clips = scored_clips(tmp_path / "clips.parquet", psnr=np.where(with_cut, 5.0, 9.0), dice=np.arange(20.0))
    kinds, concepts = break_down(study, tmp_path, clips)
    assert list(kinds.columns) == LEVELS
    rows = kinds.set_index(["factor", "level", "metric"])
    inside = rows.loc[("scene cut", "inside", "psnr")]
    assert inside[["n", "value", "low", "high", "others"]].tolist() == [4, 5, 5, 5, 9]
    tags = pd.concat(
        [read_table(path) for path in study.movies("annotate", "annotation.parquet", TEST)], ignore_index=True
    )["key_tag"]
    for kind, tag in enumerate(TAGS):
        mean = np.flatnonzero(tags == tag).mean()
        assert rows.loc[("key object", tag, "dice"), "value"] == pytest.approx(mean)
        assert rows.loc[("concept", CONCEPTS[kind], "dice"), "value"] == pytest.approx(mean)
    # 6 x 6 of 16 x 16 px are 14 % of each frame; every clip has one tag.
    assert rows.loc[("key object", "3 to 15 %", "dice"), "n"] == 20
    assert rows.loc[("things tagged", "1", "dice"), "n"] == 20
    assert len(concepts) == 0
    assert list(concepts.columns) == ["concept", *COLUMNS]


def test_breakdown_joins_by_clip_whatever_the_order_of_files(study: Study, tmp_path: Path) -> None:
    clips = scored_clips(tmp_path / "clips.parquet", psnr=np.random.default_rng(0).random(20))
    expected, _ = break_down(study, tmp_path, clips)
    backwards = {
        name: study.movies(stage, file, TEST[::-1])
        for name, stage, file in (
            ("labels", "annotate", "labels.safetensors"),
            ("annotation", "annotate", "annotation.parquet"),
            ("clip_tables", "cut", "clips.tsv"),
        )
    }
    found, _ = break_down(study, tmp_path, clips, **backwards)
    pd.testing.assert_frame_equal(found, expected)


def test_breakdown_of_decoded_concepts_has_a_row_for_each_concept_and_figure(
    study: Study, tmp_path: Path
) -> None:
    clips = scored_clips(tmp_path / "clips.parquet", psnr=np.arange(20.0))
    truth, _ = gather(study.movies("annotate", "labels.safetensors", TEST), "concepts", IDS)
    order = np.random.default_rng(1).permutation(20)
    decoded = tmp_path / "decoded.safetensors"
    mixed = [IDS[i] for i in order]
    write_tensors(decoded, {"concepts": truth[order].astype(np.float16)}, {}, mixed)
    _, concepts = break_down(study, tmp_path, clips, decoded=decoded)
    assert len(concepts) == 4 * len(CONCEPTS)
    average = concepts[concepts["metric"] == "concept_ap"].set_index("concept")
    assert average["n"].tolist() == truth.sum(0).tolist()
    known = average[average["n"] > 0]
    assert len(known) == len(TAGS)
    assert (known["value"] == 1).all()
    np.testing.assert_allclose(known["chance"], known["n"] / 20)
    assert average.loc[average["n"] == 0, "value"].isna().all()


def test_breakdown_says_what_it_read(study: Study, tmp_path: Path) -> None:
    clips = scored_clips(tmp_path / "clips.parquet", psnr=np.arange(20.0))
    labels = study.movies("annotate", "labels.safetensors", TEST)
    truth, _ = gather(labels, "concepts", IDS)
    decoded = tmp_path / "decoded.safetensors"
    write_tensors(decoded, {"concepts": truth.astype(np.float16)}, {}, IDS)
    break_down(study, tmp_path, clips, decoded=decoded)
    facts = facts_of(tmp_path / "concepts.tsv")
    assert facts["step"] == "evaluate breakdown"
    assert facts["inputs"]["labels"] == {
        f"{movie}/labels.safetensors": TensorFile(path).metadata["content_hash"]
        for movie, path in zip(TEST, labels, strict=True)
    }
    assert facts["parameters"]["block_clips"] == SETTINGS.block_clips
    assert facts["parameters"]["concept_threshold"] == SETTINGS.concept_threshold
    assert facts["inputs"]["decoded"] == {"decoded.safetensors": TensorFile(decoded).metadata["content_hash"]}


def test_breakdown_refuses_what_does_not_fit(study: Study, tmp_path: Path) -> None:
    clips = scored_clips(tmp_path / "clips.parquet", psnr=np.arange(20.0))
    with pytest.raises(InputError, match=r"annotation.parquet lacks 10 of 20 clips: test2:0"):
        break_down(
            study, tmp_path, clips, annotation=study.movies("annotate", "annotation.parquet", TEST[:1])
        )
    with pytest.raises(InputError, match=r"test1/annotation.parquet lacks the columns \['scene_cuts'\]"):
        break_down(study, tmp_path, clips, clip_tables=study.movies("annotate", "annotation.parquet", TEST))
    nameless = tmp_path / "nameless.parquet"
    write_table(nameless, pd.DataFrame({"psnr": np.arange(20.0)}), {})
    with pytest.raises(InputError, match=r"nameless.parquet lacks the columns \['clip'\]"):
        break_down(study, tmp_path, nameless)


def test_breakdown_refuses_another_number_of_concepts(study: Study, tmp_path: Path) -> None:
    clips = scored_clips(tmp_path / "clips.parquet", psnr=np.arange(20.0))
    decoded = tmp_path / "decoded.safetensors"
    write_tensors(decoded, {"concepts": np.zeros((20, 50), np.float16)}, {}, IDS)
    with pytest.raises(InputError, match=r"decoded.safetensors.*50"):
        break_down(study, tmp_path, clips, decoded=decoded)


# Ceiling

VERTICES = 60
CHOSEN = np.arange(VERTICES) < 40


def write_run(
    folder: Path, movie: str, repeat: int, responses: np.ndarray, subject: str = "subject1"
) -> Path:
    """A preprocessed run, as `preprocess run` writes it."""
    path = folder / f"{subject}_{movie}_{repeat}.safetensors"
    bold = folder / "bold" / path.stem
    bold.parent.mkdir(exist_ok=True)
    bold.write_text(path.stem)
    write_tensors(
        path,
        {"responses": responses.astype(np.float32), "valid": np.full(VERTICES, True)},
        provenance("preprocess run", {"bold": bold}),
        [clip_id(movie, index) for index in range(len(responses))],
        subject=subject,
        movie=movie,
        repeat=repeat,
        source=path.stem,
    )
    return path


def write_runs(folder: Path, repeats: Sequence[int], noise_sd: float) -> list[Path]:
    """Runs of the test movies: the same signal in each repeat, noise, and vertices that nobody selected."""
    generator = np.random.default_rng(0)
    runs = []
    for movie, count in zip(TEST, repeats, strict=True):
        signal = generator.normal(size=(CLIPS, VERTICES))
        for repeat in range(1, count + 1):
            noise = generator.normal(size=(CLIPS, VERTICES))
            responses = np.where(CHOSEN, signal + noise_sd * noise, 100 * noise)
            runs.append(write_run(folder, movie, repeat, responses))
    return runs


def write_selection(folder: Path, chosen: np.ndarray = CHOSEN) -> Path:
    path = folder / "selection.parquet"
    write_table(path, pd.DataFrame({"grayordinate": np.arange(len(chosen)), "selected": chosen}), {})
    return path


def run_ceiling(folder: Path, runs: list[Path], selection: Path | None = None) -> pd.DataFrame:
    output = folder / "scores.tsv"
    analysis_steps.ceiling(
        subject="subject1",
        runs=runs,
        selection=selection or write_selection(folder),
        settings=SETTINGS,
        scores=output,
    )
    return read_table(output).set_index("metric")


def test_ceiling_of_noiseless_repeats_is_1_in_the_selected_vertices(tmp_path: Path) -> None:
    table = run_ceiling(tmp_path, write_runs(tmp_path, (4, 4), 0.0))
    assert table.index.tolist() == ["ceiling_r", "ceiling_2way", "ceiling_top1_of5"]
    np.testing.assert_allclose(table["value"], 1, atol=1e-6)
    assert table["variant"].unique().tolist() == ["ceiling"]
    assert table["subject"].unique().tolist() == ["subject1"]
    assert table["protocol"].unique().tolist() == ["strict"]
    assert (table["n"] == 20).all()
    everything = write_selection(tmp_path, np.full(VERTICES, True))
    noisy = run_ceiling(tmp_path, write_runs(tmp_path, (4, 4), 0.0), everything)
    assert noisy.loc["ceiling_r", "value"] < 0.5


def test_ceiling_table_is_laid_out_like_scores(tmp_path: Path) -> None:
    run_ceiling(tmp_path, write_runs(tmp_path, (2, 2), 1.0))
    assert list(read_table(tmp_path / "scores.tsv").columns) == [*KEYS, *COLUMNS]
    runs = facts_of(tmp_path / "scores.tsv")["inputs"]["runs"]
    assert set(runs) == {f"subject1_{movie}_{repeat}.safetensors" for movie in TEST for repeat in (1, 2)}


def test_ceiling_does_not_depend_on_the_order_of_runs(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, (4, 4), 2.0)
    expected = run_ceiling(tmp_path, runs)
    assert 0.2 < expected.loc["ceiling_r", "value"] < 0.8
    pd.testing.assert_frame_equal(run_ceiling(tmp_path, runs[::-1]), expected)


def test_ceiling_of_one_repeat_is_undefined(tmp_path: Path) -> None:
    table = run_ceiling(tmp_path, write_runs(tmp_path, (1, 1), 0.0))
    assert table[["value", "low", "high", "p"]].isna().to_numpy().all()
    assert (table["n"] == 0).all()


def test_ceiling_takes_as_many_repeats_of_each_movie_as_the_fewest(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, (3, 2), 2.0)
    table = run_ceiling(tmp_path, runs)
    pd.testing.assert_frame_equal(
        table, run_ceiling(tmp_path, [path for path in runs if "_3" not in path.stem])
    )


def test_ceiling_refuses_runs_of_somebody_else_and_tables_without_a_selection(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, (2, 2), 0.0)
    foreign = write_run(tmp_path, "test1", 3, np.ones((CLIPS, VERTICES)), "subject2")
    with pytest.raises(InputError, match=r"subject2_test1_3.safetensors is of 'subject2'"):
        run_ceiling(tmp_path, [*runs, foreign])
    wrong = tmp_path / "wrong.parquet"
    write_table(wrong, pd.DataFrame({"grayordinate": np.arange(VERTICES)}), {})
    with pytest.raises(InputError, match=r"wrong.parquet lacks the columns \['selected'\]"):
        run_ceiling(tmp_path, runs, wrong)


def test_ceiling_refuses_a_selection_of_other_vertices(tmp_path: Path) -> None:
    runs = write_runs(tmp_path, (2, 2), 0.0)
    with pytest.raises(InputError, match=r"selection.parquet.*59"):
        run_ceiling(tmp_path, runs, write_selection(tmp_path, CHOSEN[:-1]))


# Comparison


def run_compare(folder: Path, tables: dict[str, Path]) -> pd.DataFrame:
    output = folder / "comparisons.tsv"
    analysis_steps.compare(rows=list(tables), clips=list(tables.values()), settings=SETTINGS, output=output)
    return read_table(output)


def two_by_two(folder: Path) -> dict[str, Path]:
    """Scores of two variants for two subjects; ours is better by 1 for subject1 and by 3 for subject2."""
    noise = np.random.default_rng(0).normal(size=20)
    shifts = {"ours/subject1": 1.0, "ours/subject2": 3.0, "paper/subject1": 0.0, "paper/subject2": 0.0}
    return {
        name: scored_clips(folder / f"{name.replace('/', '_')}.parquet", psnr=noise + shift, flow_epe=noise)
        for name, shift in shifts.items()
    }


def test_variants_are_compared_for_each_subject_and_for_their_mean(tmp_path: Path) -> None:
    table = run_compare(tmp_path, two_by_two(tmp_path))
    assert list(table.columns) == COMPARED
    assert table["metric"].unique().tolist() == ["psnr"]
    assert table["subject"].tolist() == ["subject1", "subject2", EVERYBODY]
    np.testing.assert_allclose(table[["difference", "low", "high"]], [[1] * 3, [3] * 3, [2] * 3])
    assert table["better"].unique().tolist() == ["ours"]
    assert (table["p"] < 0.05).all()


def test_variants_that_not_all_subjects_have_are_left_out_of_the_mean(tmp_path: Path) -> None:
    tables = two_by_two(tmp_path)
    tables["extra/subject2"] = scored_clips(tmp_path / "extra.parquet", psnr=np.zeros(20))
    found = run_compare(tmp_path, tables)
    pairs = found.groupby("subject")[["variant", "other"]].apply(lambda rows: rows.to_numpy().tolist())
    assert pairs["subject1"] == pairs[EVERYBODY] == [["ours", "paper"]]
    assert len(pairs["subject2"]) == 3


def test_one_subject_has_no_mean_and_one_variant_no_comparison(tmp_path: Path) -> None:
    tables = {name: path for name, path in two_by_two(tmp_path).items() if name.endswith("subject1")}
    assert run_compare(tmp_path, tables)["subject"].tolist() == ["subject1"]
    alone = run_compare(tmp_path, {"ours/subject1": tables["ours/subject1"]})
    assert alone.empty
    assert list(alone.columns) == COMPARED


def test_compare_keeps_the_hashes_of_equally_named_files(tmp_path: Path) -> None:
    tables = {}
    for name, path in two_by_two(tmp_path).items():
        tables[name] = tmp_path / name / "clips.parquet"
        tables[name].parent.mkdir(parents=True)
        path.rename(tables[name])
    run_compare(tmp_path, tables)
    assert set(facts_of(tmp_path / "comparisons.tsv")["inputs"]["clips"]) == {
        f"{name}/clips.parquet" for name in tables
    }


@pytest.mark.parametrize("shorter", ["ours/subject1", "paper/subject1"])
def test_compare_refuses_scores_of_fewer_clips(tmp_path: Path, shorter: str) -> None:
    tables = {name: path for name, path in two_by_two(tmp_path).items() if name.endswith("subject1")}
    write_table(tables[shorter], read_table(tables[shorter]).drop(index=13), {})
    with pytest.raises(InputError, match="test2:3"):
        run_compare(tmp_path, tables)


def test_compare_names_a_table_without_clips(tmp_path: Path) -> None:
    tables = two_by_two(tmp_path)
    write_table(tables["paper/subject2"], pd.DataFrame({"psnr": [1.0]}), {})
    with pytest.raises(InputError, match=r"paper_subject2.parquet lacks the columns \['clip'\]"):
        run_compare(tmp_path, tables)


# Alarms

ALL = {
    "test clip in training", "clips across cuts", "test data in training", "prediction equals truth",
    "identical predictions", "score above ceiling",
}  # fmt: skip


class Case:
    """A study in which nothing is wrong, and faults to plant into it."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        self.truth, _ = gather(study.movies("cut", "frames.safetensors", TEST), "frames", IDS)
        self.videos = {
            "ours/subject1": self.write_videos("ours", self.noise(1)),
            "paper/subject1": self.write_videos("paper", self.noise(2)),
            "oracle/truth": self.write_videos("oracle", self.noise(3)),
        }
        self.train_frames = study.movies("cut", "frames.safetensors", TRAIN)
        self.test_files = [
            *study.movies("annotate", "labels.safetensors", TEST),
            *study.movies("annotate", "annotation.parquet", TEST),
        ]
        labels = study.movies("annotate", "labels.safetensors", TRAIN)
        annotation = study.movies("annotate", "annotation.parquet", TRAIN)
        self.models = [
            self.write_model("pretrain", {"labels": labels}),
            self.write_model("decouple", {"labels": labels, "annotation": annotation}),
        ]
        self.trained_from = [self.write_model("train", {"runs": labels[:1]})]
        self.scores = {
            ("oracle", "truth"): (10.0, 12.0),
            ("ours", "subject1"): (8.0, 12.5),
            ("paper", "subject1"): (5.0, 6.0),
        }

    def noise(self, seed: int) -> np.ndarray:
        shape = self.truth.shape
        fields = np.random.default_rng(seed).integers(0, 255, (*shape[:2], 4, 4, 3), dtype=np.uint8)
        return fields.repeat(shape[2] // 4, axis=2).repeat(shape[3] // 4, axis=3)

    def write_videos(self, name: str, frames: np.ndarray) -> Path:
        path = self.folder / f"{name}.safetensors"
        write_tensors(path, {"frames": frames[:, SHOWN]}, {}, IDS, frame_time_s=TIME_S)
        return path

    def write_model(self, name: str, inputs: dict[str, Path | Sequence[Path]]) -> Path:
        path = self.folder / f"{name}_model.safetensors"
        write_tensors(path, {"weight": np.ones(1)}, provenance(f"{name} fit", inputs))
        return path

    def run(self) -> pd.DataFrame:
        frames = [
            score_frame(
                [
                    {"metric": "psnr", "low": low, "high": high, "higher_is_better": True},
                    {"metric": "psnr_capped", "low": low, "high": 99.0, "higher_is_better": None},
                    {"metric": "flow_epe", "low": low, "high": high, "higher_is_better": False},
                ],
                *keys,
            )
            for keys, (low, high) in self.scores.items()
        ]
        scores = self.folder / "scores.tsv"
        write_table(scores, pd.concat(frames), {})
        output = self.folder / "alarms.tsv"
        analysis_steps.alarms(
            rows=list(self.videos),
            videos=list(self.videos.values()),
            scores=scores,
            frames=self.study.movies("cut", "frames.safetensors", TEST),
            train_frames=self.train_frames,
            clip_tables=self.study.movies("cut", "clips.tsv", TEST),
            models=self.models,
            trained_from=self.trained_from,
            test_files=self.test_files,
            output=output,
        )
        return read_table(output)


@pytest.fixture
def case(study: Study, tmp_path: Path) -> Case:
    return Case(study, tmp_path)


def raised(table: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    rows = table[table["raised"]]
    columns = (rows[name].fillna("") for name in ("alarm", "variant", "subject", "clips"))
    return list(zip(*columns, strict=True))


def test_nothing_is_raised_where_nothing_is_wrong_and_every_check_is_listed(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", "neurons"):
        table = case.run()
    assert list(table.columns) == ALARMS
    assert raised(table) == []
    assert caplog.messages == []
    assert set(table["alarm"]) == ALL
    rows = table.groupby("alarm").apply(lambda own: sorted(zip(own["variant"], own["subject"], strict=True)))
    predicted = [("oracle", "truth"), ("ours", "subject1"), ("paper", "subject1")]
    assert rows["prediction equals truth"] == rows["identical predictions"] == predicted
    assert rows["score above ceiling"] == predicted[1:]
    for alarm in ("test clip in training", "clips across cuts", "test data in training"):
        assert rows[alarm] == [("any", "any")]


def test_alarms_say_what_they_read(case: Case) -> None:
    case.run()
    read = facts_of(case.folder / "alarms.tsv")["inputs"]
    assert read["train_frames"].keys() == {f"{movie}/frames.safetensors" for movie in TRAIN}
    assert read["models"].keys() == {path.name for path in case.models}
    assert read["trained_from"].keys() == {path.name for path in case.trained_from}
    assert len(read["test_files"]) == len(case.test_files)
    assert read["clip_tables"].keys() == {f"{movie}/clips.tsv" for movie in TEST}


def test_clips_across_cuts_are_counted(case: Case) -> None:
    row = case.run().set_index("alarm").loc["clips across cuts"]
    assert (row["raised"], row["count"], row["of"]) == (False, 4, 20)
    assert row["clips"] == "test1:2, test1:7, test2:2, test2:7"


def test_copies_of_the_truth_are_an_alarm_of_that_variant(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    frames = case.noise(1)
    frames[[3, 12]] = case.truth[[3, 12]]
    case.videos["ours/subject1"] = case.write_videos("ours", frames)
    with caplog.at_level("WARNING", "neurons"):
        table = case.run()
    assert raised(table) == [("prediction equals truth", "ours", "subject1", "test1:3, test2:2")]
    assert len(caplog.messages) == 1
    assert "ours, subject1: prediction equals truth: 2 of 20" in caplog.messages[0]


def test_one_prediction_for_all_is_an_alarm_of_that_variant(case: Case) -> None:
    same = np.broadcast_to(case.noise(1)[:1], case.truth.shape)
    case.videos["paper/subject1"] = case.write_videos("paper", same)
    table = case.run()
    assert [row[:3] for row in raised(table)] == [("identical predictions", "paper", "subject1")]
    row = table[table["raised"]].iloc[0]
    assert (row["count"], row["of"]) == (20, 20)


def test_a_test_clip_nearly_in_training_is_an_alarm(case: Case) -> None:
    source = TensorFile(case.train_frames[1])
    frames = np.array(source["frames"])
    noise = np.random.default_rng(5).integers(-1, 2, frames[4].shape)
    frames[4] = np.clip(case.truth[15].astype(int) + noise, 0, 255)
    changed = case.folder / "changed.safetensors"
    write_tensors(changed, {"frames": frames, "time_s": np.array(source["time_s"])}, {}, source.clip_ids)
    case.train_frames[1] = changed
    assert raised(case.run()) == [("test clip in training", "any", "any", "test2:5 = seg2:4")]


def test_a_test_movie_among_the_training_movies_is_an_alarm(case: Case) -> None:
    case.train_frames.append(case.study.movies("cut", "frames.safetensors", TEST[1:])[0])
    found = raised(case.run())
    assert [row[0] for row in found] == ["test clip in training"]
    assert "test2:0" in found[0][3]


def test_a_score_above_the_oracle_is_an_alarm(case: Case) -> None:
    case.scores["paper", "subject1"] = (12.1, 15.0)
    assert raised(case.run()) == [("score above ceiling", "paper", "subject1", "psnr")]


def test_without_an_oracle_there_is_no_check_against_it(case: Case) -> None:
    del case.scores["oracle", "truth"]
    case.scores["ours", "subject1"] = (100.0, 101.0)
    table = case.run()
    assert raised(table) == []
    assert set(table["alarm"]) == ALL - {"score above ceiling"}


@pytest.mark.parametrize("name", ["labels.safetensors", "annotation.parquet"])
def test_a_model_that_read_a_test_file_under_another_name_is_an_alarm(case: Case, name: str) -> None:
    source = case.study.movies("annotate", name, TEST)[1]
    hidden = case.folder / "innocent" / f"seg1{source.suffix}"
    hidden.parent.mkdir()
    hidden.write_bytes(source.read_bytes())
    training = case.study.movies("annotate", name, TRAIN)
    case.models[1] = case.write_model("decouple", {"read": [*training, hidden]})
    assert raised(case.run()) == [("test data in training", "any", "any", str(source))]


def test_responses_made_of_a_test_file_are_an_alarm(case: Case) -> None:
    source = case.study.movies("annotate", "labels.safetensors", TEST)[0]
    case.trained_from = [case.write_model("train", {"runs": [source], "selection": []})]
    assert raised(case.run()) == [("test data in training", "any", "any", str(source))]


def test_alarms_refuse_videos_of_other_clips(case: Case) -> None:
    path = case.folder / "ours.safetensors"
    write_tensors(path, {"frames": case.noise(1)[:-1, SHOWN]}, {}, IDS[:-1], frame_time_s=TIME_S)
    with pytest.raises(InputError, match=r"ours.safetensors lacks 1 of 20 clips: test2:9"):
        case.run()


def test_alarms_name_a_model_that_does_not_say_what_it_was_made_from(case: Case) -> None:
    foreign = case.folder / "foreign.safetensors"
    write_tensors(foreign, {"weight": np.ones(1)}, {})
    case.models.append(foreign)
    with pytest.raises(InputError, match=r"foreign.safetensors"):
        case.run()
