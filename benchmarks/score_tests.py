"""How often the tests of `evaluate` are wrong: type I error of p-values, coverage of intervals.

    python benchmarks/score_tests.py

Needs no results. Simulates experiments in which the truth is known, with the functions and the settings (block length,
bootstrap samples, permutations) that the scores are made with: `sign_flip_p` of two equally good predictions, p of
`measures.row` for predictions that know nothing of the truth, and its 95 % interval for the mean over clips. Clips are
independent, alike within the blocks that are resampled, or alike within scenes of 1 to 4 clips that lie across blocks.
Prints a table with 95 % binomial intervals.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from cyclopts import run
from scipy.stats import binomtest

from neurons.artifacts import clip_id, seed_for
from neurons.evaluate.comparisons import sign_flip_p
from neurons.evaluate.measures import mean_of_clips, mean_of_pairs, row
from neurons.evaluate.resampling import Resamples, block_numbers, block_permutations, resamples
from neurons.evaluate.settings import Evaluate

MOVIES = {60: 2, 1200: 5}
"""Test movies by number of clips; 5 of 240 clips are those of the data set cc2017."""
BLOCKS = {60: 4, 1200: 10}
"""Clips per block: as in the default configuration, and its default for real studies."""
LONGEST_SCENE = 4
CLIP_SD = 0.5
"""Spread of clips within a scene; that of scenes is 1."""
ALPHA = 0.05
Groups = Callable[[np.random.Generator, list[str], Evaluate], np.ndarray]


def clip_names(clips: int) -> list[str]:
    """Ids of so many test clips, in order."""
    each = clips // MOVIES[clips]
    return [clip_id(f"test{movie}", index) for movie in range(MOVIES[clips]) for index in range(each)]


def single_clips(generator: np.random.Generator, ids: list[str], settings: Evaluate) -> np.ndarray:
    """Every clip is its own scene."""
    return np.arange(len(ids))


def blocks(generator: np.random.Generator, ids: list[str], settings: Evaluate) -> np.ndarray:
    """Scenes are the blocks that are resampled together."""
    return block_numbers(ids, settings.block_clips)


def scenes(generator: np.random.Generator, ids: list[str], settings: Evaluate) -> np.ndarray:
    """Scenes of 1 to 4 clips, each length equally likely, wherever the blocks begin."""
    lengths = generator.integers(1, LONGEST_SCENE + 1, len(ids))
    return np.repeat(np.arange(len(ids)), lengths)[: len(ids)]


def values(generator: np.random.Generator, group: np.ndarray) -> np.ndarray:
    """Skewed values of clips that are alike within groups, with mean 0."""
    return generator.exponential(size=len(group))[group] - 1 + CLIP_SD * generator.normal(size=len(group))


def sign_flip(grouping: Groups, ids: list[str], settings: Evaluate, number: int) -> bool:
    """Whether a difference is found between two predictions of equal quality."""
    generator = np.random.default_rng(seed_for(number, "sign flip"))
    group = grouping(generator, ids, settings)
    differences = values(generator, group) - values(generator, group)
    numbers = block_numbers(ids, settings.block_clips)
    return sign_flip_p(differences, numbers, settings.permutations, number) < ALPHA


def shuffled(grouping: Groups, ids: list[str], settings: Evaluate, number: int) -> bool:
    """Whether a good prediction, shuffled in blocks, is found to be better than chance."""
    generator = np.random.default_rng(seed_for(number, "shuffled"))
    truth = values(generator, grouping(generator, ids, settings))
    prediction = truth + CLIP_SD * generator.normal(size=len(ids))
    order = block_permutations(ids, settings.block_clips, 1, seed_for(number, "order"))[0]
    return permutation_p(ids, truth, prediction[order], settings, number) < ALPHA


def unrelated(grouping: Groups, ids: list[str], settings: Evaluate, number: int) -> bool:
    """Whether a prediction of another film with other scenes is found to be better than chance."""
    generator = np.random.default_rng(seed_for(number, "unrelated"))
    truth, prediction = (values(generator, grouping(generator, ids, settings)) for _ in range(2))
    return permutation_p(ids, truth, prediction, settings, number) < ALPHA


def permutation_p(
    ids: list[str], truth: np.ndarray, prediction: np.ndarray, settings: Evaluate, number: int
) -> float:
    """p of the mean similarity of truth and prediction, as in the table of scores."""
    measure = mean_of_pairs("x", "x", "x", -np.abs(truth[:, None] - prediction))
    permutations = block_permutations(ids, settings.block_clips, settings.permutations, number)
    numbers = block_numbers(ids, settings.block_clips)
    return row(measure, Resamples(np.arange(len(ids))[None], permutations, numbers))["p"]


def covered(grouping: Groups, ids: list[str], settings: Evaluate, number: int) -> bool:
    """Whether the interval of the mean over clips holds the mean of all clips there could be, 0."""
    generator = np.random.default_rng(seed_for(number, "covered"))
    measure = mean_of_clips("x", "x", "x", values(generator, grouping(generator, ids, settings)))
    drawn = resamples(ids, settings.model_copy(update={"seed": number, "permutations": 1}))
    facts = row(measure, drawn)
    return facts["low"] <= 0 <= facts["high"]


TESTS = {
    ("sign_flip_p < .05, no difference", 0.05): (sign_flip, (single_clips, blocks, scenes), (60, 1200)),
    ("permutation p < .05, prediction shuffled in blocks", 0.05): (shuffled, (single_clips, blocks, scenes), (60,)),
    ("permutation p < .05, unrelated prediction", 0.05): (unrelated, (single_clips, blocks, scenes), (60,)),
    ("95 % interval holds the mean", 0.95): (covered, (single_clips, blocks, scenes), (60, 1200)),
}  # fmt: skip


def main(*, experiments: int = 1000) -> None:
    """Print how often tests reject and intervals cover.

    Parameters
    ----------
    experiments
        Simulated experiments per row.
    """
    default = Evaluate()
    print(
        f"{experiments} experiments per row, {default.permutations} permutations, {default.bootstrap} bootstrap samples\n"
    )
    print("| test | clips alike within | n | clips per block | promised | found | 95 % interval |")
    print("|---|---|---|---|---|---|---|")
    for (test, promised), (experiment, groupings, sizes) in TESTS.items():
        for clips in sizes:
            ids, settings = clip_names(clips), default.model_copy(update={"block_clips": BLOCKS[clips]})
            for grouping in groupings:
                count = sum(map(partial(experiment, grouping, ids, settings), range(experiments)))
                interval = binomtest(count, experiments).proportion_ci()
                name = {"single_clips": "- (independent)", "scenes": "scenes of 1 to 4"}.get(
                    grouping.__name__, grouping.__name__
                )
                print(
                    f"| {test} | {name} | {clips} | {settings.block_clips} | {promised:.3f} | {count / experiments:.3f} "
                    f"| {interval.low:.3f} to {interval.high:.3f} |"
                )


if __name__ == "__main__":
    run(main)
