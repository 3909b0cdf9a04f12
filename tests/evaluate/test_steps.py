"""The steps, from files to the table of all scores."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import InputError, TensorFile, gather, read_table, write_table, write_tensors
from neurons.evaluate import analysis_steps, feature_steps, reference_steps, steps
from neurons.evaluate.measures import BY_CLIP, COLUMNS
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.table import KEYS
from tests.evaluate.conftest import TAGS, TEST, TRAIN, Study

TIME_S = [(i + 0.5) / 8 for i in range(16)]
SHOWN = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5, 5]
"""Cut frame that is shown by each of the 16 video frames."""


@pytest.fixture(scope="module")
def truth(study: Study) -> Path:
    output = study.folder / "truth.safetensors"
    feature_steps.truth(
        frames=study.movies("cut", "frames.safetensors", TEST), settings=study.settings, output=output
    )
    return output


def true_videos(study: Study, path: Path, order: slice = slice(None)) -> Path:
    """The truth as a prediction."""
    frames, ids = gather(study.movies("cut", "frames.safetensors", TEST), "frames")
    write_tensors(path, {"frames": frames[order][:, SHOWN]}, {}, ids[order], frame_time_s=TIME_S)
    return path


def true_tasks(study: Study, folder: Path, order: slice = slice(None)) -> tuple[Path, Path]:
    """The annotation as decoded tasks."""
    labels = study.movies("annotate", "labels.safetensors", TEST)
    (mask, ids), (concepts, _) = (gather(labels, name) for name in ("key_mask", "concepts"))
    arrays = {"mask": mask[order].astype(np.float16), "concepts": concepts[order].astype(np.float16)}
    write_tensors(folder / "decoded.safetensors", arrays, {}, ids[order])
    table = pd.concat([read_table(path) for path in study.movies("annotate", "annotation.parquet", TEST)])
    write_table(folder / "decoded.tsv", table[["clip", "caption"]].iloc[order], {})
    return folder / "decoded.safetensors", folder / "decoded.tsv"


def score(
    study: Study, truth: Path, videos: Path, folder: Path, tasks: tuple[Path, Path] | None
) -> pd.DataFrame:
    """Features and scores of predicted videos, by metric."""
    frames = study.movies("cut", "frames.safetensors", TEST)
    features = folder / "features.safetensors"
    feature_steps.features(videos=videos, frames=frames, settings=study.settings, output=features)
    return score_features(study, truth, videos, folder, tasks, folder, study.settings)


def score_features(
    study: Study,
    truth: Path,
    videos: Path,
    features: Path,
    tasks: tuple[Path, Path] | None,
    folder: Path,
    settings: Evaluate,
) -> pd.DataFrame:
    """Scores of predicted videos, by metric, from the features in the folder `features`."""
    steps.scores(
        variant="ours",
        subject="subject1",
        features=features / "features.safetensors",
        truth=truth,
        videos=videos,
        frames=study.movies("cut", "frames.safetensors", TEST),
        labels=study.movies("annotate", "labels.safetensors", TEST),
        annotation=study.movies("annotate", "annotation.parquet", TEST),
        train_labels=study.movies("annotate", "labels.safetensors", TRAIN),
        decoded=tasks[0] if tasks else None,
        table=tasks[1] if tasks else None,
        settings=settings,
        scores=folder / "scores.tsv",
        clips=folder / "clips.parquet",
    )
    return read_table(folder / "scores.tsv").set_index("metric")


@pytest.fixture(scope="module")
def perfect(study: Study, truth: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, Path]:
    folder = tmp_path_factory.mktemp("perfect")
    videos = true_videos(study, folder / "videos.safetensors")
    return score(study, truth, videos, folder, true_tasks(study, folder)), folder


def test_truth_as_prediction_is_perfect(perfect: tuple[pd.DataFrame, Path]) -> None:
    table, folder = perfect
    ones = "video_2way_gt1 video_50way_gt1 frame_2way_gt1 frame_50way_gt1 clip_truth ssim_gray2d dice iou concept_map"
    ones += " video_50way_gt3 frame_50way_gt3 clip_2way hue_circular hue_cosine ssim_columns ssim_rgb7 ssim_gray425"
    ones += " concept_f1_micro concept_f1_macro caption_bleu4 caption_verb caption_object caption_subject"
    assert table.loc[ones.split(), "value"].to_numpy(float) == pytest.approx(1.0, abs=1e-6)
    assert table.loc["frechet_video", "value"] == pytest.approx(0, abs=1e-6)
    assert table.loc["psnr", "value"] == 100
    assert table.loc["psnr_capped", "value"] == table.loc["psnr_capped", "n"] == 20 * 6
    assert table.loc["clip_adjacent", "value"] == pytest.approx(table.loc["clip_adjacent_truth", "value"])
    assert (table.loc[["ssim_gray2d", "psnr", "dice", "concept_map", "caption_object"], "p"] < 0.05).all()
    clips = read_table(folder / "clips.parquet")
    assert clips["ssim_gray2d"].to_numpy() == pytest.approx(1.0)
    assert list(clips["clip"]) == [f"{movie}:{index}" for movie in TEST for index in range(10)]


def test_metrics_are_named_once_and_say_by_which_protocol(perfect: tuple[pd.DataFrame, Path]) -> None:
    table, folder = perfect
    assert table.index.is_unique
    assert set(table["protocol"]) == {"strict", "released"}
    for strict, released in (("video_2way_gt1", "video_2way_gt3"), ("ssim_gray2d", "ssim_columns")):
        assert (table.loc[strict, "protocol"], table.loc[released, "protocol"]) == ("strict", "released")
    assert not table.index.str.startswith("concept_ap").any()
    assert list(read_table(folder / "scores.tsv").columns) == [*KEYS, *COLUMNS]


def test_metrics_in_which_variants_are_compared_are_means_over_clips_where_more_is_better(
    perfect: tuple[pd.DataFrame, Path],
) -> None:
    table, folder = perfect
    assert (table.loc[list(BY_CLIP), "higher_is_better"].astype(str) == "True").all()
    clips = read_table(folder / "clips.parquet", BY_CLIP)
    means = clips[list(BY_CLIP)].mean().to_numpy()
    np.testing.assert_allclose(table.loc[list(BY_CLIP), "value"].to_numpy(float), means)


@pytest.mark.parametrize("protocol", ["strict", "released"])
def test_one_protocol_alone_gives_its_rows_unchanged(
    study: Study, truth: Path, perfect: tuple[pd.DataFrame, Path], tmp_path: Path, protocol: str
) -> None:
    table, folder = perfect
    settings = study.settings.model_copy(update={"protocols": [protocol]})
    tasks = folder / "decoded.safetensors", folder / "decoded.tsv"
    alone = score_features(study, truth, folder / "videos.safetensors", folder, tasks, tmp_path, settings)
    pd.testing.assert_frame_equal(alone, table[table["protocol"] == protocol], check_dtype=False)


def test_perfect_concepts_are_perfect_one_by_one_and_without_support_undefined(
    study: Study, perfect: tuple[pd.DataFrame, Path], tmp_path: Path
) -> None:
    _, folder = perfect
    analysis_steps.breakdown(
        clips=folder / "clips.parquet",
        labels=study.movies("annotate", "labels.safetensors", TEST),
        annotation=study.movies("annotate", "annotation.parquet", TEST),
        clip_tables=study.movies("cut", "clips.tsv", TEST),
        decoded=folder / "decoded.safetensors",
        settings=study.settings,
        kinds=tmp_path / "kinds.tsv",
        concepts=tmp_path / "concepts.tsv",
    )
    table = read_table(tmp_path / "concepts.tsv")
    rows = table[table["metric"] == "concept_ap"]
    assert len(rows) == len(CONCEPTS)
    assert (rows["n"] > 0).sum() == len(TAGS)
    assert rows["value"].notna().tolist() == (rows["n"] > 0).tolist()
    assert (table.loc[table["n"] > 0, "value"] == 1).all()
    kinds = read_table(tmp_path / "kinds.tsv")
    perfect_ones = kinds[kinds["metric"].isin(["ssim_gray2d", "dice", "video_2way_gt1"])]
    np.testing.assert_allclose(perfect_ones["value"], 1, atol=1e-6)
    assert (perfect_ones["p"].dropna() == 1).all()


def test_order_of_clips_in_the_prediction_does_not_matter(
    study: Study, truth: Path, perfect: tuple[pd.DataFrame, Path], tmp_path: Path
) -> None:
    backwards = slice(None, None, -1)
    videos = true_videos(study, tmp_path / "videos.safetensors", backwards)
    table = score(study, truth, videos, tmp_path, true_tasks(study, tmp_path, backwards))
    pd.testing.assert_frame_equal(table, perfect[0], rtol=1e-5)


@pytest.fixture(scope="module")
def references(study: Study) -> dict[str, Path]:
    train_frames = study.movies("cut", "frames.safetensors", TRAIN)
    mean, retrieval = study.folder / "mean.safetensors", study.folder / "retrieval.safetensors"
    test_frames = study.movies("cut", "frames.safetensors", TEST)
    reference_steps.mean(train_frames=train_frames, test_frames=test_frames, output=mean)
    reference_steps.retrieval(
        subject="subject1",
        train=study.folder / "train.safetensors",
        test=study.folder / "test.safetensors",
        image_tokens=study.movies("embed", "image_tokens.safetensors", TRAIN),
        train_frames=train_frames,
        validation_movies=["seg3"],
        output=retrieval,
    )
    return {"mean": mean, "retrieval": retrieval}


def test_references_are_laid_out_like_reconstructions(study: Study, references: dict[str, Path]) -> None:
    train, _ = gather(study.movies("cut", "frames.safetensors", TRAIN), "frames")
    for path in references.values():
        file = TensorFile(path)
        assert file["frames"].shape == (20, 16, 32, 32, 3)
        assert file.metadata["frame_time_s"] == pytest.approx(TIME_S)
        assert (file["frames"] == file["blurry"][:, SHOWN]).all()
    assert (TensorFile(references["mean"])["blurry"][7] == np.round(train.mean(0, dtype=np.float64))).all()
    retrieved = TensorFile(references["retrieval"])
    own = gather(
        study.movies("cut", "frames.safetensors", TRAIN), "frames", sorted(set(retrieved.metadata["nearest"]))
    )
    row = own[1].index(retrieved.metadata["nearest"][4])
    assert (retrieved["blurry"][4] == own[0][row]).all()


def test_video_without_information_is_no_better_than_its_null(
    study: Study, truth: Path, references: dict[str, Path], tmp_path: Path
) -> None:
    table = score(study, truth, references["mean"], tmp_path, None)
    same_for_all = ["video_2way_gt1", "frame_50way_gt1", "clip_truth", "ssim_gray2d", "psnr", "flow_epe"]
    assert (table.loc[same_for_all, "p"] == 1).all()
    assert not table.index.str.startswith(("caption", "concept", "dice")).any()


def test_table_has_rows_of_chance(perfect: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    steps.table(scores=[perfect[1] / "scores.tsv"], output=tmp_path / "all.tsv", json=tmp_path / "all.json")
    table = read_table(tmp_path / "all.tsv")
    chance = table[table["variant"] == "chance"].set_index("metric")
    assert chance.loc["video_50way_gt1", "value"] == pytest.approx(0.02)
    assert chance.loc["video_50way_gt3", "value"] == pytest.approx(3 / 52)
    assert chance.loc["ssim_gray2d", "value"] == pytest.approx(
        perfect[0].loc["ssim_gray2d", "permutation_mean"]
    )
    assert "clip_adjacent" not in chance.index
    listed = json.loads((tmp_path / "all.json").read_text())["scores"]
    assert len(listed) == len(table)
    assert {row["value"] for row in listed if row["metric"] == "mask_specificity"} == {None}


def test_scores_given_twice_are_refused(perfect: tuple[pd.DataFrame, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than once"):
        steps.table(
            scores=[perfect[1] / "scores.tsv"] * 2, output=tmp_path / "a.tsv", json=tmp_path / "a.json"
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frames, ids: (frames[:-1], ids[:-1]), "lacks 1 of 20 clips: test2:9"),
        (
            lambda frames, ids: (np.append(frames, frames[:1], 0), [*ids, "test2:10"]),
            "not test clips: test2:10",
        ),
        (lambda frames, ids: (frames[:, :, ::2, ::2], ids), "nothing is resized"),
    ],
)
def test_other_videos_are_refused(study: Study, truth: Path, tmp_path: Path, change, message: str) -> None:
    frames, ids = gather(study.movies("cut", "frames.safetensors", TEST), "frames")
    frames, ids = change(frames[:, SHOWN], ids)
    write_tensors(tmp_path / "videos.safetensors", {"frames": frames}, {}, ids, frame_time_s=TIME_S)
    with pytest.raises(InputError, match=message):
        score(study, truth, tmp_path / "videos.safetensors", tmp_path, None)


def test_masks_of_another_size_are_refused(study: Study, truth: Path, perfect, tmp_path: Path) -> None:
    decoded, table = true_tasks(study, tmp_path)
    file = TensorFile(decoded)
    arrays = {"mask": np.array(file["mask"][:, :, ::2, ::2]), "concepts": np.array(file["concepts"])}
    write_tensors(decoded, arrays, {}, file.clip_ids)
    with pytest.raises(
        InputError, match=r"mask of shape \(6, 8, 8\) per clip, the annotation has \(6, 16, 16\)"
    ):
        score(study, truth, perfect[1] / "videos.safetensors", tmp_path, (decoded, table))


def test_responses_of_other_vertices_are_refused(study: Study, tmp_path: Path) -> None:
    file = TensorFile(study.folder / "test.safetensors")
    other = tmp_path / "test.safetensors"
    write_tensors(other, {"responses": np.array(file["responses"])}, {}, file.clip_ids, vertex_hash="other")
    with pytest.raises(InputError, match="different vertices"):
        reference_steps.retrieval(
            subject="subject1",
            train=study.folder / "train.safetensors",
            test=other,
            image_tokens=study.movies("embed", "image_tokens.safetensors", TRAIN),
            train_frames=study.movies("cut", "frames.safetensors", TRAIN),
            validation_movies=["seg3"],
            output=tmp_path / "videos.safetensors",
        )
