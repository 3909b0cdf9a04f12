"""Encoding: what predicts, what is unique, and how well anything could do."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.artifacts import clip_id
from neurons.interpret.encoding import (
    correlation_terms,
    encode,
    folds_of,
    lagged,
    noise_ceiling,
    unique_terms,
)
from neurons.interpret.outputs import principal_components
from neurons.interpret.tasks import TASKS


def test_a_response_is_predicted_by_its_own_task_and_only_that_is_unique():
    rng = np.random.default_rng(0)
    n, train = 400, np.arange(300)
    features = {task: rng.normal(size=(n, 3)).astype(np.float32) for task in TASKS}
    features["blurry_video"] = features["segmentation"] + 0.01 * rng.normal(size=(n, 3)).astype(np.float32)
    weights = rng.normal(size=3)
    signal = np.stack(
        [features["concepts"] @ weights, features["segmentation"] @ weights, np.zeros(n)], axis=1
    )
    responses = (signal + rng.normal(size=(n, 3))).astype(np.float32)
    held_out = np.arange(300, n)
    made = encode(features, responses[train], train // 50, train, held_out)
    measured = responses[held_out]
    r = np.stack([correlation_terms(part, measured).mean(axis=0) for part in made.alone])
    unique = np.stack([unique_terms(made.full, part, measured).mean(axis=0) for part in made.without])
    expected = np.linalg.norm(weights) / np.sqrt(1 + weights @ weights)
    assert r[TASKS.index("concepts"), 0] == pytest.approx(expected, abs=0.1)
    assert unique[TASKS.index("concepts"), 0] == pytest.approx(expected**2, abs=0.12)
    # Two tasks that say the same predict alike, and neither is unique.
    assert r[TASKS.index("segmentation"), 1] > 0.7 and r[TASKS.index("blurry_video"), 1] > 0.7
    assert abs(unique[:, 1]).max() < 0.05
    assert abs(r[:, 2]).max() < 0.3 and unique[:, 2].max() < 0.05


def test_terms_average_to_the_correlation():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 30, 4))
    a[:, 3] = 2.0
    terms = correlation_terms(a, b).mean(axis=0)
    np.testing.assert_allclose(terms[:3], [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(3)])
    assert terms[3] == 0


def test_lagged_features_are_those_of_the_clips_around_within_the_movie():
    ids = [clip_id("seg1", 0), clip_id("seg1", 1), clip_id("seg2", 0), clip_id("seg2", 1)]
    features = np.arange(1.0, 5.0)[:, None]
    assert lagged(features, ids, [-1, 0, 1]).tolist() == [[2, 1, 0], [0, 2, 1], [4, 3, 0], [0, 4, 3]]
    assert lagged(features, ids, [1]).tolist() == [[0], [1], [0], [3]]


def test_folds_keep_movies_whole():
    groups = np.repeat(["a", "b", "c", "d", "e", "f"], 3)
    folds = folds_of(groups)
    assert set(folds) == {0, 1, 2, 3}
    assert all(len(set(folds[groups == name])) == 1 for name in "abcdef")


@pytest.mark.parametrize("repeats", [2, 5])
def test_ceiling_is_what_the_true_signal_reaches(repeats):
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(40_000, 3)) * [0.3, 1.0, 0.0]
    responses = signal[:, None] + rng.normal(size=(40_000, repeats, 3))
    reached = [np.corrcoef(signal[:, i], responses[:, :, i].mean(axis=1))[0, 1] for i in range(2)]
    ceiling = noise_ceiling(responses)
    np.testing.assert_allclose(ceiling[:2], reached, atol=0.04)
    assert ceiling[2] < 0.15


def test_components_are_found_in_training_clips_and_have_unit_variance_there():
    rng = np.random.default_rng(3)
    values = (rng.normal(size=(50, 2)) @ rng.normal(size=(2, 20))).astype(np.float32)
    train = np.arange(40)
    scores = principal_components(values, train, 5)
    assert scores.shape == (50, 5)
    assert scores[train].var(axis=0).sum() == pytest.approx(1, abs=1e-4)
    changed = values.copy()
    changed[45] += 100
    np.testing.assert_allclose(principal_components(changed, train, 5)[:40], scores[:40], atol=1e-5)
