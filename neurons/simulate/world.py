"""Scenes of the procedural world: what is in them, where it is at each moment, and how they are drawn at random.

Coordinates are fractions of the frame: x grows to the right, y downwards, (0, 0) is the upper left corner.
"""

from dataclasses import dataclass
from itertools import product
from math import cos, pi
from typing import Literal

import numpy as np

from neurons.simulate.vocabulary import COLOURS, MOTIONS, NATURAL, OBJECTS, PLACES

Combination = tuple[str, str, str, str]
"""(kind, colour, place, motion) of a scene's main item."""

MIN_DURATION_S, MAX_DURATION_S = 2.0, 8.0
TURN_PERIOD_S = 2.0
SECONDARY_COUNT_PROBABILITY = (0.6, 0.3, 0.1)
SECONDARY_SPOTS = ((0.14, 0.80), (0.86, 0.80), (0.14, 0.22), (0.86, 0.22))
"""Centres near which secondary items stand: the corners, so that the main item rarely hides them."""


@dataclass(frozen=True)
class Background:
    """The few random parameters of a place's backdrop (horizon and shift in frame fractions, tint in levels)."""

    horizon: float
    shift: float
    tint: tuple[int, int, int]


@dataclass(frozen=True)
class Item:
    """One object: centre at mid-scene, size of its larger extent, and its motion."""

    kind: str
    colour: str
    x: float
    y: float
    size: float
    facing: Literal[-1, 1]
    motion: str


@dataclass(frozen=True)
class Scene:
    """A place with one main item and up to two small, still secondary items.

    ``items[0]`` is the main item; it is drawn last, in front of the others.
    """

    place: str
    items: tuple[Item, ...]
    duration_s: float
    background: Background

    @property
    def main(self) -> Item:
        """The item that the caption is about."""
        return self.items[0]


@dataclass(frozen=True)
class Pose:
    """Where an item is at one moment: centre and horizontal and vertical scale (frame fractions).

    A negative ``scale_x`` means that the object faces left.
    """

    x: float
    y: float
    scale_x: float
    scale_y: float


def combinations(part: Literal["train", "test"]) -> list[Combination]:
    """All (kind, colour, place, motion) of training or test movies.

    For each kind, place and motion exactly one of the six colours is kept for the test movies, so that every word
    and every pair of words occurs in training while the test combinations are new.

    Parameters
    ----------
    part : {"train", "test"}
        Which movies.

    Returns
    -------
    list of tuple
        3,840 training or 768 test combinations, in a fixed order.
    """
    if part not in ("train", "test"):
        raise ValueError(f"unknown part {part!r} of the combinations. Available: train, test")
    indexed = product(enumerate(OBJECTS), enumerate(COLOURS), enumerate(PLACES), enumerate(MOTIONS))
    return [
        (kind, colour, place, motion)
        for (k, kind), (c, colour), (p, place), (m, motion) in indexed
        if ((c + k + 2 * p + 3 * m) % len(COLOURS) == 0) == (part == "test")
    ]


def travel(duration_s: float) -> float:
    """Way of a moving main item over a whole scene (frame fractions): at least .2 in any 2 s."""
    share = (duration_s - MIN_DURATION_S) / (MAX_DURATION_S - MIN_DURATION_S)
    return 0.42 + 0.38 * float(np.clip(share, 0.0, 1.0))


def growth(duration_s: float) -> float:
    """Ratio of last to first size of an approaching item over a whole scene."""
    share = (duration_s - MIN_DURATION_S) / (MAX_DURATION_S - MIN_DURATION_S)
    return 1.9 * (1.9 ** float(np.clip(share, 0.0, 1.0)))


def sample_background(rng: np.random.Generator) -> Background:
    """Random backdrop parameters: horizon height, sideways shift and a slight tint."""
    tint = rng.integers(-6, 7, size=3)
    return Background(
        horizon=float(rng.uniform(0.50, 0.64)),
        shift=float(rng.uniform(0.0, 1.0)),
        tint=(int(tint[0]), int(tint[1]), int(tint[2])),
    )


