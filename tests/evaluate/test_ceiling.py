"""The noise ceiling: known answers from responses whose signal and noise are known."""

from itertools import combinations

import numpy as np
import pytest

from neurons.evaluate.ceiling import MOST_SPLITS, ceiling_measures, halves, pattern_correlation
from neurons.evaluate.measures import Measure, row
from neurons.evaluate.resampling import resamples
from neurons.evaluate.settings import Evaluate

POOL = 10


def measures(responses: np.ndarray, pool: int = POOL) -> dict[str, Measure]:
    return {measure.name: measure for measure in ceiling_measures(responses, pool)}


def values(responses: np.ndarray, pool: int = POOL) -> dict[str, float]:
    clips = np.arange(len(responses))
    return {name: float(own.statistic(clips, clips)) for name, own in measures(responses, pool).items()}


def noisy(clips: int, repeats: int, vertices: int, noise_sd: float, seed: int = 0) -> np.ndarray:
    """The same signal of unit variance in each repeat, and noise."""
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=(clips, 1, vertices))
    return signal + noise_sd * generator.normal(size=(clips, repeats, vertices))


@pytest.mark.parametrize(("repeats", "count"), [(0, 0), (1, 0), (2, 1), (3, 3), (4, 3), (5, 15), (10, 20)])
def test_halves_are_disjoint_of_equal_size_and_all_different(repeats: int, count: int) -> None:
    splits = halves(repeats)
    assert len(splits) == count <= MOST_SPLITS
    for first, second in splits:
        assert not set(first) & set(second)
        assert len(set(first)) == len(set(second)) == len(first) == len(second) == repeats // 2
        assert set(first) | set(second) <= set(range(repeats))
    assert len({frozenset((frozenset(first), frozenset(second))) for first, second in splits}) == count


@pytest.mark.parametrize("repeats", [3, 10])
def test_every_repeat_is_used(repeats: int) -> None:
    splits = halves(repeats)
    used = [repeat for first, second in splits for repeat in first + second]
    assert set(used) == set(range(repeats))
    together = {
        frozenset(pair)
        for first, second in splits
        for half in (first, second)
        for pair in combinations(half, 2)
    }
    # Of ten repeats any two are in one half in some split and apart in another.
    assert repeats == 3 or len(together) == 45


def test_pattern_correlation_equals_numpy_after_centring_vertices() -> None:
    first, second = np.random.default_rng(1).normal(3, 2, (2, 7, 30)).astype(np.float32)
    centred = [part - part.mean(0, dtype=np.float64) for part in (first, second)]
    expected = np.corrcoef(*centred)[:7, 7:]
    np.testing.assert_allclose(pattern_correlation(first, second), expected, atol=1e-6)


def test_constant_responses_correlate_with_nothing() -> None:
    assert (pattern_correlation(np.ones((3, 5)), np.random.default_rng(0).random((3, 5))) == 0).all()


@pytest.mark.parametrize("repeats", [2, 3, 10])
def test_noiseless_repeats_tell_every_clip(repeats: int) -> None:
    found = values(noisy(12, repeats, 40, 0.0))
    assert found == pytest.approx({"ceiling_r": 1, "ceiling_2way": 1, f"ceiling_top1_of{POOL}": 1})


def test_noise_tells_no_clip() -> None:
    clips, vertices = 240, 50
    noise = np.random.default_rng(2).normal(size=(clips, 2, vertices)).astype(np.float32)
    found = values(noise)
    # 4 standard errors: r of clips x vertices independent values; ranks are uniform; successes are Bernoulli.
    assert abs(found["ceiling_r"]) < 4 / np.sqrt(clips * vertices)
    assert abs(found["ceiling_2way"] - 1 / 2) < 4 / np.sqrt(12 * clips)
    assert abs(found[f"ceiling_top1_of{POOL}"] - 1 / POOL) < 4 * np.sqrt(0.1 * 0.9 / clips)


