"""Clips of the procedural world with the truth about every patch, for the recognition miniatures.

A clip is cut as the study's clips are: 2 s anywhere in a scene of 2 to 8 s, six frames at (f + 0.5) / 3 s.
Clips are rendered once into arrays, since drawing costs more than a training step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from neurons.simulate.captions import verb_phrase
from neurons.simulate.render import boxes, render, render_masks
from neurons.simulate.vocabulary import COLOURS, MOTIONS, OBJECTS, PLACE_PHRASES, PLACES
from neurons.simulate.world import MAX_DURATION_S, MIN_DURATION_S, Scene, combinations, sample_scene

CLIP_S = 2.0
FRAME_RATE_HZ = 3.0
FRAMES = 6
IMAGE_PX = 64
PATCH_PX = 8
SIDE = IMAGE_PX // PATCH_PX
COVERED = 0.25
"""Share of a patch that an item must fill to give the patch its kind and colour."""
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "kind": OBJECTS,
    "colour": COLOURS,
    "place": PLACES,
    "motion": MOTIONS,
}
NO_KIND, NO_COLOUR = len(OBJECTS), len(COLOURS)


@dataclass(frozen=True)
class ClipPool:
    """Rendered clips and their truth.

    Attributes
    ----------
    frames
        uint8, shape (clips, 6, 64, 64, 3), RGB.
    labels
        int64, shape (clips, 4): kind, colour, place and motion of the main item.
    token_kind, token_colour
        uint8, shape (clips, 6, 64): kind of the item in each 8x8 patch (12: none),
        colour of the main item in it (6: none).
    token_coverage
        float32, shape (clips, 6, 64): share of each patch that the main item fills.
    box
        float32, shape (clips, 6, 4): box of the main item, frame fractions (x0, y0, x1, y1).
    scenes
        The scene of each clip.
    """

    frames: NDArray[np.uint8]
    labels: NDArray[np.int64]
    token_kind: NDArray[np.uint8]
    token_colour: NDArray[np.uint8]
    token_coverage: NDArray[np.float32]
    box: NDArray[np.float32]
    scenes: tuple[Scene, ...]

    def __len__(self) -> int:
        return len(self.scenes)


def render_pool(part: Literal["train", "test"], clips: int, seed: int) -> ClipPool:
    """Render clips whose main items run through all combinations of a part in random order.

    Parameters
    ----------
    part
        Training or test combinations of kind, colour, place and motion.
    clips
        How many.
    seed
        Of scenes, durations and clip starts.
    """
    rng = np.random.default_rng(seed)
    allowed = combinations(part)
    rounds = -(-clips // len(allowed))
    order = np.concatenate([rng.permutation(len(allowed)) for _ in range(rounds)])[:clips]
    pool = ClipPool(
        frames=np.empty((clips, FRAMES, IMAGE_PX, IMAGE_PX, 3), np.uint8),
        labels=np.empty((clips, len(ATTRIBUTES)), np.int64),
        token_kind=np.empty((clips, FRAMES, SIDE * SIDE), np.uint8),
        token_colour=np.empty((clips, FRAMES, SIDE * SIDE), np.uint8),
        token_coverage=np.empty((clips, FRAMES, SIDE * SIDE), np.float32),
        box=np.empty((clips, FRAMES, 4), np.float32),
        scenes=tuple(
            sample_scene(rng, allowed[index], float(rng.uniform(MIN_DURATION_S, MAX_DURATION_S)))
            for index in order
        ),
    )
    for clip, scene in enumerate(pool.scenes):
        start_s = float(rng.uniform(0.0, scene.duration_s - CLIP_S))
        pool.labels[clip] = scene_labels(scene)
        for frame in range(FRAMES):
            _fill_frame(pool, clip, frame, scene, start_s + (frame + 0.5) / FRAME_RATE_HZ)
    return pool


def scene_labels(scene: Scene) -> tuple[int, int, int, int]:
    """Indices of kind, colour, place and motion of a scene's main item in their vocabularies."""
    main = scene.main
    return (
        OBJECTS.index(main.kind),
        COLOURS.index(main.colour),
        PLACES.index(scene.place),
        MOTIONS.index(main.motion),
    )


def patch_coverage(masks: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of each 8x8 patch inside each mask, (items, 64, 64) -> (items, 64), patches row by row."""
    blocks = masks.reshape(len(masks), SIDE, PATCH_PX, SIDE, PATCH_PX)
    return blocks.mean(axis=(2, 4), dtype=np.float32).reshape(len(masks), SIDE * SIDE)


def _fill_frame(pool: ClipPool, clip: int, frame: int, scene: Scene, time_s: float) -> None:
    coverage = patch_coverage(render_masks(scene, time_s, IMAGE_PX))
    kinds = np.array([OBJECTS.index(item.kind) for item in scene.items], np.uint8)
    covered = coverage.max(0) > COVERED
    pool.frames[clip, frame] = render(scene, time_s, IMAGE_PX)
    pool.token_kind[clip, frame] = np.where(covered, kinds[coverage.argmax(0)], NO_KIND)
    pool.token_colour[clip, frame] = np.where(
        coverage[0] > COVERED, COLOURS.index(scene.main.colour), NO_COLOUR
    )
    pool.token_coverage[clip, frame] = coverage[0]
    pool.box[clip, frame] = boxes(scene, time_s)[0]


def partial_caption(scene: Scene, colour: bool, motion: bool, place: bool, others: bool) -> str:
    """The caption of a scene with only the chosen parts beside the kind, e.g. ``"a red car on a road"``."""
    main = scene.main
    words = [f"a {main.colour}" if colour else "an" if main.kind[0] in "aeiou" else "a", main.kind]
    if motion:
        words.append(verb_phrase(main.kind, main.motion))
    if place:
        words.append(PLACE_PHRASES[scene.place])
    nouns = [f"an {item.kind}" if item.kind[0] in "aeiou" else f"a {item.kind}" for item in scene.items[1:]]
    if others and nouns:
        words.append("near " + " and ".join(nouns))
    return " ".join(words)
