"""Timelines of simulated movies: scenes back to back, and the frames they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neurons.simulate.render import render, render_masks
from neurons.simulate.vocabulary import MOTIONS, OBJECTS, PLACES
from neurons.simulate.world import (
    MAX_DURATION_S,
    MIN_DURATION_S,
    Combination,
    Scene,
    combinations,
    sample_scene,
)

CLIP_S = 2.0
CUT_DISTANCE_S = 0.2
"""Least distance of a cut from a clip border."""
MAX_ITEMS = 3


@dataclass(frozen=True)
class TimedScene:
    """A scene and when it begins in its movie."""

    start_s: float
    scene: Scene

    @property
    def end_s(self) -> float:
        """When the next scene begins, or the movie ends."""
        return self.start_s + self.scene.duration_s


def cut_frames(rng: np.random.Generator, n_frames: int, frame_rate_hz: float) -> list[int]:
    """First frame of every scene, and after them `n_frames`.

    Scenes last 2 to 8 s; no cut lies within .2 s of a multiple of 2 s.

    Raises
    ------
    ValueError
        If the movie is shorter than 2 s.
    """
    shortest, longest = round(MIN_DURATION_S * frame_rate_hz), round(MAX_DURATION_S * frame_rate_hz)
    if n_frames < shortest:
        raise ValueError(
            f"a movie of {n_frames} frames at {frame_rate_hz} Hz is shorter than {MIN_DURATION_S} s"
        )
    cuts = [0]
    while n_frames - cuts[-1] > longest:
        candidates = np.arange(cuts[-1] + shortest, min(cuts[-1] + longest, n_frames - shortest) + 1)
        from_border_s = np.abs((candidates / frame_rate_hz + CLIP_S / 2) % CLIP_S - CLIP_S / 2)
        allowed = candidates[from_border_s >= CUT_DISTANCE_S]
        cuts.append(int(rng.choice(allowed)))
    return [*cuts, n_frames]


def draw_combinations(
    rng: np.random.Generator, part: Literal["train", "test"], count: int
) -> list[Combination]:
    """Main items of `count` scenes: kinds, places and motions each as evenly often as `count` allows.

    Colours are drawn among those that `part` has for the other three words.
    """
    colours: dict[tuple[str, str, str], list[str]] = {}
    for kind, colour, place, motion in combinations(part):
        colours.setdefault((kind, place, motion), []).append(colour)
    decks = [_deck(rng, words, count) for words in (OBJECTS, PLACES, MOTIONS)]
    return [
        (kind, str(rng.choice(colours[kind, place, motion])), place, motion)
        for kind, place, motion in zip(*decks, strict=True)
    ]


def _deck(rng: np.random.Generator, words: Sequence[str], count: int) -> list[str]:
    """`count` words: whole shuffles of `words` one after the other."""
    shuffles = -(-count // len(words))
    return [words[i] for _ in range(shuffles) for i in rng.permutation(len(words))][:count]


def sample_timeline(
    rng: np.random.Generator, part: Literal["train", "test"], duration_s: float, frame_rate_hz: float
) -> list[TimedScene]:
    """Draw the scenes of a movie of `duration_s` seconds; cuts lie on frames."""
    frames = cut_frames(rng, round(duration_s * frame_rate_hz), frame_rate_hz)
    starts, ends = np.array(frames[:-1]) / frame_rate_hz, np.array(frames[1:]) / frame_rate_hz
    drawn = draw_combinations(rng, part, len(starts))
    return [
        TimedScene(float(start), sample_scene(rng, combination, float(end - start)))
        for start, end, combination in zip(starts, ends, drawn, strict=True)
    ]


def scene_at(timeline: Sequence[TimedScene], time_s: float) -> TimedScene:
    """The scene shown at `time_s`; before the movie its first scene, after it its last one."""
    # Half a millisecond: far less than a frame, far more than the rounding of times.
    starts = np.array([timed.start_s for timed in timeline]) - 5e-4
    return timeline[max(0, int(np.searchsorted(starts, time_s, side="right")) - 1)]


def movie_frames(
    timeline: Sequence[TimedScene], frame_rate_hz: float, size_px: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Picture (size_px, size_px, 3) and masks (items, size_px, size_px) of each frame, in order."""
    for timed in timeline:
        for frame in range(round(timed.scene.duration_s * frame_rate_hz)):
            time_s = frame / frame_rate_hz
            yield render(timed.scene, time_s, size_px), render_masks(timed.scene, time_s, size_px)
