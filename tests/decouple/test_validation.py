"""Scores on held-out clips, against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from neurons.decouple.validation import average_precision, centred_correlation, mask_dice, word_f1


def test_dice_is_over_a_clips_frames_and_one_if_both_are_empty() -> None:
    truth = np.zeros((3, 2, 4, 4), bool)
    truth[0, :, :2] = True
    predicted = np.zeros_like(truth)
    predicted[0, 0] = True
    predicted[1, 0, 0, 0] = True
    assert mask_dice(predicted, truth) == pytest.approx((2 * 8 / (16 + 16) + 0 + 1) / 3)


def test_average_precision_equals_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random((30, 4)) < 0.3).astype(np.uint8)
    labels[:, 3] = 0
    probability = rng.random((30, 4)).astype(np.float32).round(1)
    expected = [average_precision_score(labels[:, i], probability[:, i]) for i in range(3)]
    assert average_precision(probability, labels) == pytest.approx(np.mean(expected), abs=0.05)
    distinct = rng.permuted(np.linspace(0, 1, 30)[:, None].repeat(4, 1), axis=0).astype(np.float32)
    expected = [average_precision_score(labels[:, i], distinct[:, i]) for i in range(3)]
    assert average_precision(distinct, labels) == pytest.approx(np.mean(expected))


def test_a_constant_ranking_scores_the_prevalence() -> None:
    labels = np.array([[1], [0], [0], [1], [0]], np.uint8)
    assert average_precision(np.full((5, 1), 0.3, np.float32), labels) == pytest.approx(0.4)


def test_word_f1_counts_words_with_multiplicity() -> None:
    assert word_f1(["a red car"], ["A red car"]) == 1
    assert word_f1(["a a a"], ["a red car"]) == pytest.approx(2 * 1 / 6)
    assert word_f1(["dog", ""], ["car", "car"]) == 0


def test_correlation_is_one_for_the_truth_and_zero_for_the_mean() -> None:
    rng = np.random.default_rng(0)
    truth, mean = rng.normal(size=(5, 2, 9)).astype(np.float32), rng.normal(size=(2, 9)).astype(np.float32)
    assert centred_correlation(mean + 3 * (truth - mean), truth, mean) == pytest.approx(1)
    assert centred_correlation(np.broadcast_to(mean, truth.shape).copy(), truth, mean) == 0
