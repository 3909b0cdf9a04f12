"""Which clips are resampled and permuted together: neighbouring clips share scenes, so they are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurons.artifacts import seed_for, split_clip_id
from neurons.config import Evaluate

IntArray = np.ndarray


def movie_positions(clip_ids: Sequence[str]) -> list[IntArray]:
    """Positions of each movie's clips in `clip_ids`, in order of time; movies by name."""
    where: dict[str, list[tuple[int, int]]] = {}
    for position, identity in enumerate(clip_ids):
        movie, index = split_clip_id(identity)
        where.setdefault(movie, []).append((index, position))
    return [np.array([position for _, position in sorted(where[movie])]) for movie in sorted(where)]


def block_bootstrap(clip_ids: Sequence[str], block_clips: int, samples: int, seed: int) -> IntArray:
    """Bootstrap samples of clips by the circular block bootstrap (Politis and Romano 1992), within movies.

    Blocks of `block_clips` neighbouring clips, starting anywhere, are drawn with replacement until there are as many
    clips as in the data. A block that starts near the end of a movie continues at the movie's beginning, so that every
    clip is equally likely.

    Parameters
    ----------
    clip_ids
        Clips, in any order: samples of the same clips in another order hold the same clips.
    block_clips
        Length of a block.
    samples
        Number of samples.

    Returns
    -------
    numpy.ndarray
        int64, shape (samples, clips): positions in `clip_ids`.
    """
    blocks = np.concatenate(
        [
            movie[(np.arange(len(movie))[:, None] + np.arange(block_clips)) % len(movie)]
            for movie in movie_positions(clip_ids)
        ]
    )
    count = len(clip_ids)
    chosen = np.random.default_rng(seed).integers(len(blocks), size=(samples, -(-count // block_clips)))
    return blocks[chosen].reshape(samples, -1)[:, :count]


def block_numbers(clip_ids: Sequence[str], block_clips: int) -> IntArray:
    """Number of the block of neighbouring clips that each clip lies in, int64, shape (clips,)."""
    numbers = np.empty(len(clip_ids), dtype=np.int64)
    blocks = [
        movie[start : start + block_clips]
        for movie in movie_positions(clip_ids)
        for start in range(0, len(movie), block_clips)
    ]
    for number, block in enumerate(blocks):
        numbers[block] = number
    return numbers


def block_permutations(clip_ids: Sequence[str], block_clips: int, samples: int, seed: int) -> IntArray:
    """Permutations of clips that keep neighbours together: the order of blocks of neighbouring clips is shuffled.

    Permuting single clips would break up scenes that span clips, make the null distribution too narrow and p-values too
    small.

    Returns
    -------
    numpy.ndarray
        int64, shape (samples, clips): the clip at position i is paired with the prediction for the clip at position
        ``permutations[k, i]``.
    """
    ordered = np.concatenate(movie_positions(clip_ids))
    numbers = block_numbers(clip_ids, block_clips)[ordered]
    blocks = np.split(ordered, np.flatnonzero(np.diff(numbers)) + 1)
    generator = np.random.default_rng(seed)
    permutations = np.empty((samples, len(clip_ids)), dtype=np.int64)
    for permutation in permutations:
        permutation[ordered] = np.concatenate([blocks[i] for i in generator.permutation(len(blocks))])
    return permutations


def resamples(clip_ids: Sequence[str], settings: Evaluate) -> tuple[IntArray, IntArray]:
    """Permutations and bootstrap samples of clips, as the section `evaluate` asks for them."""
    block, seed = settings.block_clips, settings.seed
    return (
        block_permutations(clip_ids, block, settings.permutations, seed_for(seed, "permutations")),
        block_bootstrap(clip_ids, block, settings.bootstrap, seed_for(seed, "bootstrap")),
    )
