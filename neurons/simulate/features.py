"""What a movie offers to the simulated brain: maps of the picture, and words about the scene."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from neurons.artifacts import seed_for
from neurons.simulate.movies import TimedScene, scene_at
from neurons.simulate.render import render
from neurons.simulate.vocabulary import COLOURS, MOTIONS, OBJECTS, PLACES

PICTURE_PX = 64
GRID = 8
"""Rows and columns of the maps of luminance, contrast and motion energy."""
COLOUR_GRID = 4
LUMINANCE_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)
CATEGORIES: tuple[tuple[str, ...], ...] = (
    ("person", "dog", "bird", "fish"),
    ("car", "boat", "plane"),
    ("tree", "apple"),
    ("ball", "house", "chair"),
)
"""Animals, vehicles, plants, things."""
CAPTION_FEATURES = 32
SECONDARY_SHARE = 0.3
"""Response to the kind of a secondary item, relative to the main one."""

SIZES: dict[str, int] = {
    "luminance": GRID**2,
    "contrast": GRID**2,
    "motion_energy": GRID**2,
    "opponent_colour": 2 * COLOUR_GRID**2,
    "colour": len(COLOURS),
    "kind": len(OBJECTS),
    "category": len(CATEGORIES),
    "place": len(PLACES),
    "motion": len(MOTIONS),
    "caption": CAPTION_FEATURES,
}


def columns() -> dict[str, slice]:
    """Columns of each group in the array of `stimulus_features`."""
    ends = np.cumsum(list(SIZES.values())).tolist()
    return {name: slice(end - size, end) for (name, size), end in zip(SIZES.items(), ends, strict=True)}


N_FEATURES = sum(SIZES.values())


def stimulus_features(
    timeline: Sequence[TimedScene], movie_s: float, times_s: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Features of a movie at given times.

    Before and after the movie its first and last frame stand still: what moved is still then.

    Parameters
    ----------
    times_s
        (steps,) evenly spaced, in s of movie time.

    Returns
    -------
    numpy.ndarray
        (steps, N_FEATURES) float32, in the order of `SIZES`.
    """
    shown_s = np.clip(times_s, 0.0, movie_s)
    moving = (times_s >= 0) & (times_s <= movie_s)
    scenes = [scene_at(timeline, time) for time in shown_s]
    pictures = _pictures(scenes, shown_s)
    words = np.stack([scene_words(timed, bool(m)) for timed, m in zip(scenes, moving, strict=True)])
    return np.concatenate([picture_maps(pictures, times_s[1] - times_s[0]), words], axis=1)


def _pictures(scenes: Sequence[TimedScene], shown_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Pictures (steps, 64, 64, 3) in [0, 1]; a still moment is drawn once."""
    pictures = np.empty((len(scenes), PICTURE_PX, PICTURE_PX, 3), np.float32)
    for step, (timed, time_s) in enumerate(zip(scenes, shown_s, strict=True)):
        if step and time_s == shown_s[step - 1]:
            pictures[step] = pictures[step - 1]
        else:
            within_s = float(np.clip(time_s - timed.start_s, 0.0, timed.scene.duration_s))
            pictures[step] = render(timed.scene, within_s, PICTURE_PX) / np.float32(255)
    return pictures


def picture_maps(pictures: NDArray[np.float32], step_s: float) -> NDArray[np.float32]:
    """Luminance, contrast, motion energy (each 8 x 8) and opponent colours (2 x 4 x 4) of pictures.

    Parameters
    ----------
    pictures
        (steps, H, W, 3) in [0, 1], H and W multiples of 8, one every `step_s` seconds.

    Returns
    -------
    numpy.ndarray
        (steps, 224): mean and SD of luminance, mean absolute change of luminance per second (the first step
        has none), mean red-green and blue-yellow opponency, all per block, row by row from the upper left.
    """
    luminance = pictures @ LUMINANCE_WEIGHTS
    change = np.abs(np.diff(luminance, axis=0, prepend=luminance[:1])).astype(np.float32)
    red, green, blue = np.moveaxis(pictures, -1, 0)
    opponent = (red - green, blue - (red + green) / 2)
    maps = [
        _blocks(luminance, GRID).mean(axis=-1),
        _blocks(luminance, GRID).std(axis=-1),
        _blocks(change, GRID).mean(axis=-1) / step_s,
        *(_blocks(channel, COLOUR_GRID).mean(axis=-1) for channel in opponent),
    ]
    return np.concatenate(maps, axis=1).astype(np.float32)


def _blocks(images: NDArray[np.float32], grid: int) -> NDArray[np.float32]:
    """Pixels of each block of a grid, (steps, grid * grid, pixels)."""
    steps, height, width = images.shape
    blocks = images.reshape(steps, grid, height // grid, grid, width // grid)
    return blocks.transpose(0, 1, 3, 2, 4).reshape(steps, grid * grid, -1)


def scene_words(timed: TimedScene, moving: bool) -> NDArray[np.float32]:
    """Colour, kind, category, place and motion of a scene as indicators, and its caption's embedding."""
    scene = timed.scene
    motion = scene.main.motion if moving else "still"
    kind = _indicator(scene.main.kind, OBJECTS)
    for item in scene.items[1:]:
        kind = np.maximum(kind, SECONDARY_SHARE * _indicator(item.kind, OBJECTS))
    category = np.array([scene.main.kind in members for members in CATEGORIES], np.float32)
    stated = (scene.main.kind, scene.main.colour, scene.place, motion)
    return np.concatenate(
        [
            _indicator(scene.main.colour, COLOURS),
            kind,
            category,
            _indicator(scene.place, PLACES),
            _indicator(motion, MOTIONS),
            np.mean([_embedding(word) for word in stated], axis=0),
        ]
    ).astype(np.float32)


def _indicator(word: str, words: Sequence[str]) -> NDArray[np.float32]:
    return np.array([word == other for other in words], np.float32)


@cache
def _embedding(word: str) -> NDArray[np.float32]:
    """A fixed random direction for each word of the world."""
    rng = np.random.default_rng(seed_for("simulate", "caption embedding", word))
    return rng.standard_normal(CAPTION_FEATURES).astype(np.float32)
