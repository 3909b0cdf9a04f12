"""Blocks: bootstrap intervals cover, permutation p-values are uniform, order does not matter."""

import numpy as np
import pytest
from scipy.stats import binom, kstest

from neurons.artifacts import InputError, split_clip_id
from neurons.evaluate.measures import mean_of_clips, mean_of_pairs, row
from neurons.evaluate.resampling import (
    Resamples,
    block_bootstrap,
    block_numbers,
    block_permutations,
    resamples,
)
from neurons.evaluate.settings import Evaluate

SCENE = 4


def clip_names(movies: int, clips: int) -> list[str]:
    return [f"test{movie}:{index}" for movie in range(movies) for index in range(clips)]


def test_permutations_move_whole_blocks() -> None:
    ids = clip_names(2, 10)
    permutations = block_permutations(ids, 5, 50, 0)
    assert (np.sort(permutations, 1) == np.arange(20)).all()
    starts = permutations.reshape(50, 4, 5)
    assert (np.diff(starts, axis=2) == 1).all()
    assert (starts[:, :, 0] % 5 == 0).all()


def test_bootstrap_samples_are_blocks_within_movies() -> None:
    ids = clip_names(2, 7)
    samples = block_bootstrap(ids, 3, 200, 0)
    assert samples.shape == (200, 14)
    blocks = samples[:, :12].reshape(-1, 3)
    assert (blocks // 7 == blocks[:, :1] // 7).all()
    assert (np.diff(blocks % 7, axis=1) % 7 == 1).all()


def test_every_clip_is_drawn_equally_often() -> None:
    counts = np.bincount(block_bootstrap(clip_names(2, 5), 4, 20000, 1).ravel(), minlength=10)
    assert counts == pytest.approx(np.full(10, 20000), rel=0.05)


@pytest.mark.parametrize("sampler", [block_bootstrap, block_permutations])
def test_order_of_clips_does_not_matter(sampler) -> None:
    ids = clip_names(2, 9)
    order = np.random.default_rng(5).permutation(len(ids))
    shuffled = [ids[i] for i in order]
    expected = np.sort(np.array(ids)[sampler(ids, 3, 20, 7)], 1)
    assert (np.sort(np.array(shuffled)[sampler(shuffled, 3, 20, 7)], 1) == expected).all()


def test_paired_clips_do_not_depend_on_the_order() -> None:
    ids = clip_names(2, 9)
    shuffled = ids[::-1]
    pairs = [
        {(name, names[j]) for name, j in zip(names, block_permutations(names, 3, 1, 7)[0], strict=True)}
        for names in (ids, shuffled)
    ]
    assert pairs[0] == pairs[1]


def test_ids_that_name_no_clip_are_refused() -> None:
    with pytest.raises(InputError, match="<movie>:<index>"):
        block_permutations(["test1"], 2, 1, 0)


def dependent_pairs(generator: np.random.Generator, clips: int) -> np.ndarray:
    """Products of a truth and a prediction that know nothing of each other, each constant within scenes."""
    truth, prediction = (np.repeat(generator.normal(size=clips // SCENE), SCENE) for _ in range(2))
    return np.outer(truth, prediction)


def p_values(block_clips: int, simulations: int = 1000) -> np.ndarray:
    ids = clip_names(2, 40)
    generator = np.random.default_rng(11)
    bootstrap, blocks = np.arange(80)[None], block_numbers(ids, block_clips)
    found = []
    for simulation in range(simulations):
        measure = mean_of_pairs("x", "x", "x", dependent_pairs(generator, 80))
        permutations = block_permutations(ids, block_clips, 99, simulation)
        found.append(row(measure, Resamples(bootstrap, permutations, blocks))["p"])
    return np.array(found)


def test_p_values_are_uniform_without_signal() -> None:
    found = p_values(SCENE)
    low, high = binom.interval(0.999, len(found), 0.05)
    assert low <= (found <= 0.05).sum() <= high
    assert kstest(found, "uniform").pvalue > 0.001


def test_permuting_single_clips_would_find_signal_in_noise() -> None:
    found = p_values(1)
    assert (found <= 0.05).sum() > binom.ppf(0.999, len(found), 0.05)


def test_shuffled_predictions_are_significant_as_often_as_promised() -> None:
    # A good prediction, shuffled in blocks of two lengths; its scenes are of 1 to 5 clips and lie across the blocks.
    ids = clip_names(2, 28)
    alone, blocks = np.arange(56)[None], block_numbers(ids, 5)
    assert sorted(np.bincount(blocks)) == [4] * 4 + [5] * 8
    generator = np.random.default_rng(13)
    found = []
    for simulation in range(1000):
        scene = np.repeat(np.arange(56), generator.integers(1, 6, 56))[:56]
        truth = generator.exponential(size=56)[scene]
        prediction = truth + 0.2 * generator.normal(size=56)
        shuffled = prediction[block_permutations(ids, 5, 1, simulation)[0]]
        measure = mean_of_pairs("x", "x", "x", -np.abs(truth[:, None] - shuffled))
        permutations = block_permutations(ids, 5, 39, 10_000 + simulation)
        found.append(row(measure, Resamples(alone, permutations, blocks))["p"])
    low, high = binom.interval(0.999, len(found), 0.05)
    assert low <= (np.array(found) <= 0.05).sum() <= high
    unshuffled = mean_of_pairs("x", "x", "x", -np.abs(truth[:, None] - prediction))
    assert row(unshuffled, Resamples(alone, permutations, blocks))["p"] == 1 / 40


def coverage(block_clips: int, simulations: int = 200) -> float:
    ids = clip_names(2, 80)
    generator = np.random.default_rng(12)
    drawn = resamples(ids, Evaluate(block_clips=block_clips, bootstrap=300, permutations=1))
    inside = 0
    for _ in range(simulations):
        noise = generator.normal(size=(2, 80 + SCENE - 1))
        values = np.stack([np.convolve(movie, np.ones(SCENE), "valid") for movie in noise]).ravel()
        facts = row(mean_of_clips("x", "x", "x", values), drawn)
        inside += facts["low"] <= 0 <= facts["high"]
    return inside / simulations


def test_intervals_cover_the_mean_of_dependent_clips() -> None:
    assert 0.87 <= coverage(10) <= 0.99


def test_intervals_of_single_clips_would_be_too_short() -> None:
    assert coverage(1) < 0.85


def test_blocks_follow_the_index_not_the_name() -> None:
    ids = [f"test1:{index}" for index in (0, 10, 2, 1, 11, 3)]
    permutation = block_permutations(ids, 2, 1, 3)[0]
    blocks = {
        frozenset(split_clip_id(ids[i])[1] for i in permutation[[a, b]]) for a, b in ((0, 3), (2, 5), (1, 4))
    }
    assert blocks == {frozenset({0, 1}), frozenset({2, 3}), frozenset({10, 11})}


def test_numbers_of_blocks_follow_time_within_movies() -> None:
    ids = clip_names(2, 7)
    assert block_numbers(ids, 3).tolist() == [0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 4, 4, 5, 5]
    order = np.random.default_rng(6).permutation(len(ids))
    shuffled = [ids[i] for i in order]
    assert (block_numbers(shuffled, 3) == block_numbers(ids, 3)[order]).all()
    assert block_numbers([f"test1:{index}" for index in (0, 10, 2, 1, 11, 3)], 2).tolist() == [
        0,
        2,
        1,
        0,
        2,
        1,
    ]


@pytest.mark.parametrize("block_clips", [1, 3, 7, 20])
def test_permutations_keep_the_blocks_that_have_these_numbers(block_clips: int) -> None:
    ids = clip_names(2, 7)
    numbers = block_numbers(ids, block_clips)
    assert len(set(numbers.tolist())) == 2 * -(-7 // block_clips)
    for permutation in block_permutations(ids, block_clips, 20, 0):
        assert sorted(permutation) == list(range(14))
        for number in range(numbers.max() + 1):
            taken = permutation[numbers == number]
            assert (numbers[taken] == numbers[taken[0]]).all() and (np.diff(taken) == 1).all()


def test_settings_say_how_many_and_which() -> None:
    ids = clip_names(2, 8)
    settings = Evaluate(bootstrap=7, permutations=5, block_clips=4, seed=1)
    drawn, again = resamples(ids, settings), resamples(ids, settings)
    assert (drawn.permutations.shape, drawn.bootstrap.shape) == ((5, 16), (7, 16))
    assert (np.diff(drawn.permutations.reshape(5, 4, 4), axis=2) == 1).all()
    assert drawn.blocks.tolist() == np.repeat(np.arange(4), 4).tolist()
    other = resamples(ids, settings.model_copy(update={"seed": 2}))
    for name in ("permutations", "bootstrap"):
        assert (getattr(again, name) == getattr(drawn, name)).all()
        assert (getattr(other, name) != getattr(drawn, name)).any()


def test_blocks_of_different_lengths_do_not_change_places() -> None:
    ids = [f"a:{index}" for index in range(5)] + [f"b:{index}" for index in range(3)]
    assert block_numbers(ids, 5).tolist() == [0] * 5 + [1] * 3
    assert block_permutations(ids, 5, 7, 0).shape == (0, 8)
    lengths = np.bincount(block_numbers(ids, 3))
    assert lengths.tolist() == [3, 2, 3]
    found = {tuple(permutation) for permutation in block_permutations(ids, 3, 40, 0)}
    assert found == {tuple(range(8)), (5, 6, 7, 3, 4, 0, 1, 2)}
