"""Reference videos with known answers."""

import numpy as np
import pytest

from neurons.evaluate.references import PENALTIES, mean_video, retrieve

GENERATOR = np.random.default_rng(0)
EMBEDDINGS = GENERATOR.normal(size=(120, 8)) + 3
VALIDATION = np.arange(120) >= 100
WEIGHTS = GENERATOR.normal(size=(8, 30))


def responses(embeddings: np.ndarray, noise: float) -> np.ndarray:
    return (embeddings - 3) @ WEIGHTS + noise * GENERATOR.normal(size=(len(embeddings), 30))


def training(noise: float) -> np.ndarray:
    return np.stack([responses(EMBEDDINGS, noise) for _ in range(2)], 1)


def test_mean_video() -> None:
    videos = [np.full((3, 1, 2, 2, 3), 10, np.uint8), np.full((1, 1, 2, 2, 3), 21, np.uint8)]
    assert (mean_video(videos) == round(51 / 4)).all()


def test_responses_to_a_training_clip_find_it() -> None:
    wanted = np.array([5, 70, 111, 5])
    found, penalty = retrieve(training(0.01), EMBEDDINGS, responses(EMBEDDINGS[wanted], 0.01), VALIDATION)
    assert found.tolist() == wanted.tolist()
    assert penalty <= PENALTIES[2]


def test_more_noise_asks_for_a_larger_penalty() -> None:
    test = responses(EMBEDDINGS, 0)
    penalties = [retrieve(training(noise), EMBEDDINGS, test, VALIDATION)[1] for noise in (0.1, 10.0, 1000.0)]
    assert penalties[0] < penalties[1] < penalties[2]


def test_responses_without_signal_find_nothing() -> None:
    noise = GENERATOR.normal(size=(120, 2, 30))
    found, _ = retrieve(noise, EMBEDDINGS, responses(EMBEDDINGS, 0.1), VALIDATION)
    assert (found == np.arange(120)).mean() < 0.1


def test_order_of_training_clips_does_not_matter() -> None:
    train, test = training(0.5), responses(EMBEDDINGS[:20], 0.5)
    order = GENERATOR.permutation(120)
    straight, _ = retrieve(train, EMBEDDINGS, test, VALIDATION)
    shuffled, _ = retrieve(train[order], EMBEDDINGS[order], test, VALIDATION[order])
    assert (order[shuffled] == straight).all()


def test_length_of_responses_only_scales_the_penalty() -> None:
    train, test = training(0.5), responses(EMBEDDINGS[:20], 0.5)
    plain, scaled = (retrieve(f * train, EMBEDDINGS, f * test, VALIDATION) for f in (1.0, 100.0))
    assert (plain[0] == scaled[0]).all()
    assert plain[1] == pytest.approx(scaled[1])
