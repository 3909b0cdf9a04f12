"""From time series to responses, against the same operations on everything at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from nilearn.signal import clean

from neurons.artifacts import InputError
from neurons.preprocess.confounds import confound_basis
from neurons.preprocess.responses import BLOCK, clip_responses
from neurons.preprocess.timing import Timing, clip_weights

CLIPS, VOLUMES = 40, 45
ONE_VOLUME = clip_weights(Timing(CLIPS, 2.0, 2.0, 2.0), 4.0, VOLUMES)


@pytest.fixture
def series() -> np.ndarray:
    """More locations than a block has, the last block not full."""
    random = np.random.default_rng(5)
    drift = 300 * np.linspace(-1, 1, VOLUMES)[:, None] ** 3 * random.standard_normal(BLOCK + 77)
    return (9000 + drift + 60 * random.standard_normal((VOLUMES, BLOCK + 77))).astype(np.float32)


def test_equals_nilearn(series: np.ndarray) -> None:
    made = clip_responses(series, ONE_VOLUME, 3)
    kept = series[1 : 1 + CLIPS].astype(np.float64)
    powers = np.vander(np.linspace(-1, 1, CLIPS), 4)[:, :-1]
    expected = clean(kept, detrend=False, confounds=powers, standardize="zscore_sample")
    np.testing.assert_allclose(made.responses, expected, atol=1e-5)
    design = np.column_stack([powers, np.ones(CLIPS)])
    sd = (kept - design @ np.linalg.lstsq(design, kept, rcond=None)[0]).std(axis=0, ddof=1)
    assert made.valid.all()
    np.testing.assert_allclose(made.sd, sd, rtol=1e-4)
    np.testing.assert_allclose(made.tsnr, kept.mean(axis=0) / sd, rtol=1e-4)


def test_a_file_on_disk_is_read_and_not_changed(series: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "series.npy", series)
    mapped = np.load(tmp_path / "series.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        clip_responses(mapped, ONE_VOLUME, 2).responses, clip_responses(series, ONE_VOLUME, 2).responses
    )


def test_locations_do_not_depend_on_the_block_they_are_in(series: np.ndarray) -> None:
    weights = clip_weights(Timing(CLIPS, 2.0, 1.9, 0.0), 2.5, VOLUMES)
    confounds = confound_basis(np.random.default_rng(0).standard_normal((VOLUMES, 3)), 2)
    order = np.random.default_rng(1).permutation(series.shape[1])
    made, permuted = (clip_responses(some, weights, 2, confounds) for some in (series, series[:, order]))
    for name in ("responses", "valid", "tsnr", "sd"):
        np.testing.assert_allclose(
            getattr(permuted, name), getattr(made, name)[..., order], rtol=1e-5, atol=1e-4
        )


def test_confounds_are_removed_before_volumes_become_clips(series: np.ndarray) -> None:
    nuisance = np.random.default_rng(0).standard_normal((VOLUMES, 2))
    basis = confound_basis(nuisance, 0)
    disturbed = (series + 500 * nuisance @ np.ones((2, series.shape[1]))).astype(np.float32)
    made, undisturbed = (clip_responses(some, ONE_VOLUME, 0, basis) for some in (disturbed, series))
    np.testing.assert_allclose(made.responses, undisturbed.responses, atol=1e-3)


def test_planted_spikes_and_constant_locations_are_counted(series: np.ndarray) -> None:
    series[:, [3, BLOCK + 5]] = 7000
    series[1 + 11, 100:160] += 3000
    series[1 + 30, BLOCK + 10 : BLOCK + 14] -= 3000
    made = clip_responses(series, ONE_VOLUME, 1)
    assert np.flatnonzero(~made.valid).tolist() == [3, BLOCK + 5]
    assert {clip: count for clip, count in enumerate(made.spiking.tolist()) if count} == {11: 60, 30: 4}


def test_too_few_clips(series: np.ndarray) -> None:
    with pytest.raises(InputError, match="5 volumes are too few for a polynomial of order 4"):
        clip_responses(series[:5], np.eye(5), 4)