def _facing(rng: np.random.Generator, motion: str) -> Literal[-1, 1]:
    if motion == "left":
        return -1
    if motion == "right":
        return 1
    return 1 if rng.random() < 0.5 else -1


def _sample_main(rng: np.random.Generator, kind: str, colour: str, motion: str) -> Item:
    return Item(
        kind=kind,
        colour=colour,
        x=float(rng.uniform(0.42, 0.58)),
        y=float(rng.uniform(0.46, 0.60)),
        size=float(
            rng.uniform(0.42, 0.50) if motion in ("approaching", "receding") else rng.uniform(0.44, 0.58)
        ),
        facing=_facing(rng, motion),
        motion=motion,
    )


def _sample_secondary(rng: np.random.Generator, main_kind: str) -> tuple[Item, ...]:
    count = int(rng.choice(len(SECONDARY_COUNT_PROBABILITY), p=SECONDARY_COUNT_PROBABILITY))
    kinds = rng.choice([kind for kind in OBJECTS if kind != main_kind], size=count, replace=False)
    spots = rng.choice(len(SECONDARY_SPOTS), size=count, replace=False)
    return tuple(
        Item(
            kind=str(kind),
            colour=NATURAL,
            x=SECONDARY_SPOTS[spot][0] + float(rng.uniform(-0.03, 0.03)),
            y=SECONDARY_SPOTS[spot][1] + float(rng.uniform(-0.03, 0.03)),
            size=float(rng.uniform(0.21, 0.27)),
            facing=_facing(rng, "still"),
            motion="still",
        )
        for kind, spot in zip(kinds, spots, strict=True)
    )


def sample_scene(
    rng: np.random.Generator, combination: Combination | None = None, duration_s: float = 4.0
) -> Scene:
    """Draw a scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all randomness.
    combination : tuple, optional
        (kind, colour, place, motion) of the main item; drawn uniformly from all combinations if not given.
    duration_s : float
        Length of the scene, 2 to 8 s.

    Raises
    ------
    ValueError
        If a word is not in the vocabulary or the duration is out of range.
    """
    if not MIN_DURATION_S <= duration_s <= MAX_DURATION_S:
        raise ValueError(f"scene duration {duration_s} s is outside {MIN_DURATION_S}-{MAX_DURATION_S} s")
    if combination is None:
        kind, colour, place, motion = (str(rng.choice(w)) for w in (OBJECTS, COLOURS, PLACES, MOTIONS))
    else:
        kind, colour, place, motion = combination
    chosen = (
        ("kind", kind, OBJECTS),
        ("colour", colour, COLOURS),
        ("place", place, PLACES),
        ("motion", motion, MOTIONS),
    )
    unknown = [
        f"{name} {word!r} (available: {', '.join(words)})"
        for name, word, words in chosen
        if word not in words
    ]
    if unknown:
        raise ValueError("the world has no " + "; no ".join(unknown))
    main = _sample_main(rng, kind, colour, motion)
    return Scene(place, (main, *_sample_secondary(rng, kind)), float(duration_s), sample_background(rng))


def pose(item: Item, time_s: float, duration_s: float) -> Pose:
    """Where an item is ``time_s`` seconds after its scene of ``duration_s`` seconds began.

    Travelling items pass their mid-scene position at half time at constant speed; approaching and receding ones
    change size by a constant factor per second; turning ones show their width as seen while they turn about a
    vertical axis once every 2 s (never thinner than .15 of it).
    """
    phase = time_s / duration_s - 0.5
    x, y, scale = item.x, item.y, item.size
    way = travel(duration_s) * phase
    match item.motion:
        case "left":
            x -= way
        case "right":
            x += way
        case "up":
            y -= way
        case "down":
            y += way
        case "approaching":
            scale *= growth(duration_s) ** phase
        case "receding":
            scale *= growth(duration_s) ** -phase
    squash = 1.0
    if item.motion == "turning":
        turn = cos(2 * pi * time_s / TURN_PERIOD_S)
        squash = (1.0 if turn >= 0 else -1.0) * max(abs(turn), 0.15)
    return Pose(x, y, scale * squash * item.facing, scale)
