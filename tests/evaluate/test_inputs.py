"""What is scored is checked when it is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError, TensorFile, write_table, write_tensors
from neurons.evaluate.inputs import finite, predicted_frames, require_clips, table_rows

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
