"""Features over several files, by clip id."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurons.artifacts import InputError, provenance, write_tensors
from neurons.pretrain.features import Features


def write(folder: Path, movie: str, values: np.ndarray) -> Path:
    path = folder / f"{movie}.safetensors"
    write_tensors(
        path, {"tokens": values}, provenance("test", {}), [f"{movie}:{i}" for i in range(len(values))]
    )
    return path


def test_rows_come_by_clip_id_from_whichever_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(3, 2, 4)).astype(np.float16), rng.normal(size=(5, 2, 4)).astype(np.float16)
    features = Features([write(tmp_path, "seg1", one), write(tmp_path, "seg2", other)], "tokens")
    positions = features.locate(["seg2:4", "seg1:0", "seg2:0", "seg1:2"])
    assert features.shape == (2, 4)
    expected = np.stack([other[4], one[0], other[0], one[2]])
    assert np.array_equal(features.rows(positions), expected)
    assert np.array_equal(features.rows(positions, (1, slice(1, 3))), expected[:, 1, 1:3])


def test_missing_clips_are_listed(tmp_path: Path) -> None:
    features = Features([write(tmp_path, "seg1", np.zeros((3, 2), np.float32))], "tokens")
    with pytest.raises(InputError, match="lacks 2 of 3 clips: seg1:3, seg2:0"):
        features.locate(["seg1:3", "seg1:1", "seg2:0"])


def test_files_of_different_shapes_are_refused(tmp_path: Path) -> None:
    paths = [write(tmp_path, "seg1", np.zeros((3, 2))), write(tmp_path, "seg2", np.zeros((3, 4)))]
    with pytest.raises(InputError, match="different shapes"):
        Features(paths, "tokens")
