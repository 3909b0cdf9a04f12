"""What is scored is checked when it is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError, TensorFile, write_table, write_tensors
from neurons.evaluate.inputs import finite, predicted_frames, read_videos, require_clips, table_rows
from neurons.evaluate.videos import FEATURES

IDS = ["a:0", "a:1"]


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "decoded.safetensors"
    write_tensors(path, {"mask": np.zeros((2, 3), np.float16)}, {}, IDS)
    path.write_bytes(path.read_bytes()[:-2] + np.float16(np.nan).tobytes())
    file = TensorFile(path)
    with pytest.raises(InputError, match=r"'mask' holds NaN or infinite values in 1 clips, the first is a:1"):
        finite(file, "mask", IDS)
    assert finite(file, "mask", ["a:0"]).dtype == np.float32


def test_exactly_the_expected_clips() -> None:
    require_clips(IDS, ["a:1", "a:0"], Path("x"))
    with pytest.raises(InputError, match="x holds 1 clips that are not test clips: b:0"):
        require_clips(IDS, [*IDS, "b:0"], Path("x"))
    with pytest.raises(InputError, match="lacks 1 of 2 clips: a:1"):
        require_clips(IDS, ["a:0"], Path("x"))
    with pytest.raises(InputError, match="more than once in x: a:0"):
        require_clips(IDS, [*IDS, "a:0"], Path("x"))


def test_videos_without_times_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "videos.safetensors"
    write_tensors(path, {"frames": np.zeros((2, 4, 2, 2, 3), np.uint8)}, {}, IDS)
    with pytest.raises(InputError, match="frame_time_s"):
        predicted_frames(path, IDS, np.zeros((2, 1)))


def test_frames_are_chosen_per_clip(tmp_path: Path) -> None:
    path = tmp_path / "videos.safetensors"
    frames = np.arange(8, dtype=np.uint8).reshape(2, 4, 1, 1, 1) * np.ones(3, np.uint8)
    write_tensors(path, {"frames": frames}, {}, IDS, frame_time_s=[0.0, 0.5, 1.0, 1.5])
    chosen, times = predicted_frames(path, ["a:1", "a:0"], np.array([[0.1, 0.9], [0.6, 1.4]]))
    assert chosen[..., 0, 0, 0].tolist() == [[4, 6], [1, 3]]
    assert times.tolist() == [[0.0, 1.0], [0.5, 1.5]]


def test_rows_of_several_tables_in_the_order_of_clips(tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.tsv"]
    write_table(paths[0], pd.DataFrame({"clip": IDS, "caption": ["x", "y"]}), {})
    write_table(paths[1], pd.DataFrame({"clip": ["b:0"], "caption": ["z"]}), {})
    assert list(table_rows(paths, ["caption"], ["b:0", "a:1"])["caption"]) == ["z", "y"]
    with pytest.raises(InputError, match=r"lacks 1 of 1 clips: c:0"):
        table_rows(paths, ["caption"], ["c:0"])


TIME_S = [0.5, 1.5]
MODELS = {"clip": "a"}


def described(folder: Path, ids: list[str] = IDS, leave_out: str = "", **models: str) -> Path:
    """Features of two clips of two frames, 2, 3, 4 or 5 numbers each, that say which clip they belong to."""
    clips = np.array([int(identity.split(":")[1]) for identity in ids], np.float32)
    arrays = {
        name: clips.reshape(-1, *[1] * (1 + (name in ("frame_probabilities", "clip"))))
        * np.ones((2, width) if name in ("frame_probabilities", "clip") else width, np.float32)
        for width, name in enumerate(FEATURES, 2)
    }
    arrays.pop(leave_out, None)
    path = folder / f"features{leave_out}{len(models)}{len(ids)}.safetensors"
    write_tensors(path, arrays, {}, ids, models=MODELS | models)
    return path


def pictures(folder: Path, ids: list[str] = IDS, size: int = 4) -> Path:
    """Frames that show the number of their clip, as they are cut and as they are predicted."""
    path = folder / f"frames{size}.safetensors"
    clips = np.array([int(identity.split(":")[1]) for identity in ids])
    frames = np.broadcast_to(clips[:, None, None, None, None], (len(ids), 2, size, size, 3)).astype(np.uint8)
    arrays = {"frames": frames, "time_s": clips[:, None] * 2 + np.array(TIME_S)}
    write_tensors(path, arrays, {}, ids, frame_time_s=TIME_S)
    return path


def test_videos_and_features_are_joined_by_clip(tmp_path: Path) -> None:
    frames, features = pictures(tmp_path), described(tmp_path, IDS[::-1])
    for videos in read_videos([frames], features, frames, features, ["a:1", "a:0"]):
        assert videos.frames[:, 0, 0, 0, 0].tolist() == [1, 0]
        assert videos.time_s.tolist() == [TIME_S] * 2
        assert videos.frame_probabilities[:, 1, 1].tolist() == videos.clip[:, 1, 4].tolist() == [1, 0]
        assert videos.video_probabilities[:, 2].tolist() == videos.video_embedding[:, 3].tolist() == [1, 0]
        assert videos.gate is None


@pytest.mark.parametrize("name", FEATURES)
def test_features_without_one_of_the_tensors_are_refused(tmp_path: Path, name: str) -> None:
    frames, whole, lacking = pictures(tmp_path), described(tmp_path), described(tmp_path, leave_out=name)
    with pytest.raises(InputError, match=rf"features{name}02.safetensors has no tensor '{name}'"):
        read_videos([frames], whole, frames, lacking, IDS)


def test_features_by_other_models_or_of_other_clips_are_refused(tmp_path: Path) -> None:
    frames, own = pictures(tmp_path), described(tmp_path)
    with pytest.raises(InputError, match=r"features02.safetensors and .*features12.safetensors were made by"):
        read_videos([frames], own, frames, described(tmp_path, clip="b"), IDS)
    with pytest.raises(
        InputError, match=r"features03.safetensors holds 1 clips that are not test clips: a:2"
    ):
        read_videos([frames], own, frames, described(tmp_path, [*IDS, "a:2"]), IDS)


def test_videos_of_another_size_are_refused(tmp_path: Path) -> None:
    own = described(tmp_path)
    with pytest.raises(InputError, match=r"frames8.safetensors: predicted frames \(2, 8, 8, 3\)"):
        read_videos([pictures(tmp_path)], own, pictures(tmp_path, size=8), own, IDS)
