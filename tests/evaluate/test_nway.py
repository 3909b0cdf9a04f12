"""N-way identification: the closed form against brute force over draws and orders of ties, sampling, and chance."""

from itertools import combinations, permutations

import numpy as np
import pytest

from neurons.evaluate.nway import (
    all_standings,
    chance_level,
    identification,
    own_standing,
    success_probability,
)


def probabilities(*shape: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    return values / values.sum(-1, keepdims=True)


def succeeds(
    prediction: np.ndarray, own: list[int], drawn: tuple[int, ...], top_k: int, order: tuple
) -> bool:
    """Whether a class of the truth, by itself against the drawn, is among the k most probable; ties go by `order`."""
    for candidate in own:
        ranked = sorted([candidate, *drawn], key=lambda c: (-prediction[c], order.index(c)))
        if candidate in ranked[:top_k]:
            return True
    return False


def by_brute_force(
    truth: np.ndarray, prediction: np.ndarray, n_way: int, top_k: int, truths: int, tied: bool = False
) -> float:
    """Mean success over every draw and, for tied predictions, over every order of the classes."""
    classes = len(truth)
    own = sorted(range(classes), key=lambda c: -truth[c])[:truths]
    others = [c for c in range(classes) if c not in own]
    orders = list(permutations(range(classes))) if tied else [tuple(range(classes))]
    outcomes = [
        succeeds(prediction, own, drawn, top_k, order)
        for order in orders
        for drawn in combinations(others, n_way - 1)
    ]
    return float(np.mean(outcomes))


@pytest.mark.parametrize("truths", [1, 3])
@pytest.mark.parametrize(
    ("classes", "n_way", "top_k"),
    [(5, 2, 1), (5, 2, 2), (7, 3, 1), (8, 4, 1), (8, 4, 2), (9, 6, 3), (9, 7, 1)],
)
def test_closed_form_equals_all_draws(classes: int, n_way: int, top_k: int, truths: int) -> None:
    truth, prediction = probabilities(3, classes), probabilities(4, classes, seed=1)
    result = identification(truth, prediction, n_way, top_k, truths)
    assert result.shape == (3, 4)
    for i in range(3):
        for j in range(4):
            expected = by_brute_force(truth[i], prediction[j], n_way, top_k, truths)
            assert result[i, j] == pytest.approx(expected, abs=1e-12)


TIED = {
    "truth tied with distractors": ([9, 5, 4, 3, 2], [2, 2, 3, 2, 1]),
    "all tied": ([9, 5, 4, 3, 2], [1, 1, 1, 1, 1]),
    "truths tied with each other": ([9, 8, 7, 3, 2], [2, 2, 2, 3, 1]),
    "truths tied with each other and with distractors": ([9, 8, 7, 3, 2], [2, 2, 1, 2, 2]),
    "a lower truth tied with distractors": ([9, 8, 7, 3, 2], [3, 1, 1, 1, 1]),
    "distractors tied with each other": ([9, 8, 7, 3, 2], [1, 0, 0, 2, 2]),
}


@pytest.mark.parametrize(
    ("n_way", "top_k", "truths"), [(2, 1, 1), (3, 1, 1), (4, 2, 1), (2, 1, 3), (3, 1, 3), (3, 2, 3)]
)
@pytest.mark.parametrize("case", TIED)
def test_ties_give_the_mean_over_all_orders(case: str, n_way: int, top_k: int, truths: int) -> None:
    truth, prediction = (np.array(values, dtype=float) for values in TIED[case])
    result = identification(truth[None], prediction[None], n_way, top_k, truths)[0, 0]
    assert result == pytest.approx(
        by_brute_force(truth, prediction, n_way, top_k, truths, tied=True), abs=1e-12
    )


@pytest.mark.parametrize("truths", [1, 3])
def test_random_ties_give_the_mean_over_all_orders(truths: int) -> None:
    generator = np.random.default_rng(3)
    truth, prediction = probabilities(3, 6), generator.integers(0, 3, (3, 6)) / 10
    result = identification(truth, prediction, 3, 1, truths)
    for i in range(3):
        expected = by_brute_force(truth[i], prediction[i], 3, 1, truths, tied=True)
        assert result[i, i] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("levels", [3, 10**6])
@pytest.mark.parametrize("truths", [1, 3])
def test_a_clip_by_itself_stands_as_among_all_pairs(truths: int, levels: int) -> None:
    generator = np.random.default_rng(levels + truths)
    truth, prediction = generator.integers(0, levels, (2, 9, 4, 12)) / levels
    own, every = own_standing(truth, prediction, truths), all_standings(truth, prediction, truths)
    for name in ("beaten", "equal", "same"):
        np.testing.assert_array_equal(
            getattr(own, name), np.diagonal(getattr(every, name), axis1=1, axis2=2).T
        )
    np.testing.assert_allclose(
        own.success(4, 2).mean(1), np.diagonal(identification(truth, prediction, 4, 2, truths))
    )


def sampled(
    truth: np.ndarray, prediction: np.ndarray, n_way: int, top_k: int, truths: int, draws: int
) -> float:
    """The sampling of released evaluators: each class of the truth by itself against one draw without replacement."""
    generator = np.random.default_rng(n_way + 10 * top_k + 100 * truths)
    own = np.argsort(truth)[-truths:]
    others = np.delete(np.arange(len(truth)), own)
    wins = 0
    for _ in range(draws):
        picked = prediction[generator.choice(others, n_way - 1, replace=False)]
        wins += any(prediction[g] in np.sort(np.append(picked, prediction[g]))[-top_k:] for g in own)
    return wins / draws


@pytest.mark.parametrize("truths", [1, 3])
@pytest.mark.parametrize(("n_way", "top_k", "share_above"), [(2, 1, 0.4), (50, 1, 0.014), (50, 5, 0.09)])
@pytest.mark.parametrize("classes", [400, 1000])
def test_closed_form_equals_long_sampling(
    classes: int, n_way: int, top_k: int, share_above: float, truths: int
) -> None:
    truth, prediction = probabilities(1, classes)[0], probabilities(1, classes, seed=1)[0]
    # The best class of the truth stands where neither success nor failure is certain.
    own = np.argsort(truth)[-truths:]
    prediction[own] = np.quantile(prediction, 1 - share_above) / np.arange(1, truths + 1)
    exact = identification(truth[None], prediction[None], n_way, top_k, truths)[0, 0]
    assert 0.2 < exact < 0.8
    draws = 4000
    standard_error = np.sqrt(exact * (1 - exact) / draws)
    assert abs(sampled(truth, prediction, n_way, top_k, truths, draws) - exact) <= 3.5 * standard_error


@pytest.mark.parametrize(
    ("n_way", "top_k", "truths"),
    [(2, 1, 1), (2, 2, 1), (5, 1, 1), (5, 3, 1), (2, 1, 3), (5, 1, 3), (5, 2, 3)],
)
def test_chance_level_equals_all_orders_of_exchangeable_classes(n_way: int, top_k: int, truths: int) -> None:
    places = list(combinations(range(n_way - 1 + truths), truths))
    expected = np.mean([min(taken) < top_k for taken in places])
    assert chance_level(n_way, top_k, truths) == pytest.approx(expected, abs=1e-12)


def test_chance_levels_of_published_tables() -> None:
    assert chance_level(2) == pytest.approx(1 / 2)
    assert chance_level(50) == pytest.approx(1 / 50)
    assert chance_level(2, truths=3) == pytest.approx(3 / 4)
    assert chance_level(50, truths=3) == pytest.approx(3 / 52)


@pytest.mark.parametrize("truths", [1, 3])
@pytest.mark.parametrize(("n_way", "top_k"), [(2, 1), (50, 1), (50, 5)])
def test_constant_prediction_scores_exactly_chance(n_way: int, top_k: int, truths: int) -> None:
    constant = np.full((1, 60), 1 / 60)
    values = identification(probabilities(3, 60), constant, n_way, top_k, truths)
    np.testing.assert_allclose(values, chance_level(n_way, top_k, truths), atol=1e-12)


@pytest.mark.parametrize("truths", [1, 3])
def test_prediction_without_signal_scores_chance(truths: int) -> None:
    own = np.diagonal(identification(probabilities(600, 100), probabilities(600, 100, seed=1), 2, 1, truths))
    assert abs(own.mean() - chance_level(2, 1, truths)) < 4 * own.std() / np.sqrt(len(own))


def test_two_way_is_the_share_of_beaten_classes() -> None:
    np.testing.assert_allclose(success_probability(999, 2), 1 - np.arange(1000) / 999, atol=1e-9)


def test_when_all_others_are_drawn_the_rank_decides() -> None:
    np.testing.assert_allclose(success_probability(5, 6), [1, 0, 0, 0, 0, 0], atol=1e-12)
    np.testing.assert_allclose(success_probability(5, 6, 3), [1, 1, 1, 0, 0, 0], atol=1e-12)


def test_more_places_never_hurt_and_all_places_suffice() -> None:
    truth, prediction = probabilities(5, 30), probabilities(5, 30, seed=1)
    values = [identification(truth, prediction, 10, k, 3) for k in range(1, 11)]
    gains = np.diff(values, axis=0)
    assert gains.min() >= -1e-12
    assert gains.max() > 0.01
    np.testing.assert_allclose(values[-1], 1, atol=1e-12)


def test_half_precision_gives_the_same_as_its_values_in_double() -> None:
    truth, prediction = probabilities(3, 80), probabilities(3, 80, seed=1).astype(np.float16)
    expected = identification(truth, prediction.astype(np.float64), 5, 1, 3)
    np.testing.assert_array_equal(identification(truth, prediction, 5, 1, 3), expected)


@pytest.mark.parametrize("truths", [1, 3])
def test_frames_are_averaged(truths: int) -> None:
    truth, prediction = probabilities(3, 4, 9), probabilities(3, 4, 9, seed=1)
    single = [identification(truth[:, f], prediction[:, f], 3, 1, truths) for f in range(4)]
    np.testing.assert_allclose(identification(truth, prediction, 3, 1, truths), np.mean(single, 0))


@pytest.mark.parametrize("truths", [1, 3])
def test_order_of_classes_and_clips_does_not_matter(truths: int) -> None:
    truth, prediction = probabilities(5, 20), probabilities(5, 20, seed=1)
    expected = identification(truth, prediction, 7, 2, truths)
    classes, clips = np.random.default_rng(3).permutation(20), np.random.default_rng(4).permutation(5)
    shuffled = identification(truth[clips][:, classes], prediction[clips][:, classes], 7, 2, truths)
    np.testing.assert_allclose(shuffled, expected[np.ix_(clips, clips)])


def test_only_the_order_of_probabilities_matters() -> None:
    truth, prediction = probabilities(4, 20), probabilities(4, 20, seed=1)
    np.testing.assert_array_equal(
        identification(truth, np.log(prediction), 5, 2, 3), identification(truth, prediction, 5, 2, 3)
    )


def test_of_equally_probable_classes_of_the_truth_the_first_counts() -> None:
    truth = np.array([[0.2, 0.4, 0.4]])
    assert identification(truth, np.array([[0.1, 0.8, 0.1]]), 3)[0, 0] == 1
    assert identification(truth, np.array([[0.1, 0.1, 0.8]]), 3)[0, 0] == 0


def test_truth_as_prediction_always_wins() -> None:
    truth = probabilities(5, 30)
    assert np.diagonal(identification(truth, truth, 30)) == pytest.approx(1.0)
    assert np.diagonal(identification(truth, truth, 28, 1, 3)) == pytest.approx(1.0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_probabilities_that_are_not_finite_are_refused(value: float) -> None:
    good = probabilities(2, 5)
    bad = good.copy()
    bad[0, 0] = value
    for pair in ((good, bad), (bad, good)):
        with pytest.raises(ValueError, match="NaN or infinite"):
            identification(*pair, 2)


def test_other_numbers_of_classes_or_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in frames or classes"):
        identification(probabilities(2, 5), probabilities(2, 6), 2)
    with pytest.raises(ValueError, match="differ in frames or classes"):
        identification(probabilities(2, 3, 5), probabilities(2, 4, 5), 2)


@pytest.mark.parametrize(
    ("n_way", "truths", "besides"), [(50, 1, 4), (6, 1, 4), (4, 3, 2), (2, 5, 0), (1, 1, 4)]
)
def test_too_few_classes_are_refused(n_way: int, truths: int, besides: int) -> None:
    good = probabilities(2, 5)
    with pytest.raises(ValueError, match=f"draws {n_way - 1} classes, but there are {besides} besides"):
        identification(good, good, n_way, 1, truths)


@pytest.mark.parametrize("top_k", [0, -1, 4])
def test_places_outside_the_choice_are_refused(top_k: int) -> None:
    good = probabilities(2, 5)
    with pytest.raises(ValueError, match="k must lie between 1 and 3"):
        identification(good, good, 3, top_k)
