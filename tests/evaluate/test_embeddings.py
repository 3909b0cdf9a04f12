"""Scores of single clips without videos: closed forms, invariances, and other people's implementations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score

from neurons.decouple.validation import centred_correlation
from neurons.evaluate.embeddings import deviation_correlation, identification, ranking_precision

RNG = np.random.default_rng(3)
TRUTH = RNG.normal(size=(40, 3, 5))


def test_a_clip_that_is_decoded_is_identified_whatever_offset_and_scale() -> None:
    offset = RNG.normal(size=(3, 5))
    assert identification(0.1 * TRUTH + offset, TRUTH) == pytest.approx(np.ones(40))
    assert identification(-TRUTH, TRUTH) == pytest.approx(np.zeros(40), abs=0.2)


def test_without_information_identification_is_at_chance() -> None:
    values = [identification(RNG.normal(size=(40, 3, 5)), TRUTH).mean() for _ in range(30)]
    assert np.mean(values) == pytest.approx(0.5, abs=0.03)


def test_clips_of_one_scene_count_by_half() -> None:
    """Two pairs of equal truths: of three other clips one is the same, two are farther."""
    truth = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    assert identification(truth, truth) == pytest.approx(np.full(4, 2.5 / 3))


def test_order_of_clips_does_not_matter() -> None:
    predicted = TRUTH + RNG.normal(size=TRUTH.shape)
    order = RNG.permutation(40)
    assert identification(predicted, TRUTH)[order] == pytest.approx(
        identification(predicted[order], TRUTH[order])
    )


def test_ranking_of_concepts_agrees_with_scikit_learn() -> None:
    labels = (RNG.random((60, 51)) < 0.05).astype(np.uint8)
    labels[7] = 0
    labels[8, 2] = 1
    probability = RNG.random((60, 51)).round(1)
    values = ranking_precision(probability, labels)
    some = labels.any(axis=1)
    assert np.isnan(values[~some]).all() and np.isfinite(values[some]).all()
    assert values[some].mean() == pytest.approx(
        label_ranking_average_precision_score(labels[some], probability[some])
    )


def test_correlation_of_deviations_is_that_of_the_decoupler_s_validation() -> None:
    mean = RNG.normal(size=(3, 5))
    predicted = TRUTH + RNG.normal(size=TRUTH.shape)
    predicted[3] = mean
    values = deviation_correlation(predicted, TRUTH, mean)
    assert values[3] == 0
    assert values.mean() == pytest.approx(centred_correlation(predicted, TRUTH, mean))
