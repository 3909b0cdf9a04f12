"""Concept scores against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from neurons.evaluate.concepts import (
    average_precision,
    average_precision_statistic,
    counts_statistic,
    macro_f1_statistic,
)
from neurons.evaluate.strict_tasks import concept_measures

GENERATOR = np.random.default_rng(0)
LABELS = (GENERATOR.random((40, 5)) < [0.5, 0.1, 0.9, 0.3, 0.0]).astype(np.uint8)
SCORES = GENERATOR.random((40, 5)).astype(np.float32)
TIED = np.round(SCORES, 1)
CLIPS = np.arange(40)


@pytest.mark.parametrize("scores", [SCORES, TIED, np.zeros_like(SCORES)])
def test_average_precision_equals_scikit_learn(scores: np.ndarray) -> None:
    for c in range(4):
        expected = average_precision_score(LABELS[:, c], scores[:, c])
        assert average_precision(LABELS[:, c], scores[:, c]) == pytest.approx(expected)


def test_constant_score_has_the_prevalence_as_average_precision() -> None:
    assert average_precision(LABELS[:, 3], np.ones(40)) == pytest.approx(LABELS[:, 3].mean())


def test_class_without_support_is_undefined() -> None:
    assert np.isnan(average_precision(LABELS[:, 4], SCORES[:, 4]))


def test_mean_average_precision_skips_classes_without_support() -> None:
    expected = np.mean([average_precision_score(LABELS[:, c], TIED[:, c]) for c in range(4)])
    assert average_precision_statistic(LABELS, TIED)(CLIPS, CLIPS) == pytest.approx(expected)


def test_statistics_of_pairings_equal_those_of_rearranged_data() -> None:
    pairings = np.stack([GENERATOR.integers(40, size=40) for _ in range(3)])
    recognised = TIED > 0.5
    for statistic in (
        lambda y, s: average_precision_statistic(y, s),
        lambda y, s: macro_f1_statistic(y, s > 0.5),
        lambda y, s: counts_statistic(y, s > 0.5, "f1"),
    ):
        together = statistic(LABELS, TIED)(np.broadcast_to(CLIPS, (3, 40)), pairings)
        apart = [statistic(LABELS, TIED[pairing])(CLIPS, CLIPS) for pairing in pairings]
        np.testing.assert_allclose(together, apart)
    assert recognised.any()


def test_counts_equal_scikit_learn() -> None:
    recognised = SCORES > 0.5
    expected = {
        "f1": f1_score(LABELS, recognised, average="micro"),
        "precision": precision_score(LABELS, recognised, average="micro"),
        "recall": recall_score(LABELS, recognised, average="micro"),
    }
    for figure, value in expected.items():
        assert counts_statistic(LABELS, recognised, figure)(CLIPS, CLIPS) == pytest.approx(value)
    macro = f1_score(LABELS[:, :4], recognised[:, :4], average="macro")
    assert macro_f1_statistic(LABELS, recognised)(CLIPS, CLIPS) == pytest.approx(macro)


def test_precision_of_nothing_recognised_is_undefined() -> None:
    nothing = np.zeros((40, 5), bool)
    assert np.isnan(counts_statistic(LABELS, nothing, "precision")(CLIPS, CLIPS))
    assert counts_statistic(LABELS, nothing, "recall")(CLIPS, CLIPS) == 0


def test_measures_report_support_and_prevalence() -> None:
    measures = {m.name: m for m in concept_measures(LABELS, SCORES, LABELS, 0.5)}
    assert measures["concept_map"].chance == pytest.approx(LABELS[:, :4].mean())
    usual = np.broadcast_to(LABELS.mean(0) >= 0.5, LABELS.shape)
    assert measures["concept_f1_micro"].chance == pytest.approx(f1_score(LABELS, usual, average="micro"))
