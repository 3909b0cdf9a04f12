"""N-way identification: the closed form against brute force, sampling and chance."""

from itertools import combinations

import numpy as np
import pytest

from neurons.evaluate.nway import identification, success_probability


def probabilities(*shape: int, seed: int = 0) -> np.ndarray:
    values = np.random.default_rng(seed).random(shape)
    return values / values.sum(-1, keepdims=True)


@pytest.mark.parametrize(("classes", "n_way"), [(3, 2), (6, 2), (6, 4), (7, 7), (2, 2)])
def test_closed_form_equals_all_draws(classes: int, n_way: int) -> None:
    truth, prediction = probabilities(4, classes), probabilities(4, classes, seed=1)
    result = identification(truth, prediction, n_way)
    for i in range(4):
        for j in range(4):
            own = int(truth[i].argmax())
            others = [c for c in range(classes) if c != own]
            draws = list(combinations(others, n_way - 1))
            wins = [prediction[j, own] > prediction[j, list(draw)].max() for draw in draws]
            assert result[i, j] == pytest.approx(np.mean(wins), abs=1e-12)


@pytest.mark.parametrize("n_way", [2, 50])
def test_closed_form_equals_sampling_of_400_classes(n_way: int) -> None:
    truth, prediction = probabilities(3, 400), probabilities(3, 400, seed=1)
    own = truth.argmax(-1)
    prediction[np.arange(3), own] = [0.02, 0.0047, 0.003]
    exact = np.diagonal(identification(truth, prediction, n_way))
    generator = np.random.default_rng(2)
    draws = 3000
    for i in range(3):
        others = np.delete(prediction[i], own[i])
        wins = [
            prediction[i, own[i]] > generator.choice(others, n_way - 1, replace=False).max()
            for _ in range(draws)
        ]
        deviation = np.sqrt(exact[i] * (1 - exact[i]) / draws)
        assert abs(np.mean(wins) - exact[i]) <= 4 * deviation + 1e-12


def test_two_way_is_the_share_of_beaten_classes() -> None:
    success = success_probability(1000, 2)
    np.testing.assert_allclose(success, 1 - np.arange(1000) / 999, atol=1e-9)


def test_no_class_may_win_when_all_are_drawn() -> None:
    np.testing.assert_allclose(success_probability(5, 5), [1, 0, 0, 0, 0], atol=1e-12)


@pytest.mark.parametrize("n_way", [2, 50])
def test_constant_prediction_scores_chance(n_way: int) -> None:
    constant = np.full((2, 60), 1 / 60)
    assert identification(probabilities(2, 60), constant, n_way) == pytest.approx(1 / n_way)


def test_ties_are_shared_over_all_orders() -> None:
    truth = np.array([[0.9, 0.05, 0.03, 0.02]])
    prediction = np.array([[0.2, 0.2, 0.4, 0.2]])
    orders = [np.mean([1.0, 1.0, 0.0]), np.mean([1.0, 0.0, 0.0]), np.mean([0.0, 0.0, 0.0])]
    tied = [2 / 3, 1 / 3, 0.0]
    assert orders == pytest.approx(tied)
    assert identification(truth, prediction, 2)[0, 0] == pytest.approx(np.mean(tied))


def test_half_precision_gives_the_same_as_its_values_in_double() -> None:
    truth, prediction = probabilities(3, 80), probabilities(3, 80, seed=1).astype(np.float16)
    expected = identification(truth, prediction.astype(np.float64), 5)
    np.testing.assert_array_equal(identification(truth, prediction, 5), expected)


def test_frames_are_averaged() -> None:
    truth, prediction = probabilities(3, 4, 9), probabilities(3, 4, 9, seed=1)
    single = [identification(truth[:, f], prediction[:, f], 3) for f in range(4)]
    np.testing.assert_allclose(identification(truth, prediction, 3), np.mean(single, 0))


def test_order_of_classes_and_clips_does_not_matter() -> None:
    truth, prediction = probabilities(5, 20), probabilities(5, 20, seed=1)
    expected = identification(truth, prediction, 7)
    classes, clips = np.random.default_rng(3).permutation(20), np.random.default_rng(4).permutation(5)
    shuffled = identification(truth[clips][:, classes], prediction[clips][:, classes], 7)
    np.testing.assert_allclose(shuffled, expected[np.ix_(clips, clips)])


def test_prediction_without_signal_scores_chance() -> None:
    values = identification(probabilities(600, 100), probabilities(600, 100, seed=1), 2)
    own = np.diagonal(values)
    assert abs(own.mean() - 0.5) < 4 * own.std() / np.sqrt(len(own))


def test_truth_as_prediction_always_wins() -> None:
    truth = probabilities(5, 30)
    assert np.diagonal(identification(truth, truth, 30)) == pytest.approx(1.0)


def test_bad_input_is_refused() -> None:
    good = probabilities(2, 5)
    bad = good.copy()
    bad[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        identification(good, bad, 2)
    with pytest.raises(ValueError, match="differ"):
        identification(good, probabilities(2, 6), 2)
    with pytest.raises(ValueError, match="at least 50 classes"):
        identification(good, good, 50)
