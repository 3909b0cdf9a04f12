"""Corrected p, intervals and agreement, against brute force and known distributions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from neurons.artifacts import clip_id
from neurons.interpret.statistics import agreement_rows, area_rows, sign_flip_p


def test_exact_p_is_the_share_of_all_sign_vectors():
    rng = np.random.default_rng(0)
    series = rng.normal(0.3, 1, size=(12, 3)) * [1.0, 50.0, 0.01]
    blocks = np.repeat(np.arange(6), 2)
    single, corrected = sign_flip_p(series, blocks, samples=64, seed=0)
    sums = series.reshape(6, 2, 3).sum(axis=1)
    units = sums / np.sqrt((sums**2).sum(axis=0))
    drawn = np.array([np.array(signs) @ units for signs in itertools.product((-1, 1), repeat=6)])
    observed = units.sum(axis=0) - 1e-9
    np.testing.assert_allclose(single, (drawn >= observed).mean(axis=0))
    np.testing.assert_allclose(corrected, (drawn.max(axis=1)[:, None] >= observed).mean(axis=0))
    assert (corrected >= single).all()


def test_p_does_not_depend_on_units_and_a_silent_region_is_not_tested():
    rng = np.random.default_rng(1)
    series = rng.normal(size=(40, 4))
    series[:, 3] = 0
    blocks = np.arange(40) // 2
    first = sign_flip_p(series, blocks, 500, seed=3)
    second = sign_flip_p(series * [1e-6, 1.0, 1e6, 1.0], blocks, 500, seed=3)
    np.testing.assert_allclose(first, second)
    assert np.isnan(first[0][3]) and np.isnan(first[1][3])


def test_family_of_regions_without_effect_is_rarely_significant():
    """At most 5 % of families, here 20 correlated regions in 300 draws (binomial 99.9 % limit: 10.3 %)."""
    rng = np.random.default_rng(2)
    hits = 0
    for draw in range(300):
        common = rng.standard_t(4, size=(24, 1))
        series = rng.standard_t(4, size=(24, 20)) + common
        hits += np.nanmin(sign_flip_p(series, np.arange(24), 400, seed=draw)[1]) < 0.05
    assert hits / 300 < 0.103


def test_rows_hold_means_intervals_and_shares():
    ids = [clip_id("seg1", i) for i in range(60)]
    rng = np.random.default_rng(3)
    series = rng.normal(size=(60, 3)) * 0.5 + [2.0, 0.0, -1.0]
    regions = {"names": ["V1", "V2", "early"], "levels": ["area", "area", "group"], "vertices": [10, 30, 40]}
    table = area_rows(
        "integrated", "concepts", series, regions, ids, block_clips=4, bootstrap=400, permutations=2000, seed=0
    )  # fmt: skip
    np.testing.assert_allclose(table["value"], series.mean(axis=0))
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).all()
    assert table["low"][0] < 2.0 < table["high"][0]
    assert table["p_corrected"][0] < 0.01 < 0.5 < table["p_corrected"][2]
    assert table.loc[table["level"] == "area", "share"].sum() == pytest.approx(1)
    assert table["share"][2] == 0


def test_agreement_is_spearman_s_with_ties():
    from scipy.stats import spearmanr

    rng = np.random.default_rng(4)
    values = {"a": rng.integers(0, 5, 50).astype(float), "b": rng.normal(size=50), "c": np.zeros(50)}
    table = agreement_rows(values, "concepts", "vertex").set_index(["method", "other"])["rho"]
    assert table["a", "b"] == pytest.approx(spearmanr(values["a"], values["b"]).statistic)
    assert np.isnan(table["a", "c"])
