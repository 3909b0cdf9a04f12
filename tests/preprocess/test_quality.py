"""Agreement between repeats, as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from neurons.preprocess import atlas
from neurons.preprocess.quality import flag_runs, lag_profile, mean_correlation
from neurons.preprocess.standardise import standardise


@pytest.mark.parametrize("lag", [-5, -1, 0, 1, 5])
def test_a_known_lag_is_recovered(lag: int) -> None:
    random = np.random.default_rng(2)
    movie = random.standard_normal((80, 60))
    run, others = (movie[10 - shift : 60 - shift] + random.standard_normal((50, 60)) for shift in (lag, 0))
    profile = lag_profile(run, others)
    assert list(profile) == list(range(-6, 7))
    assert max(profile, key=lambda shift: profile[shift]) == lag
    assert profile[lag] == pytest.approx(0.5, abs=0.1)


def test_short_runs_search_fewer_lags() -> None:
    assert list(lag_profile(np.eye(9), np.eye(9))) == [-2, -1, 0, 1, 2]


def test_mean_correlation_equals_all_pairs() -> None:
    random = np.random.default_rng(4)
    repeats = (random.standard_normal((4, 12, 30)) + random.standard_normal((12, 30))).astype(np.float32)
    for repeat in repeats:
        standardise(repeat, 2)
    r = [np.corrcoef(repeats[:, vertex])[np.triu_indices(4, 1)].mean() for vertex in range(12)]
    np.testing.assert_allclose(mean_correlation(repeats.sum(axis=0).T, 4), r, atol=1e-5)


def test_runs_of_another_movie_or_time_are_flagged_and_noise_is_not() -> None:
    rows = [("train", 0, 0.50, 0.50)] * 5 + [
        ("train", 0, 0.05, 0.05),
        ("train", -2, 0.5, 0.1),
        ("train", 1, 0.50, 0.49),
    ]
    rows += [("test", 3, 0.01, 0.0), ("test", 0, 0.02, 0.02), ("test", 0, -0.01, -0.01)]
    table = pd.DataFrame(rows, columns=["split", "lag_volumes", "r_lag", "r_lag_0"])
    table = table.assign(level="run", clips=48, r_top1000=table["r_lag_0"])
    flags = flag_runs(table)
    assert np.flatnonzero(flags != "").tolist() == [5, 6]
    assert "hardly agrees" in flags[5] and "-2 volumes away" in flags[6]


def test_areas_are_joined_by_name() -> None:
    areas = atlas.areas()
    assert {area[0] for area in areas[atlas.LEFT]} == {"L"} and {area[0] for area in areas[atlas.RIGHT]} == {
        "R"
    }
    counts = {
        name: int(np.isin(areas, [f"L_{name}", f"R_{name}"]).sum()) for name in ("V1", "V2", "MT", "FFC")
    }
    assert counts == {"V1": 1618, "V2": 1220, "MT": 100, "FFC": 318}  # counted in the published dlabel file
    assert all(
        np.isin([f"L_{area}", f"R_{area}"], areas).all()
        for group in atlas.VISUAL_AREAS.values()
        for area in group
    )


def test_cortex_on_the_mesh() -> None:
    values = np.arange(atlas.CORTEX, dtype=np.float64)
    left, right = (atlas.to_mesh(values, side) for side in "LR")
    assert np.isnan(left).sum() == 32_492 - 29_696 and np.isnan(right).sum() == 32_492 - 29_716
    np.testing.assert_array_equal(np.concatenate([left[~np.isnan(left)], right[~np.isnan(right)]]), values)
