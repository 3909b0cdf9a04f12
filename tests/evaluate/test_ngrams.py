"""BLEU against sacrebleu and CIDEr-D against pycocoevalcap."""

import numpy as np
import pytest
from pycocoevalcap.cider.cider import Cider
from sacrebleu.metrics import BLEU

from neurons.evaluate.ngrams import bleu_statistic, cider, words

REFERENCES = [
    "a red car drives left on a road near a tree",
    "a dog sits in a field",
    "two birds fly over the sea and the sea is blue",
    "a red car drives left on a road",
    "the the the the",
]
HYPOTHESES = [
    "a blue car drives left on a road near a house",
    "a dog sits in a field",
    "the bird flies over the sea the sea the sea the sea",
    "snow",
    "",
]
SPLIT = [text.split() for text in REFERENCES], [text.split() for text in HYPOTHESES]


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_bleu_of_pairings_equals_sacrebleu(order: int) -> None:
    statistic = bleu_statistic(*SPLIT, order)
    judge = BLEU(max_ngram_order=order, tokenize="none", smooth_method="none", force=True)
    generator = np.random.default_rng(order)
    for _ in range(20):
        truth, prediction = generator.integers(5, size=(2, 5))
        said, wanted = [HYPOTHESES[j] for j in prediction], [REFERENCES[i] for i in truth]
        expected = judge.corpus_score(said, [wanted]).score / 100
        assert statistic(truth, prediction) == pytest.approx(expected, abs=1e-9)


def test_bleu_of_many_pairings_at_once() -> None:
    statistic = bleu_statistic(*SPLIT, 2)
    pairings = np.random.default_rng(0).integers(5, size=(2, 7, 5))
    apart = [statistic(i, j) for i, j in zip(*pairings, strict=True)]
    np.testing.assert_allclose(statistic(*pairings), apart)


def test_bleu_at_the_edges() -> None:
    same = bleu_statistic(SPLIT[0], SPLIT[0], 4)
    clips = np.arange(5)
    assert same(clips, clips) == pytest.approx(1)
    assert bleu_statistic(SPLIT[0], [[]] * 5, 1)(clips, clips) == 0
    short = bleu_statistic([["a", "b", "c", "d"]], [["a", "b"]], 1)
    assert short(np.array([0]), np.array([0])) == pytest.approx(np.exp(1 - 4 / 2))


def test_cider_of_all_pairs_equals_pycocoevalcap() -> None:
    values = cider(*SPLIT)
    for shift in range(5):
        said = {i: [HYPOTHESES[(i + shift) % 5]] for i in range(5)}
        _, expected = Cider().compute_score({i: [text] for i, text in enumerate(REFERENCES)}, said)
        own = values[np.arange(5), (np.arange(5) + shift) % 5]
        np.testing.assert_allclose(own, expected, atol=1e-9)


def test_words() -> None:
    assert words("A well-lit Road, at night.") == ["a", "well-lit", "road", "at", "night"]
    assert words(" ... ") == []
