"""Cosines of CLIP embeddings."""

import numpy as np
import pytest

from neurons.evaluate.semantics import adjacent_cosine, framewise_cosine

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
