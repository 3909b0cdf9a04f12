"""Faults written on purpose are really in the files."""

from __future__ import annotations

from pathlib import Path

import av
import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError
from neurons.simulate import steps
from neurons.simulate.annotations import scene_table
from neurons.simulate.design import simulated_runs
from neurons.simulate.faults import FAULTY_VERTICES, MOVIE_FAULTS, RUN_FAULTS, parse_faults, spoil_movie
from neurons.simulate.features import columns
from neurons.simulate.movies import sample_timeline
from neurons.simulate.settings import Simulate
from neurons.video import write_mp4

MOVIE_S = 16.0
RUN = "subject1/seg1/2"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    simulated_runs(["subject1"], {"train": (1, 2), "test": (1, 1)}).to_csv(
        folder / "runs.tsv", sep="\t", index=False
    )
    scene_table(sample_timeline(np.random.default_rng(0), "train", MOVIE_S, 30.0)).to_parquet(
        folder / "scenes.parquet"
    )
    place = columns()["place"].start
    vertices = {
        "features": [np.array([place + vertex % 8], np.int16) for vertex in range(200)],
        "weights": [np.array([20.0], np.float32)] * 200,
    }
    pd.DataFrame(vertices).to_parquet(folder / "vertices.parquet")
    return folder


def written(study: Path, folder: Path, faults: list[str], repeat: int = 2) -> Path:
    bold = folder / f"seg1_{repeat}_Atlas.dtseries.nii"
    steps.run(
        runs=study / "runs.tsv",
        subject="subject1",
        movie="seg1",
        repeat=repeat,
        scenes=study / "scenes.parquet",
        vertices=study / "vertices.parquet",
        repetition_time_s=2.0,
        settings=Simulate(faults=faults),
        bold=bold,
    )
    return bold


def responses(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture(scope="module")
def sound(study: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    return responses(written(study, tmp_path_factory.mktemp("sound"), []))


def test_a_fault_befalls_only_the_run_it_names(study: Path, sound: np.ndarray, tmp_path: Path) -> None:
    path = written(study, tmp_path, ["nan_vertices:subject1/seg1/1", "truncated_movie:seg1"])
    np.testing.assert_array_equal(responses(path), sound)


def test_missing_run(study: Path, tmp_path: Path) -> None:
    written(study, tmp_path, [f"missing_run:{RUN}"])
    assert list(tmp_path.iterdir()) == []


def test_misnamed_run(study: Path, sound: np.ndarray, tmp_path: Path) -> None:
    written(study, tmp_path, [f"misnamed_run:{RUN}"])
    assert [path.name for path in tmp_path.iterdir()] == ["seg1_2.Atlas.dtseries.nii"]
    np.testing.assert_array_equal(responses(tmp_path / "seg1_2.Atlas.dtseries.nii"), sound)


def test_wrong_volume_count(study: Path, sound: np.ndarray, tmp_path: Path) -> None:
    found = responses(written(study, tmp_path, [f"wrong_volume_count:{RUN}"]))
    np.testing.assert_array_equal(found, sound[:-2])


def test_nan_and_constant_vertices(study: Path, sound: np.ndarray, tmp_path: Path) -> None:
    columns_at = list(FAULTY_VERTICES)
    nan = responses(written(study, tmp_path / "nan", [f"nan_vertices:{RUN}"]))
    assert np.flatnonzero(np.isnan(nan).any(axis=0)).tolist() == columns_at
    constant = responses(written(study, tmp_path / "constant", [f"constant_vertices:{RUN}"]))
    assert np.flatnonzero(np.ptp(constant, axis=0) == 0).tolist() == columns_at
    assert (np.ptp(sound, axis=0) > 0).all()


def test_out_of_sync_run_is_5_volumes_early(study: Path, sound: np.ndarray, tmp_path: Path) -> None:
    late = responses(written(study, tmp_path, [f"out_of_sync:{RUN}"]))
    assert late.shape == sound.shape
    similarity = {}
    for lag in (0, 5):
        pair = [
            run[:, :200] - run[:, :200].mean(axis=0) for run in (late[:-5], sound[lag : len(sound) - 5 + lag])
        ]
        similarity[lag] = np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1]
    assert similarity[5] > 0.9 and similarity[0] < 0.6


def test_duplicate_run_is_repeat_1(study: Path, tmp_path: Path) -> None:
    copy = written(study, tmp_path, [f"duplicate_run:{RUN}"])
    assert copy.read_bytes() == written(study, tmp_path, [], repeat=1).read_bytes()


def make_movie(folder: Path, names: set[str]) -> Path:
    rng = np.random.default_rng(0)
    frames = np.kron(rng.integers(0, 256, (90, 16, 16, 3), dtype=np.uint8), np.ones((1, 4, 4, 1), np.uint8))
    path = folder / f"{'_'.join(sorted(names)) or 'sound'}.mp4"
    write_mp4(path, frames, 30.0)
    spoil_movie(path, names)
    return path


def decode(path: Path) -> np.ndarray:
    """Presentation times of the frames that can be decoded."""
    times = []
    with av.open(str(path)) as container:
        try:
            for frame in container.decode(video=0):
                times.append(frame.time)
        except av.error.FFmpegError:
            pass
    return np.array(times)


def test_truncated_movie_opens_but_lacks_frames(tmp_path: Path) -> None:
    assert len(decode(make_movie(tmp_path, set()))) == 90
    times = decode(make_movie(tmp_path, {"truncated_movie"}))
    assert 30 < len(times) < 85


def test_variable_frame_rate_keeps_times_and_drops_frames(tmp_path: Path) -> None:
    times = decode(make_movie(tmp_path, {"variable_frame_rate"}))
    kept = np.array([frame for frame in range(90) if frame % 7 != 3])
    np.testing.assert_allclose(times, kept / 30, atol=2e-3)


def test_spoilt_movies_are_the_same_bytes_again(tmp_path: Path) -> None:
    for fault in MOVIE_FAULTS:
        folders = [tmp_path / fault / copy for copy in "ab"]
        for folder in folders:
            folder.mkdir(parents=True)
        first, second = (make_movie(folder, {fault}) for folder in folders)
        assert first.read_bytes() == second.read_bytes()
        assert [path.name for path in folders[0].iterdir()] == [first.name]


def test_all_wrong_faults_are_listed_at_once() -> None:
    runs = simulated_runs(["subject1"], {"train": (1, 2), "test": (1, 1)})
    wrong = [
        "melted_run:subject1/seg1/1",
        "missing_run:subject9/seg1/1",
        "truncated_movie:seg4",
        f"missing_run:{RUN}",
    ]
    with pytest.raises(InputError) as error:
        parse_faults(wrong, runs)
    message = str(error.value)
    assert message.count("\n- ") == 3 and f"missing_run:{RUN}" not in message
    assert all(name in message for name in (*RUN_FAULTS, *MOVIE_FAULTS))
    assert "seg1, test1" in message
