"""Which clips are resampled and permuted together: neighbouring clips share scenes, so they are not independent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurons.artifacts import seed_for, split_clip_id
from neurons.evaluate.settings import Evaluate

IntArray = np.ndarray


@dataclass(frozen=True)
class Resamples:
    """What intervals and null distributions are made from.

    Attributes
    ----------
    bootstrap, permutations
        int64, shape (samples, clips) and (permutations, clips), from `block_bootstrap` and `block_permutations`.
    blocks
        Number of each clip's block, shape (clips,), from `block_numbers`.
    """

    bootstrap: IntArray
    permutations: IntArray
    blocks: IntArray


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
    """Number of the block of neighbouring clips that each clip lies in, int64, shape (clips,).

    Each movie is split into as few blocks of at most `block_clips` as it takes, as equally as possible.
    """
    numbers = np.empty(len(clip_ids), dtype=np.int64)
    blocks = [
        block
        for movie in movie_positions(clip_ids)
        for block in np.array_split(movie, -(-len(movie) // block_clips))
    ]
    for number, block in enumerate(blocks):
        numbers[block] = number
    return numbers


def block_permutations(clip_ids: Sequence[str], block_clips: int, samples: int, seed: int) -> IntArray:
    """Permutations of clips that keep neighbours together: blocks of neighbouring clips change places.

    Permuting single clips would break up scenes that span clips, make the null distribution too narrow and p-values too
    small; so would blocks that come to lie across the places of others, so a block takes the place of one of its length.

    Returns
    -------
    numpy.ndarray
        int64, shape (samples, clips): the clip at position i is paired with the prediction for the clip at position
        ``permutations[k, i]``. No rows if no two blocks are equally long: nothing can change places.
    """
    ordered = np.concatenate(movie_positions(clip_ids))
    numbers = block_numbers(clip_ids, block_clips)[ordered]
    by_length: dict[int, list[IntArray]] = {}
    for block in np.split(ordered, np.flatnonzero(np.diff(numbers)) + 1):
        by_length.setdefault(len(block), []).append(block)
    movable = any(len(blocks) > 1 for blocks in by_length.values())
    generator = np.random.default_rng(seed)
    permutations = np.empty((samples if movable else 0, len(clip_ids)), dtype=np.int64)
    for permutation in permutations:
        for blocks in by_length.values():
            permutation[np.concatenate(blocks)] = np.concatenate(
                [blocks[i] for i in generator.permutation(len(blocks))]
            )
    return permutations


def resamples(clip_ids: Sequence[str], settings: Evaluate) -> Resamples:
    """Bootstrap samples and permutations of clips, as the section `evaluate` asks for them."""
    block, seed = settings.block_clips, settings.seed
    return Resamples(
        block_bootstrap(clip_ids, block, settings.bootstrap, seed_for(seed, "bootstrap")),
        block_permutations(clip_ids, block, settings.permutations, seed_for(seed, "permutations")),
        block_numbers(clip_ids, block),
    )
