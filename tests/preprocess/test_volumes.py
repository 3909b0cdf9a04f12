"""Volumetric runs: voxels of a mask or an atlas, read in their places, or refused."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError
from neurons.preprocess.images import open_volume_run
from neurons.preprocess.locations import in_areas, voxel_locations

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
SHAPE = (4, 5, 6)


def save(path: Path, values: np.ndarray, affine: np.ndarray = AFFINE, step_s: float = 1.5) -> Path:
    image = nibabel.Nifti1Image(values, affine)
    if values.ndim == 4:
        image.header.set_zooms((2, 2, 3, step_s))
        image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, path)
    return path


@pytest.fixture
def atlas(tmp_path: Path) -> tuple[Path, Path]:
    numbers = np.zeros(SHAPE, np.int16)
    numbers[1, 1, :3], numbers[2, 4, 5] = 2, 7
    table = pd.DataFrame({"index": [2, 7], "name": ["L_V1", "R_V1"]})
    table.to_csv(tmp_path / "labels.tsv", sep="\t", index=False)
    return save(tmp_path / "atlas.nii.gz", numbers), tmp_path / "labels.tsv"


@pytest.mark.parametrize("ending", ["nii", "nii.gz"])
def test_time_courses_are_those_of_the_voxels(tmp_path: Path, atlas: tuple[Path, Path], ending: str) -> None:
    data = np.random.default_rng(0).standard_normal((*SHAPE, 9)).astype(np.float32)
    where = voxel_locations(None, *atlas)
    assert where["area"].tolist() == ["L_V1"] * 3 + ["R_V1"]
    assert where[["x_mm", "y_mm", "z_mm"]].iloc[-1].tolist() == [4.0, 8.0, 15.0]
    run = open_volume_run(save(tmp_path / f"run.{ending}", data), where)
    assert (run.volumes, run.repetition_time_s) == (9, 1.5)
    np.testing.assert_array_equal(run.series(), data.reshape(-1, 9)[where["grayordinate"]].T)


def test_a_mask_narrows_an_atlas_and_works_alone(tmp_path: Path, atlas: tuple[Path, Path]) -> None:
    inside = np.zeros(SHAPE, np.uint8)
    inside[1, 1, 2:4] = 1
    mask = save(tmp_path / "mask.nii", inside)
    assert voxel_locations(mask, *atlas)["area"].tolist() == ["L_V1", ""]
    assert voxel_locations(mask, None, None)["area"].tolist() == ["", ""]


def test_areas_by_name(atlas: tuple[Path, Path]) -> None:
    where = voxel_locations(None, *atlas)
    assert in_areas(where, ["V1"]).all() and in_areas(where, ["R_V1"]).sum() == 1
    with pytest.raises(InputError, match=r"unknown areas \['V2'\].*Available: L_V1, R_V1"):
        in_areas(where, ["V2"])


def test_masks_and_atlases_that_do_not_fit(tmp_path: Path, atlas: tuple[Path, Path]) -> None:
    with pytest.raises(
        InputError, match=r"name preprocess\.volume\.mask, preprocess\.volume\.atlas, or both"
    ):
        voxel_locations(None, None, None)
    with pytest.raises(InputError, match="belong together"):
        voxel_locations(None, atlas[0], None)
    other = save(tmp_path / "other.nii", np.ones((4, 5, 7), np.uint8))
    with pytest.raises(
        InputError, match=r"atlas.nii.gz \(4 x 5 x 6\) is not on the grid of .*other.nii \(4 x 5 x 7\)"
    ):
        voxel_locations(other, *atlas)
    with pytest.raises(InputError, match="no voxel is marked"):
        voxel_locations(save(tmp_path / "empty.nii", np.zeros(SHAPE, np.uint8)), None, None)
    smooth = save(tmp_path / "smooth.nii", np.full(SHAPE, 1.5, np.float32))
    with pytest.raises(InputError, match="not whole: resample the atlas with nearest-neighbour"):
        voxel_locations(None, smooth, atlas[1])
    unnamed = save(tmp_path / "unnamed.nii", np.full(SHAPE, 5, np.int16))
    with pytest.raises(InputError, match=r"labels.tsv has no name for the numbers \[5\]"):
        voxel_locations(None, unnamed, atlas[1])


def test_runs_that_do_not_fit(tmp_path: Path, atlas: tuple[Path, Path]) -> None:
    where = voxel_locations(None, *atlas)
    data = np.random.default_rng(0).standard_normal((*SHAPE, 9)).astype(np.float32)
    moved = AFFINE.copy()
    moved[0, 3] = 1.0
    with pytest.raises(InputError, match=r"voxels lie up to 1.00 mm away"):
        open_volume_run(save(tmp_path / "moved.nii", data, moved), where)
    with pytest.raises(InputError, match="a run of volumes \\(4-D\\) is expected"):
        open_volume_run(save(tmp_path / "one.nii", data[..., 0]), where)
    with pytest.raises(InputError, match=r"voxels of the mask hold NaN .*\[\[1, 1, 0\]"):
        data[1, 1, 0, 3] = np.nan
        open_volume_run(save(tmp_path / "nan.nii.gz", data), where).series()


@pytest.mark.parametrize(("ending", "share"), [("nii", 0.6), ("nii.gz", 0.6), ("nii.gz", 0.98)])
def test_truncated_runs(tmp_path: Path, atlas: tuple[Path, Path], ending: str, share: float) -> None:
    data = np.random.default_rng(0).standard_normal((*SHAPE, 9)).astype(np.float32)
    path = save(tmp_path / f"run.{ending}", data)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf"run.{ending} .*truncated"):
        open_volume_run(path, voxel_locations(None, *atlas)).series()
