"""Correlations, the test over movies, and the choice of vertices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from neurons.artifacts import InputError
from neurons.preprocess import reliability
from neurons.preprocess.settings import Selection
from neurons.preprocess.stimulus import Encoding

ALL = Selection(minimum=1)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(11)


def test_correlation_equals_scipy(random: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "BLOCK_VERTICES", 7)
    shared = random.standard_normal((48, 20))
    a, b = ((shared + random.standard_normal(shared.shape) + 5).astype(np.float32) for _ in range(2))
    expected = [
        scipy.stats.pearsonr(x, y).statistic
        for x, y in zip(a.T.astype(float), b.T.astype(float), strict=True)
    ]
    np.testing.assert_allclose(reliability.correlation(a, b), expected, atol=1e-10)


def test_correlation_of_a_constant_is_zero(random: np.random.Generator) -> None:
    a = random.standard_normal((20, 2))
    a[:, 1] = 4
    assert reliability.correlation(a, a)[1] == 0


def test_fisher_z_is_the_mean_over_pairs(random: np.random.Generator) -> None:
    repeats = {name: random.standard_normal((30, 4)) for name in "abc"}
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    expected = [
        np.mean([np.arctanh(np.corrcoef(repeats[x][:, v], repeats[y][:, v])[0, 1]) for x, y in pairs])
        for v in range(4)
    ]
    np.testing.assert_allclose(reliability.fisher_z(repeats), expected)


@pytest.mark.parametrize("sign", [1, -1])
def test_copied_runs_are_refused(random: np.random.Generator, sign: int) -> None:
    a, b = (random.standard_normal((30, 6)).astype(np.float32) for _ in range(2))
    b[:, [2, 5]] = sign * 0.5 * a[:, [2, 5]] + 1
    with pytest.raises(InputError, match=r"runs seg1_1 and seg1_2: 2 of 6 vertices .* from vertex 2"):
        reliability.fisher_z({"seg1_1": a, "seg1_2": b})


def test_t_and_p_equal_scipy(random: np.random.Generator) -> None:
    z = 0.2 + 0.3 * random.standard_normal((18, 50))
    t, p = reliability.one_sided_t(z)
    expected = scipy.stats.ttest_1samp(z, 0, alternative="greater")
    np.testing.assert_allclose(t, expected.statistic)
    np.testing.assert_allclose(p, expected.pvalue, rtol=1e-9)


def test_published_thresholds_over_the_cortex() -> None:
    """One-sided, df 17, Bonferroni over 59,412 vertices: t > 7.13 at 0.05, t > 8.05 at 0.01."""
    for alpha, threshold in ((0.05, 7.13), (0.01, 8.05)):
        assert scipy.stats.t.isf(alpha / 59_412, 17) == pytest.approx(threshold, abs=0.006)
        spread = np.array([-1.0, 1.0] * 9)[:, None]
        means = np.array([threshold - 0.02, threshold + 0.02]) * spread.std(ddof=1) / np.sqrt(18)
        z = np.hstack([spread + means, np.tile(spread, (1, 59_410))])
        table = reliability.selection_table(z, np.zeros(59_412, bool), Selection(alpha=alpha, minimum=1))
        assert table["selected"].tolist()[:2] == [False, True]


def test_fdr_equals_scipy(random: np.random.Generator) -> None:
    p = random.random(200) ** 3
    np.testing.assert_allclose(reliability.corrected(p, "fdr"), scipy.stats.false_discovery_control(p))


def test_anticorrelated_vertices_are_not_selected() -> None:
    z = np.array([[0.5, -0.5], [0.52, -0.52], [0.48, -0.48], [0.51, -0.51]])
    table = reliability.selection_table(z, np.zeros(2, bool), ALL)
    assert table["selected"].tolist() == [True, False]


def test_pure_noise_selects_next_to_nothing(random: np.random.Generator) -> None:
    z = random.standard_normal((18, 59_412))
    _, p = reliability.one_sided_t(z)
    for correction in ("bonferroni", "fdr"):
        assert (reliability.corrected(p, correction) < 0.05).sum() <= 2
    assert abs((p < 0.05).mean() - 0.05) < 0.003


def test_constant_vertices_are_neither_tested_nor_selected(random: np.random.Generator) -> None:
    z = 0.5 + 0.01 * random.standard_normal((6, 10))
    constant = np.arange(10) == 4
    table = reliability.selection_table(z, constant, ALL)
    assert table["selected"].tolist() == (~constant).tolist()
    np.testing.assert_allclose(table["p_corrected"][~constant], 9 * table["p"][~constant])
    assert table["p"][4] == 1


def test_too_few_vertices_is_an_error_without_fallback(random: np.random.Generator) -> None:
    with pytest.raises(InputError, match=r"only 0 of 40 .* selection.minimum = 5"):
        reliability.selection_table(random.standard_normal((4, 40)), np.zeros(40, bool), Selection(minimum=5))


def test_fallback_takes_the_largest_t(random: np.random.Generator) -> None:
    z = random.standard_normal((4, 40))
    table = reliability.selection_table(z, np.zeros(40, bool), Selection(minimum=5, fallback_top=6))
    assert table["selected"].sum() == 6 and not table["passed"].any()
    assert table["t"][table["selected"]].min() > table["t"][~table["selected"]].max()


def test_fallback_never_takes_anticorrelated_vertices(random: np.random.Generator) -> None:
    z = random.standard_normal((4, 40))
    with pytest.raises(InputError, match="more than the"):
        reliability.selection_table(z, np.zeros(40, bool), Selection(minimum=5, fallback_top=39))


@pytest.mark.parametrize("movies", [3, 6, 12])
def test_held_out_predictions_of_noise_are_not_significant_more_often_than_they_should(movies: int) -> None:
    random = np.random.default_rng(movies)
    names = [str(number) for number in range(movies)]
    features = {name: random.standard_normal((60, 8)).astype(np.float32) for name in names}
    noise = {name: random.standard_normal((60, 20_000)).astype(np.float32) for name in names}
    encoding = Encoding(features)
    for name in names:
        encoding.learn(name, noise[name])
    z = np.arctanh([reliability.correlation(encoding.predict(name), noise[name]) for name in names])
    _, plain = reliability.one_sided_t(z)
    _, p = reliability.one_sided_t(z, reliability.held_out_dependence(movies))
    assert (plain < 0.05).mean() > 0.08, "taken as independent, far more than 5 % would pass"
    assert 0.02 < (p < 0.05).mean() < 0.056, "0.05, or a little less; a standard error is 0.0015"
    with pytest.raises(InputError, match="at least three training movies, found 2"):
        reliability.held_out_dependence(2)
