"""Cosines of CLIP embeddings, and identification by them."""

from itertools import combinations

import numpy as np
import pytest

from neurons.evaluate.semantics import adjacent_cosine, allpairs_cosine, framewise_cosine, identified

TRUTH, PREDICTION = np.random.default_rng(0).normal(size=(2, 4, 3, 8))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_adjacent_cosine_by_hand() -> None:
    expected = [np.mean([cosine(clip[0], clip[1]), cosine(clip[1], clip[2])]) for clip in TRUTH]
    np.testing.assert_allclose(adjacent_cosine(TRUTH), expected)


def test_frozen_clip_has_adjacent_cosine_1() -> None:
    assert adjacent_cosine(np.repeat(TRUTH[:, :1], 3, 1)) == pytest.approx(1)


def test_one_frame_has_no_neighbour() -> None:
    assert np.isnan(adjacent_cosine(TRUTH[:, :1])).all()


def test_framewise_cosine_by_hand() -> None:
    values = framewise_cosine(TRUTH, PREDICTION)
    for i in range(4):
        for j in range(4):
            expected = np.mean([cosine(TRUTH[i, f], PREDICTION[j, f]) for f in range(3)])
            assert values[i, j] == pytest.approx(expected)


def test_length_of_embeddings_does_not_matter() -> None:
    np.testing.assert_allclose(framewise_cosine(TRUTH, 5 * PREDICTION), framewise_cosine(TRUTH, PREDICTION))


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_embeddings_without_direction_are_refused(value: float) -> None:
    bad = TRUTH.copy()
    bad[1, 2] = value
    with pytest.raises(ValueError, match="zero vectors"):
        framewise_cosine(TRUTH, bad)


def test_allpairs_cosine_by_hand() -> None:
    for clip, value in zip(TRUTH, allpairs_cosine(TRUTH), strict=True):
        expected = np.mean([cosine(clip[a], clip[b]) for a in range(3) for b in range(3) if a != b])
        assert value == pytest.approx(expected)
    assert allpairs_cosine(np.repeat(TRUTH[:, :1], 3, 1)) == pytest.approx(1)
    assert np.isnan(allpairs_cosine(TRUTH[:, :1])).all()


@pytest.mark.parametrize("pool", [2, 3, 5])
@pytest.mark.parametrize("levels", [1000, 3])
def test_identification_equals_all_draws_in_all_orders_of_ties(pool: int, levels: int) -> None:
    similarity = np.random.default_rng(0).integers(0, levels, (5, 5)).astype(float)
    values = identified(similarity, pool)
    for i in range(5):
        for j in range(5):
            others = [k for k in range(5) if k != i]
            wins = []
            for drawn in combinations(others, pool - 1):
                nearer = [similarity[k, j] > similarity[i, j] for k in drawn]
                equal = sum(similarity[k, j] == similarity[i, j] for k in drawn)
                wins.append(0.0 if any(nearer) else 1 / (1 + equal))
            assert values[i, j] == pytest.approx(np.mean(wins))


def test_identification_needs_enough_clips() -> None:
    with pytest.raises(ValueError, match="draws 5 classes"):
        identified(np.eye(5), 6)
