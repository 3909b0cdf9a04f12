"""Real files, whole and broken."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis, SeriesAxis

from neurons.artifacts import InputError
from neurons.preprocess import atlas
from neurons.preprocess.cifti import open_run
from neurons.preprocess.cifti_header import Series, axes, brain_models, series

WriteRun = Callable[..., Path]


@pytest.fixture(scope="module")
def data() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((3, atlas.CORTEX)).astype(np.float32)


def test_reads_the_cortex_in_order(tmp_path: Path, write_run: WriteRun, data: np.ndarray) -> None:
    run = open_run(write_run(tmp_path / "run.dtseries.nii", data))
    assert (run.volumes, run.repetition_time_s) == (3, 2.0)
    np.testing.assert_array_equal(run.series(), data)


def test_exponent_of_the_series_step(tmp_path: Path, write_run: WriteRun, data: np.ndarray) -> None:
    image = nibabel.load(write_run(tmp_path / "seconds.dtseries.nii", data))
    axis = image.header.get_index_map(0)
    axis.series_step, axis.series_exponent = 2000, -3
    nibabel.save(image, tmp_path / "milliseconds.dtseries.nii")
    assert open_run(tmp_path / "milliseconds.dtseries.nii").repetition_time_s == pytest.approx(2.0)


def test_axes_that_do_not_fit_the_values(tmp_path: Path, write_run: WriteRun, data: np.ndarray) -> None:
    path = write_run(tmp_path / "run.dtseries.nii", data)
    path.write_bytes(path.read_bytes().replace(b'NumberOfSeriesPoints="3"', b'NumberOfSeriesPoints="4"'))
    with pytest.raises(InputError, match="holds 3 x 91282 values, its axes describe 4 x 91282"):
        open_run(path)


def test_integers_with_a_scale_and_compressed_files(
    tmp_path: Path, write_run: WriteRun, data: np.ndarray
) -> None:
    image = nibabel.load(write_run(tmp_path / "run.dtseries.nii", data))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "whole.dtseries.nii")
    whole = (tmp_path / "whole.dtseries.nii").read_bytes()
    (tmp_path / "whole.dtseries.nii.gz").write_bytes(gzip.compress(whole, compresslevel=1))
    for path in sorted(tmp_path.glob("whole*")):
        stored = open_run(path).series()
        assert stored.dtype == np.float32
        np.testing.assert_allclose(stored, data, atol=1e-3)


def test_axes_are_those_that_nibabel_reads(tmp_path: Path, write_run: WriteRun, data: np.ndarray) -> None:
    image = nibabel.load(write_run(tmp_path / "run.dtseries.nii", data, step_s=1.49))
    time, space = axes(image.nifti_header.extensions[0].content)
    assert series(time) == Series(3, 1.49, image.header.get_axis(0).unit)
    found, expected = brain_models(space), list(image.header.get_index_map(1).brain_models)
    assert len(found) == len(expected) == 3
    for own, theirs in zip(found, expected, strict=True):
        assert (own.structure, own.first, own.count) == (
            theirs.brain_structure,
            theirs.index_offset,
            theirs.index_count,
        )
        assert own.vertices.tolist() == list(theirs.vertex_indices or [])


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.dtseries.nii does not exist"):
        open_run(tmp_path / "absent.dtseries.nii")


@pytest.mark.parametrize("share", [0.0, 0.0001, 0.05, 0.6, 0.999])
def test_truncated_file(tmp_path: Path, write_run: WriteRun, data: np.ndarray, share: float) -> None:
    path = write_run(tmp_path / "run.dtseries.nii", data)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"run.dtseries.nii .*truncated"):
        open_run(path).series()


def test_nan_and_infinite_values_are_counted_and_located(
    tmp_path: Path, write_run: WriteRun, data: np.ndarray
) -> None:
    broken = data.copy()
    broken[1, [7, 40000]] = np.nan
    broken[:, 12] = np.inf
    run = open_run(write_run(tmp_path / "run.dtseries.nii", broken))
    with pytest.raises(InputError, match=r"5 values in 3 cortical vertices .*\[7, 12, 40000\]"):
        run.series()


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            "right left rest",
            "brain model 1 is CIFTI_STRUCTURE_CORTEX_RIGHT, expected CIFTI_STRUCTURE_CORTEX_LEFT",
        ),
        ("rest left right", "brain model 1 is CIFTI_STRUCTURE_BRAIN_STEM"),
        ("left right", "59412 grayordinates, expected 91282"),
    ],
)
def test_other_grayordinates(
    tmp_path: Path, write_run: WriteRun, data: np.ndarray, order: str, message: str
) -> None:
    path = write_run(tmp_path / "run.dtseries.nii", data, order=order)
    with pytest.raises(InputError, match=message):
        open_run(path)


def test_other_mesh_vertices_with_the_right_counts(tmp_path: Path, models: dict[str, BrainModelAxis]) -> None:
    """The shape alone would pass: the left cortex lists vertices of the medial wall."""
    other = BrainModelAxis.from_surface(np.arange(29_696), atlas.MESH_VERTICES, "CIFTI_STRUCTURE_CORTEX_LEFT")
    space = other + models["right"] + models["rest"]
    image = Cifti2Image(np.zeros((2, len(space)), np.float32), header=(SeriesAxis(0, 2, 2, "SECOND"), space))
    nibabel.save(image, tmp_path / "run.dtseries.nii")
    with pytest.raises(InputError, match="CORTEX_LEFT lists other mesh vertices"):
        open_run(tmp_path / "run.dtseries.nii")


def test_transposed(tmp_path: Path, models: dict[str, BrainModelAxis]) -> None:
    axes = (models["left"], SeriesAxis(0, 2, 4, "SECOND"))
    nibabel.save(Cifti2Image(np.zeros((29_696, 4), np.float32), header=axes), tmp_path / "run.dtseries.nii")
    with pytest.raises(InputError, match="transposed"):
        open_run(tmp_path / "run.dtseries.nii")


def test_scalars_are_no_time_series(tmp_path: Path, models: dict[str, BrainModelAxis]) -> None:
    image = Cifti2Image(np.zeros((1, 29_696), np.float32), header=(ScalarAxis(["r"]), models["left"]))
    nibabel.save(image, tmp_path / "map.dscalar.nii")
    with pytest.raises(InputError, match="CIFTI_INDEX_TYPE_SCALARS x CIFTI_INDEX_TYPE_BRAIN_MODELS"):
        open_run(tmp_path / "map.dscalar.nii")


def test_a_volume_image_is_no_cifti(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2, 3), np.float32), np.eye(4)), tmp_path / "run.nii")
    with pytest.raises(InputError, match="Nifti1Image, not a CIFTI-2 file"):
        open_run(tmp_path / "run.nii")
