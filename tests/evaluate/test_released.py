"""Protocol `released` on 50 random clips: the fast forms give what a plain restatement of the definitions gives."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from neurons.evaluate.measures import Measure
from neurons.evaluate.pairing import Pairing
from neurons.evaluate.released_tasks import recall_measures, released_mask_measures
from neurons.evaluate.released_videos import released_measures
from neurons.evaluate.strict_videos import strict_measures
from neurons.evaluate.videos import Videos

CLIPS, FRAMES, SIZE = 50, 2, 32
WAYS = (2, 50)
OWN = np.arange(CLIPS)


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "released_evaluator.py"
    spec = importlib.util.spec_from_file_location("released_evaluator", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.fixture(scope="module")
def pair() -> tuple[Videos, Videos]:
    """True and predicted videos that have something in common, in pixels and in features."""
    generator = np.random.default_rng(50)
    pixels = generator.integers(0, 256, (CLIPS, FRAMES, SIZE, SIZE, 3)).astype(float)
    noisy = np.clip(0.6 * pixels + 0.4 * generator.integers(0, 256, pixels.shape), 0, 255)
    frames = generator.normal(size=(CLIPS, FRAMES, 1000))
    video = generator.normal(size=(CLIPS, 400))
    clip = generator.normal(size=(CLIPS, FRAMES, 24))
    times = np.tile((np.arange(FRAMES) + 0.5) / 3, (CLIPS, 1))

    def seen(shown: np.ndarray, noise: float) -> Videos:
        def changed(features: np.ndarray) -> np.ndarray:
            return features + noise * generator.normal(size=features.shape)

        return Videos(
            shown.astype(np.uint8),
            times,
            softmax(2 * changed(frames)),
            softmax(2 * changed(video)),
            changed(clip).mean(1),
            changed(clip),
        )

    return seen(pixels, 0.0), seen(noisy, 4.0)


@pytest.fixture(scope="module")
def found(pair: tuple[Videos, Videos]) -> dict[str, Measure]:
    pairing = Pairing.of(OWN[None], 1)
    released = released_measures(*pair, pairing, pairing, WAYS, (1,), 0.6)
    strict = strict_measures(*pair, pairing, OWN // 2, WAYS, (1,), 10)
    return {measure.name: measure for measure in (*released, *strict)}


def own_value(measure: Measure) -> float:
    return float(measure.statistic(OWN, OWN))


@pytest.mark.parametrize("name", ["ssim_columns", "ssim_rgb7", "ssim_gray425", "hue_cosine", "psnr"])
def test_pixels(name: str, plain: ModuleType, pair: tuple[Videos, Videos], found: dict[str, Measure]) -> None:
    restated = [getattr(plain, name)(x, y) for x, y in zip(pair[0].frames, pair[1].frames, strict=True)]
    np.testing.assert_allclose(found[name].per_clip, restated, rtol=1e-6)
    assert own_value(found[name]) == pytest.approx(np.mean(restated), rel=1e-6)


def test_all_pairs_of_frames(
    plain: ModuleType, pair: tuple[Videos, Videos], found: dict[str, Measure]
) -> None:
    restated = [plain.clip_allpairs(embeddings) for embeddings in pair[1].clip]
    np.testing.assert_allclose(found["clip_allpairs"].per_clip, restated, rtol=1e-6)


@pytest.mark.parametrize("n", WAYS)
@pytest.mark.parametrize("scope", ["video", "frame"])
def test_classes_within_the_error_of_sampling(
    scope: str, n: int, plain: ModuleType, pair: tuple[Videos, Videos], found: dict[str, Measure]
) -> None:
    measure = found[f"{scope}_{n}way_gt3"]
    x, y = (
        getattr(videos, f"{scope}_probabilities").reshape(-1, 400 if scope == "video" else 1000)
        for videos in pair
    )
    generator = np.random.default_rng(n)
    trials = 40 if scope == "video" else 20
    restated = [plain.n_way(own, other, n, 1, generator, trials) for own, other in zip(x, y, strict=True)]
    exact = own_value(measure)
    assert 0.02 < exact < 0.98
    # The variance of a mean of proportions is at most that of proportions which are all equal to their mean.
    error = np.sqrt(exact * (1 - exact) / (trials * len(restated)))
    assert abs(np.mean(restated) - exact) < 4 * error


def test_dice_with_a_second_sigmoid(plain: ModuleType) -> None:
    generator = np.random.default_rng(1)
    truth = generator.random((CLIPS, FRAMES, 8, 8)) < 0.2
    truth[:3] = False
    probability = np.clip(0.5 * truth + generator.random(truth.shape), 0, 1)
    (measure,) = released_mask_measures(truth, probability, 0.5)
    restated = [plain.dice_double_sigmoid(x, y) for x, y in zip(truth, probability, strict=True)]
    np.testing.assert_allclose(measure.per_clip, restated, rtol=1e-6)


def test_recall_called_accuracy(plain: ModuleType) -> None:
    generator = np.random.default_rng(2)
    truth = generator.random((CLIPS, 12)) < 0.2
    truth[:, 3] = False
    probability = generator.random(truth.shape)
    (measure,) = recall_measures(truth, probability, 0.5)
    assert own_value(measure) == pytest.approx(plain.concept_recall(truth, probability), rel=1e-6)
