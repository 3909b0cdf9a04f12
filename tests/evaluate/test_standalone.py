"""Scoring two sets of clips without the rest of the pipeline: formats, pairing, refusals, agreement with the pipeline."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from neurons.artifacts import InputError, TensorFile, read_table, write_tensors
from neurons.evaluate import feature_steps, standalone_steps, steps
from neurons.evaluate.clip_sets import Clip, as_frames, frames_at, read_clip_set
from neurons.evaluate.sampling import nearest_frames
from neurons.video import write_mp4

from .conftest import CLIPS, FRAMES, SIZE, TEST, Study

SHARES = (np.arange(FRAMES) + 0.5) / FRAMES


def videos(seed: int, clips: int = 8) -> np.ndarray:
    """Smooth random videos, so that pixel scores are defined."""
    small = np.random.default_rng(seed).integers(0, 255, (clips, FRAMES, 4, 4, 3), dtype=np.uint8)
    return small.repeat(SIZE // 4, axis=2).repeat(SIZE // 4, axis=3)


def write_pictures(folder: Path, frames: np.ndarray) -> Path:
    for row, video in enumerate(frames):
        (folder / f"clip{row}").mkdir(parents=True)
        for index, frame in enumerate(video):
            cv2.imwrite(str(folder / f"clip{row}" / f"{index}.png"), frame[..., ::-1])
    return folder


def score(study: Study, folder: Path, truth: Path, pred: Path, **options: object) -> pd.DataFrame:
    folder.mkdir(exist_ok=True)
    standalone_steps.videos(
        truth=truth,
        pred=pred,
        settings=study.settings,
        device="cpu",
        scores=folder / "scores.tsv",
        clips=folder / "clips.parquet",
        **options,  # type: ignore[arg-type]
    )
    return read_table(folder / "scores.tsv")


def test_every_lossless_format_gives_the_same_table(study: Study, tmp_path: Path) -> None:
    truth, pred = videos(0), videos(1)
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "pred.npy", pred)
    torch.save(torch.from_numpy(pred).movedim(-1, 2), tmp_path / "pred.pt")
    np.save(tmp_path / "float.npy", np.moveaxis(pred, -1, 2).astype(np.float64) / 255)
    expected = score(study, tmp_path / "a", tmp_path / "truth.npy", tmp_path / "pred.npy")
    for other in ("pred.pt", "float.npy"):
        found = score(study, tmp_path / "b", tmp_path / "truth.npy", tmp_path / other)
        pd.testing.assert_frame_equal(found, expected)
    folders = [write_pictures(tmp_path / name, frames) for name, frames in (("true", truth), ("made", pred))]
    pd.testing.assert_frame_equal(score(study, tmp_path / "c", *folders), expected)
    assert list(pd.read_parquet(tmp_path / "c" / "clips.parquet")["name"]) == [f"clip{i}" for i in range(8)]


def test_the_truth_itself_scores_perfectly_and_other_videos_do_not(study: Study, tmp_path: Path) -> None:
    np.save(tmp_path / "truth.npy", videos(0))
    np.save(tmp_path / "pred.npy", videos(1))
    same = score(study, tmp_path / "a", tmp_path / "truth.npy", tmp_path / "truth.npy").set_index("metric")
    other = score(study, tmp_path / "b", tmp_path / "truth.npy", tmp_path / "pred.npy").set_index("metric")
    assert same.loc["ssim_gray2d", "value"] == pytest.approx(1)
    assert other.loc["ssim_gray2d", "value"] < 0.5
    assert other.loc["psnr", "value"] < 15 < same.loc["psnr", "value"]


def test_scores_are_those_of_the_pipeline(study: Study, tmp_path: Path) -> None:
    frames = study.movies("cut", "frames.safetensors", TEST)
    truth = np.concatenate([_tensor(path, "frames") for path in frames])
    names = [f"{movie}:{index}" for movie in TEST for index in range(CLIPS)]
    pred = videos(2, len(truth))
    times = ((np.arange(FRAMES) + 0.5) * 2 / FRAMES).tolist()
    write_tensors(tmp_path / "videos.safetensors", {"frames": pred}, {}, names, frame_time_s=times)
    feature_steps.truth(frames=frames, settings=study.settings, output=tmp_path / "truth.safetensors")
    feature_steps.features(
        videos=tmp_path / "videos.safetensors",
        frames=frames,
        settings=study.settings,
        output=tmp_path / "features.safetensors",
    )
    steps.scores(
        variant="ours",
        subject="subject1",
        features=tmp_path / "features.safetensors",
        truth=tmp_path / "truth.safetensors",
        videos=tmp_path / "videos.safetensors",
        frames=frames,
        labels=[],
        annotation=[],
        train_labels=[],
        settings=study.settings,
        scores=tmp_path / "pipeline.tsv",
        clips=tmp_path / "pipeline.parquet",
    )
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "pred.npy", pred)
    rows = [str(row) for row in range(len(names))]
    table = pd.DataFrame({"clip": names, "truth": rows, "pred": rows})
    table.to_csv(tmp_path / "ids.tsv", sep="\t", index=False)
    alone = score(
        study, tmp_path / "a", tmp_path / "truth.npy", tmp_path / "pred.npy", ids=tmp_path / "ids.tsv"
    )
    pipeline = read_table(tmp_path / "pipeline.tsv").drop(columns=["variant", "subject"])
    pd.testing.assert_frame_equal(alone, pipeline)


def _tensor(path: Path, name: str) -> np.ndarray:
    return np.array(TensorFile(path)[name])


def test_clips_are_joined_by_the_table_and_its_order_changes_no_value(study: Study, tmp_path: Path) -> None:
    truth, pred = videos(0), videos(1)
    order = np.random.default_rng(3).permutation(len(truth))
    np.save(tmp_path / "truth.npy", truth)
    np.save(tmp_path / "pred.npy", pred)
    np.save(tmp_path / "shuffled.npy", pred[order])
    straight = score(study, tmp_path / "a", tmp_path / "truth.npy", tmp_path / "pred.npy")
    rows = pd.DataFrame(
        {"clip": [f"clips:{i}" for i in order], "truth": order, "pred": np.arange(len(order))}
    )
    rows.to_csv(tmp_path / "ids.tsv", sep="\t", index=False)
    joined = score(
        study, tmp_path / "b", tmp_path / "truth.npy", tmp_path / "shuffled.npy", ids=tmp_path / "ids.tsv"
    )
    np.testing.assert_allclose(joined["value"], straight["value"], rtol=1e-9)


def test_a_video_file_shows_the_frame_that_is_on_screen(tmp_path: Path) -> None:
    grey = np.linspace(20, 230, 10).astype(np.uint8)
    frames = np.broadcast_to(grey[:, None, None, None], (10, 16, 16, 3)).copy()
    (tmp_path / "set").mkdir()
    write_mp4(tmp_path / "set" / "a.mp4", frames, 5.0, quality=1)
    with av.open(str(tmp_path / "set" / "b.gif"), "w") as container:
        stream = container.add_stream("gif", rate=5)
        stream.width = stream.height = 16
        stream.pix_fmt = "gray"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[..., 0]), format="gray")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    found = frames_at(read_clip_set(tmp_path / "set"), ["a", "b"], np.array([0.05, 0.51, 0.99]))
    assert np.abs(found.mean(axis=(2, 3, 4)) - grey[[0, 5, 9]]).max() < 4


def test_sizes_are_changed_only_on_request(study: Study, tmp_path: Path) -> None:
    np.save(tmp_path / "truth.npy", videos(0))
    np.save(tmp_path / "pred.npy", videos(0)[:, :, ::2, ::2])
    with pytest.raises(InputError, match=r"32, 32.*16, 16.*--size-px"):
        score(study, tmp_path / "a", tmp_path / "truth.npy", tmp_path / "pred.npy")
    found = score(study, tmp_path / "a", tmp_path / "truth.npy", tmp_path / "pred.npy", size_px=16)
    assert found.set_index("metric").loc["ssim_gray2d", "value"] == pytest.approx(1)


def test_between_two_frames_the_earlier_is_on_screen_as_in_the_pipeline() -> None:
    clip = Clip(np.arange(16, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3), np.arange(16) / 16)
    times = (np.arange(16) + 0.5) * 2 / 16
    expected = nearest_frames(times, 2 * SHARES[None], "videos")[0]
    assert expected.tolist() == [1, 3, 6, 9, 11, 14]
    np.testing.assert_array_equal(clip.shown_at(SHARES)[:, 0, 0, 0], expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 6, 8, 8), np.uint8), "neither"),
        (np.zeros((2, 6, 8, 8, 3), np.int64), "expected uint8"),
        (np.full((2, 6, 8, 8, 3), 2.0), "between 2 and 2"),
        (np.full((2, 6, 8, 8, 3), np.nan), "between nan"),
    ],
)
def test_arrays_of_another_form_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        as_frames(values, "videos.npy")


def test_what_cannot_be_joined_or_read_is_refused_with_names(study: Study, tmp_path: Path) -> None:
    frames = videos(0)
    np.save(tmp_path / "seven.npy", frames[:7])
    np.save(tmp_path / "eight.npy", frames)
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    torch.save({"frames": torch.zeros(1)}, tmp_path / "dictionary.pt")
    pictures = write_pictures(tmp_path / "pictures", frames)
    mixed = write_pictures(tmp_path / "mixed", frames[:2])
    (mixed / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    cases = (
        ("seven.npy", "eight.npy", "lacks 1: 7"),
        ("eight.npy", pictures.name, "names and the other row numbers"),
        ("eight.npy", "pickle.npy", "refused"),
        ("eight.npy", "dictionary.pt", "expected one tensor"),
        ("mixed", "pictures", "notes.txt"),
        ("empty", "pictures", "is empty"),
        ("absent", "pictures", "does not exist"),
    )
    for truth, pred, message in cases:
        with pytest.raises(InputError, match=message):
            score(study, tmp_path / "a", tmp_path / truth, tmp_path / pred)


def test_a_table_that_repeats_or_leaves_out_a_clip_is_refused(study: Study, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", videos(0, 3))
    for rows, message in (((0, 1, 1), "more than one row"), ((0, 1), "list every clip"), ((0, 1, 7), "7")):
        table = pd.DataFrame({"clip": [f"m:{i}" for i in range(len(rows))], "truth": rows, "pred": rows})
        table.to_csv(tmp_path / "ids.tsv", sep="\t", index=False)
        with pytest.raises(InputError, match=message):
            score(study, tmp_path / "a", tmp_path / "v.npy", tmp_path / "v.npy", ids=tmp_path / "ids.tsv")
