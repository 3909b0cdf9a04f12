"""From values of pairs to a row of the table."""

import numpy as np
import pytest
from scipy.stats import norm, t

from neurons.evaluate.measures import COLUMNS, Measure, interval, mean_of_clips, mean_of_pairs, row, undefined
from neurons.evaluate.pairing import Pairing
from neurons.evaluate.resampling import resamples
from neurons.evaluate.settings import Evaluate

IDS = [f"test1:{index}" for index in range(24)]
RESAMPLES = resamples(IDS, Evaluate(block_clips=2, bootstrap=200, permutations=199))
PERMUTATIONS = RESAMPLES.permutations


def test_perfect_prediction() -> None:
    facts = row(mean_of_pairs("m", "g", "d", np.eye(24), chance=0.1), RESAMPLES)
    assert list(facts) == COLUMNS
    assert (facts["value"], facts["low"], facts["high"], facts["chance"], facts["n"]) == (
        1.0,
        1.0,
        1.0,
        0.1,
        24,
    )
    assert facts["p"] == pytest.approx(1 / 200)
    assert facts["permutation_mean"] == pytest.approx(np.eye(24)[np.arange(24), PERMUTATIONS].mean())


def test_lower_may_be_better() -> None:
    distance = 1 - np.eye(24)
    assert row(mean_of_pairs("m", "g", "d", distance, higher_is_better=False), RESAMPLES)["p"] == 1 / 200
    assert row(mean_of_pairs("m", "g", "d", distance), RESAMPLES)["p"] == 1.0


def test_prediction_that_is_the_same_for_all_clips_has_p_1() -> None:
    pairs = np.broadcast_to(np.random.default_rng(0).random(24)[:, None], (24, 24))
    facts = row(mean_of_pairs("m", "g", "d", pairs), RESAMPLES)
    assert facts["p"] == 1.0
    assert facts["permutation_mean"] == pytest.approx(facts["value"])


def test_undefined_truths_do_not_count() -> None:
    pairs = np.eye(24)
    pairs[3] = np.nan
    defined = np.arange(24) != 3
    measure = mean_of_pairs("m", "g", "d", pairs, defined)
    facts = row(measure, RESAMPLES)
    assert (facts["value"], facts["n"], facts["p"]) == (1.0, 23, 1 / 200)
    assert np.isnan(measure.per_clip[3])


def test_nothing_defined_is_no_value() -> None:
    for measure in (
        undefined("m", "g", "d", 24),
        mean_of_pairs("m", "g", "d", np.eye(24), np.zeros(24, bool)),
    ):
        facts = row(measure, RESAMPLES)
        assert facts["n"] == 0
        assert [facts[name] for name in ("value", "low", "high", "permutation_mean", "p")] == [None] * 5


def test_values_of_single_clips_have_no_null_distribution() -> None:
    values = np.arange(24.0)
    facts = row(mean_of_clips("m", "g", "d", values), RESAMPLES)
    assert facts["value"] == 11.5
    assert facts["low"] < 11.5 < facts["high"]
    assert facts["p"] is facts["permutation_mean"] is None


def test_some_of_the_permutations() -> None:
    seen = []

    def statistic(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
        seen.append(prediction.shape)
        return np.zeros(prediction.shape[:-1])

    facts = row(Measure("m", "g", "d", statistic, 24, permutations=19), RESAMPLES)
    assert seen[-1] == (19, 24)
    assert facts["p"] == 1.0


def test_too_few_permutations_give_a_level_but_no_p() -> None:
    facts = row(mean_of_pairs("m", "g", "d", np.eye(24), permutations=18), RESAMPLES)
    assert facts["p"] is None
    assert facts["permutation_mean"] == pytest.approx(np.eye(24)[np.arange(24), PERMUTATIONS[:18]].mean())


def test_a_given_interval_stands_in_place_of_the_bootstrap() -> None:
    measure = mean_of_pairs("m", "g", "d", np.random.default_rng(0).random((24, 24)), interval=(-3.0, 4.0))
    facts = row(measure, RESAMPLES)
    assert (facts["low"], facts["high"]) == (-3.0, 4.0)


def test_the_interval_of_a_mean_of_normal_values_is_students() -> None:
    values = np.random.default_rng(5).normal(size=9)
    standard_error = values.std(ddof=1) / 3
    # The bootstrap of a mean of 9 values has the spread of the population that these 9 values are.
    drawn = norm.ppf((np.arange(200_000) + 0.5) / 200_000, values.mean(), values.std() / 3)
    found = interval(np.append(drawn, np.nan), blocks=9)
    np.testing.assert_allclose(found, t.interval(0.95, 8, values.mean(), standard_error), rtol=1e-3)


def test_one_block_has_no_interval() -> None:
    assert np.isnan(interval(np.array([1.0, 2.0]), blocks=1)).all()
    assert np.isnan(interval(np.array([np.nan]), blocks=5)).all()


def test_the_row_says_its_protocol() -> None:
    assert row(mean_of_pairs("m", "g", "d", np.eye(24)), RESAMPLES)["protocol"] == "strict"
    released = mean_of_pairs("m", "g", "d", np.eye(24), protocol="released")
    assert row(released, RESAMPLES)["protocol"] == "released"


def test_only_needed_pairs_are_computed() -> None:
    pairing = Pairing.first(PERMUTATIONS, 3)
    needed = pairing.needed
    assert pairing.permutations == 3
    assert needed.diagonal().all()
    assert needed[np.arange(24), PERMUTATIONS[:3]].all()
    assert 24 <= needed.sum() <= 4 * 24
    calls: list[int] = []

    def coded(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        calls.append(len(i))
        return i * 100.0 + j

    values = pairing.fill(coded)
    i, j = np.nonzero(needed)
    assert (values[i, j] == 100 * i + j).all()
    assert np.isnan(values[~needed]).all()
    assert sum(calls) == needed.sum()


@pytest.mark.parametrize(("limit", "used"), [(24, 0), (5, 5)])
def test_permutations_are_limited_only_if_they_form_too_many_pairs(limit: int, used: int) -> None:
    assert Pairing.of(PERMUTATIONS, limit).permutations == used