@pytest.mark.parametrize("repeats", [2, 4, 10])
def test_correlation_is_the_reliability_of_a_half(repeats: int) -> None:
    noise_sd = 1.5
    half = repeats // 2
    expected = 1 / (1 + noise_sd**2 / half)
    found = values(noisy(100, repeats, 400, noise_sd))["ceiling_r"]
    assert found == pytest.approx(expected, abs=4 / np.sqrt(100 * 400))


def test_more_repeats_raise_the_ceiling() -> None:
    responses = noisy(60, 10, 60, 4.0)
    found = [values(responses[:, :repeats])["ceiling_2way"] for repeats in (2, 4, 10)]
    assert 0.5 < found[0] < found[1] < found[2] < 1


def test_identification_of_two_repeats_by_brute_force() -> None:
    responses = noisy(9, 2, 15, 2.0)
    r = pattern_correlation(responses[:, 0], responses[:, 1])
    two_way = np.mean([r[j, j] > r[i, j] for i in range(9) for j in range(9) if i != j])
    of_three = np.mean(
        [
            all(r[j, j] > r[i, j] for i in others)
            for j in range(9)
            for others in combinations([i for i in range(9) if i != j], 2)
        ]
    )
    assert 0.5 < two_way < 1
    found = values(responses, pool=3)
    assert found["ceiling_r"] == pytest.approx(r.diagonal().mean())
    assert found["ceiling_2way"] == pytest.approx(two_way)
    assert found["ceiling_top1_of3"] == pytest.approx(of_three)


def test_shifts_of_vertices_scale_and_order_of_clips_and_vertices_do_not_matter() -> None:
    responses = noisy(20, 4, 30, 2.0)
    expected = values(responses)
    assert 0.5 < expected["ceiling_2way"] < 1
    assert values(7 * responses + np.linspace(-50, 50, 30)) == pytest.approx(expected)
    assert values(responses[::-1]) == pytest.approx(expected)
    assert values(responses[..., ::-1]) == pytest.approx(expected)


def test_order_of_repeats_does_not_matter_to_their_correlation() -> None:
    responses = noisy(20, 4, 30, 2.0)
    mixed = responses[:, [2, 0, 3, 1]]
    assert values(mixed)["ceiling_r"] == pytest.approx(values(responses)["ceiling_r"])


def test_a_clip_keeps_its_own_value_in_another_order() -> None:
    responses = noisy(20, 3, 30, 1.0)
    for name, own in measures(responses).items():
        assert own.per_clip is not None
        backwards = measures(responses[::-1])[name].per_clip
        np.testing.assert_allclose(backwards, own.per_clip[::-1])


def test_one_repeat_leaves_everything_undefined() -> None:
    found = measures(noisy(12, 1, 40, 1.0))
    assert list(found) == ["ceiling_r", "ceiling_2way", f"ceiling_top1_of{POOL}"]
    assert all(np.isnan(value) for value in values(noisy(12, 1, 40, 1.0)).values())
    assert all("one repeat" in own.definition and own.n == 0 for own in found.values())


def test_a_pool_larger_than_the_clips_leaves_that_identification_undefined() -> None:
    found = values(noisy(12, 2, 40, 0.0), pool=13)
    assert np.isnan(found["ceiling_top1_of13"])
    assert found["ceiling_2way"] == pytest.approx(1)


def test_rows_have_chance_definition_and_significance() -> None:
    ids = [f"m:{index}" for index in range(30)]
    drawn = resamples(ids, Evaluate(block_clips=2, bootstrap=100, permutations=99))
    rows = {name: row(own, drawn) for name, own in measures(noisy(30, 4, 200, 1.0)).items()}
    assert [facts["chance"] for facts in rows.values()] == [None, 1 / 2, 1 / POOL]
    assert [facts["p"] for facts in rows.values()] == [1 / 100] * 3
    assert rows["ceiling_r"]["permutation_mean"] == pytest.approx(0, abs=0.1)
    assert all("4 repeats, 3 splits" in facts["definition"] for facts in rows.values())
