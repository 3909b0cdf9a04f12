"""Dice and IoU against scikit-learn, and the best constant mask against all candidates."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, jaccard_score

from neurons.evaluate.masks import best_constant_mask, overlap
from neurons.evaluate.measures import Measure
from neurons.evaluate.strict_tasks import mask_measures

TRUTH, PREDICTION = np.random.default_rng(0).random((2, 4, 2, 6, 5)) > 0.6


def values(measures: list[Measure]) -> dict[str, float]:
    clips = np.arange(4)
    return {measure.name: float(measure.statistic(clips, clips)) for measure in measures}


def test_overlap_of_all_pairs_equals_scikit_learn() -> None:
    dice, iou = overlap(TRUTH, PREDICTION)
    for i in range(4):
        for j in range(4):
            assert dice[i, j] == pytest.approx(f1_score(TRUTH[i].ravel(), PREDICTION[j].ravel()))
            assert iou[i, j] == pytest.approx(jaccard_score(TRUTH[i].ravel(), PREDICTION[j].ravel()))


def test_edges() -> None:
    empty, full = np.zeros((1, 2, 6, 5), bool), np.ones((1, 2, 6, 5), bool)
    assert overlap(TRUTH, empty)[0] == pytest.approx(0)
    area = TRUTH.mean((1, 2, 3))
    assert overlap(TRUTH, full)[0][:, 0] == pytest.approx(2 * area / (1 + area))
    assert np.isnan(overlap(empty, empty)[0]).all()
    with pytest.raises(ValueError, match="differ"):
        overlap(TRUTH, PREDICTION[:, :, :5])


def test_best_constant_mask_is_the_best_level_of_the_mean() -> None:
    training = (np.random.default_rng(1).random((30, 2, 6, 5)) < np.linspace(0.05, 0.95, 5)).astype(np.uint8)
    mean = training.mean(0)
    chosen = overlap(training.astype(bool), best_constant_mask(training)[None])[0].mean()
    levels = np.arange(1, 51) / 50
    every = [overlap(training.astype(bool), (mean >= level)[None])[0].mean() for level in levels[:-1]]
    assert chosen == pytest.approx(max(every))


def test_empty_training_masks_give_an_empty_constant_mask() -> None:
    assert not best_constant_mask(np.zeros((3, 2, 6, 5), np.uint8)).any()


def test_clips_without_object_count_for_specificity_only() -> None:
    truth = TRUTH.astype(np.uint8)
    truth[1] = 0
    prediction = truth.astype(float)
    prediction[1, 0, 0, 0] = 1.0
    measures = list(mask_measures(truth, prediction, TRUTH.astype(np.uint8), 0.5))
    found = values(measures)
    assert (found["dice"], found["iou"]) == (1.0, 1.0)
    assert found["mask_specificity"] == pytest.approx(1 - 1 / 60)
    assert {measure.name: measure.n for measure in measures}["dice"] == 3
    area = truth[[0, 2, 3]].mean((1, 2, 3))
    assert found["dice_ones"] == pytest.approx((2 * area / (1 + area)).mean())
    assert found["dice_empty"] == 0


def test_chance_of_dice_is_the_best_trivial_mask() -> None:
    measures = list(mask_measures(TRUTH, PREDICTION.astype(float), TRUTH, 0.5))
    found = values(measures)
    by_name = {measure.name: measure for measure in measures}
    assert by_name["dice"].chance == pytest.approx(max(found["dice_ones"], found["dice_mean_mask"], 0))
    assert by_name["iou"].chance == pytest.approx(max(found["iou_ones"], found["iou_mean_mask"], 0))
    assert np.isnan(found["mask_specificity"])
