"""Simulated runs: noise with known properties, the evoked response in it, and the CIFTI file."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError
from neurons.preprocess import atlas
from neurons.simulate import steps
from neurons.simulate.annotations import scene_table
from neurons.simulate.design import simulated_runs
from neurons.simulate.features import columns
from neurons.simulate.movies import sample_timeline
from neurons.simulate.runs import AUTOCORRELATION, autocorrelated_noise, drift, evoked_response, measured_run
from neurons.simulate.settings import Simulate

MOVIE_S = 24.0
WORDS = columns()
STRONG = 4.0


def few_vertices(scale: float = 1.0) -> pd.DataFrame:
    """300 vertices that each answer to one place or kind, strongly."""
    chosen = np.random.default_rng(0).integers(WORDS["kind"].start, WORDS["place"].stop, 300)
    return pd.DataFrame(
        {
            "features": [np.array([feature], np.int16) for feature in chosen],
            "weights": [np.array([4.0 * scale], np.float32) for _ in chosen],
        }
    )


def timeline_for(movie_s: float):
    return sample_timeline(np.random.default_rng(1), "train", movie_s, 30.0)


def standardised(responses: np.ndarray) -> np.ndarray:
    """Without the polynomial of order 4 of each column, mean 0 and SD 1."""
    shapes, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, len(responses)), 5))
    rest = responses - shapes @ (shapes.T @ responses)
    return rest / rest.std(axis=0)


def repeat_correlation(evoked: np.ndarray, count: int) -> np.ndarray:
    first, second = (
        standardised(measured_run(0, "subject1", f"seg1/{repeat}", evoked)[:, :count].astype(float))
        for repeat in (1, 2)
    )
    return (first * second).mean(axis=0)


def test_noise_is_autoregressive_with_unit_variance() -> None:
    noise = autocorrelated_noise(np.random.default_rng(0), 60, 20_000)
    assert noise.var(axis=1) == pytest.approx(np.ones(60), abs=0.05)
    for lag in (1, 2):
        measured = np.mean(noise[lag:] * noise[:-lag])
        assert measured == pytest.approx(AUTOCORRELATION**lag, abs=0.01)


def test_drift_is_what_detrending_removes() -> None:
    slow = drift(np.random.default_rng(0), 50, 100).astype(float)
    shapes, _ = np.linalg.qr(np.vander(np.linspace(-1, 1, 50), 5))
    assert np.abs(slow - shapes @ (shapes.T @ slow)).max() < 1e-5 and slow.std() > 0.5


def test_repeats_without_signal_do_not_correlate() -> None:
    count = 20_000
    r = repeat_correlation(np.zeros((53, count), np.float32), count)
    assert abs(np.median(r)) < 0.05
    assert 0.5 / np.sqrt(48) < r.std() < 2 / np.sqrt(48)


def test_repeats_correlate_the_more_the_stronger_the_signal() -> None:
    course = np.random.default_rng(5).standard_normal(53).astype(np.float32)
    strength = np.repeat([0.0, 0.5, 1.0, 2.0], 1000).astype(np.float32)
    r = repeat_correlation(np.outer(course, strength), len(strength)).reshape(4, 1000)
    means = np.median(r, axis=1)
    assert (np.diff(means) > 0.1).all()
    # With noise of variance 1 and artefacts: at most s^2 / (s^2 + 1).
    assert means[3] < 0.85 and means[3] > 0.6


def test_intensities_are_those_of_a_scanner() -> None:
    run = measured_run(0, "subject1", "seg1/1", np.zeros((20, 10), np.float32))
    assert run.shape == (20, atlas.GRAYORDINATES) and run.dtype == np.float32
    assert np.median(run) == pytest.approx(10_000, rel=0.1) and run.min() > 0


def test_noise_depends_on_subject_and_run_only_through_the_seed() -> None:
    silent = np.zeros((20, 10), np.float32)
    first = measured_run(0, "subject1", "seg1/1", silent)
    np.testing.assert_array_equal(first, measured_run(0, "subject1", "seg1/1", silent))
    for other in ((1, "subject1", "seg1/1"), (0, "subject2", "seg1/1"), (0, "subject1", "seg1/2")):
        assert not np.array_equal(first, measured_run(*other, silent))
    # Repeats share the anatomy: mean intensities agree up to the run's offset.
    again = measured_run(0, "subject1", "seg1/2", silent)
    assert np.corrcoef(first.mean(axis=0), again.mean(axis=0))[0, 1] > 0.95


def test_a_late_scan_is_the_same_response_shifted() -> None:
    timeline, vertices = timeline_for(MOVIE_S), few_vertices()
    on_time = evoked_response(timeline, MOVIE_S, vertices, 2.0, 2.0)
    late = evoked_response(timeline, MOVIE_S, vertices, 2.0, 2.0, delay_s=10.0)
    assert on_time.shape == (17, 300)
    np.testing.assert_allclose(late[:-5], on_time[5:], atol=1e-4)


def test_the_last_frame_still_evokes_a_response_after_the_movie() -> None:
    timeline, vertices = timeline_for(MOVIE_S), few_vertices()
    evoked = evoked_response(timeline, MOVIE_S, vertices, 2.0, 2.0)
    places = [vertex for vertex, f in enumerate(vertices["features"]) if f[0] >= WORDS["place"].start]
    strongest = max(places, key=lambda vertex: evoked[-1, vertex])
    assert evoked[-1, strongest] > 3.0
    assert evoked[-1, [v for v in places if evoked[-1, v] < 3.0]].max() < 1.0


def make_run(folder: Path, repeat: int, name: str = "run") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    runs, scenes, vertices = folder / "runs.tsv", folder / "scenes.parquet", folder / "vertices.parquet"
    simulated_runs(["subject1"], {"train": (1, 2), "test": (2, 1)}).to_csv(runs, sep="\t", index=False)
    scene_table(timeline_for(MOVIE_S)).to_parquet(scenes)
    few_vertices(STRONG).to_parquet(vertices)
    bold = folder / name / f"seg1_{repeat}_Atlas.dtseries.nii"
    steps.run(
        runs=runs,
        subject="subject1",
        movie="seg1",
        repeat=repeat,
        scenes=scenes,
        vertices=vertices,
        repetition_time_s=2.0,
        settings=Simulate(),
        bold=bold,
    )
    return bold


def test_a_run_is_a_dense_time_series_as_hcp_writes_it(tmp_path: Path) -> None:
    image = nib.load(make_run(tmp_path, 1))
    series, grayordinates = (image.header.get_axis(axis) for axis in (0, 1))
    assert image.shape == (17, atlas.GRAYORDINATES) and image.get_data_dtype() == np.float32
    assert (series.step, series.unit, series.size) == (2.0, "SECOND", 17)
    assert len(grayordinates) == atlas.GRAYORDINATES
    assert image.nifti_header.get_intent()[0] == "ConnDenseSeries"
    assert np.isfinite(np.asarray(image.dataobj)).all()


def test_repeats_share_the_response_and_nothing_else_and_bytes_are_stable(tmp_path: Path) -> None:
    first, again, second = make_run(tmp_path, 1), make_run(tmp_path, 1, "again"), make_run(tmp_path, 2)
    assert first.read_bytes() == again.read_bytes()
    one, two = (standardised(np.asarray(nib.load(path).dataobj, float)) for path in (first, second))
    r = (one * two).mean(axis=0)
    evoked = evoked_response(timeline_for(MOVIE_S), MOVIE_S, few_vertices(STRONG), 2.0, 2.0)
    driven = np.flatnonzero(evoked.std(axis=0) > 1)
    assert len(driven) > 100 and np.median(r[driven]) > 0.6 and abs(np.median(r[300:])) < 0.1


def test_a_run_that_the_table_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"0 rows for run subject1/seg1/3"):
        make_run(tmp_path, 3)
