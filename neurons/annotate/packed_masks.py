"""The masks of a movie as the tensors that `neurons.annotate.table` reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurons.annotate.released_masks import ReleasedKeyObjects, ReleasedPictures
from neurons.artifacts import InputError


@dataclass(frozen=True)
class MovieMasks:
    """Masks of a movie with bits packed.

    Attributes
    ----------
    masks
        Bits along the width, uint8 (frames of all clips, slots, H, ceil(W / 8)).
    instance
        int32 (frames of all clips, slots); -1 for an empty slot.
    objects
        Clip (from 0 in the movie) and tag of each instance.
    width
        In px.
    """

    masks: np.ndarray
    instance: np.ndarray
    objects: list[tuple[int, str]]
    width: int


def movie_masks(
    source: ReleasedPictures | ReleasedKeyObjects, first: int, count: int, frames: int
) -> MovieMasks:
    """Put the masks of one movie together.

    Beside the result (6 kB per mask of 224 x 224 px) one picture is held at a time; of key objects all masks of the movie,
    a byte per pixel (72 MB for 240 clips).

    Parameters
    ----------
    source
        Of the split.
    first, count
        Clips of the movie.
    frames
        Of a clip.

    Raises
    ------
    InputError
        If the movie has no masks, or some are not square or of another size.
    """
    clips = [source.shown(clip) for clip in range(first, first + count)]
    slots = max(
        (sum(other.frame == one.frame for other in shown) for shown in clips for one in shown), default=0
    )
    if not slots:
        raise InputError(f"there are no masks of clips {first} to {first + count - 1}")
    instance = np.full((count * frames, slots), -1, np.int32)
    masks, size = np.zeros(0, np.uint8), 0
    numbers: dict[tuple[int, int, str], int] = {}
    for clip, shown in enumerate(clips):
        for one in shown:
            mask = one.mask()
            if not size:
                size = len(mask)
                masks = np.zeros((count * frames, slots, size, -(-size // 8)), np.uint8)
            if mask.shape != (size, size):
                raise InputError(
                    f"clip {first + clip}, frame {one.frame}, label {one.label}: the mask has {mask.shape[1]} x "
                    f"{mask.shape[0]} px; squares of one size are expected, such as {size} x {size}"
                )
            row = clip * frames + one.frame
            slot = int((instance[row] >= 0).sum())
            instance[row, slot] = numbers.setdefault((clip, one.label, one.tag), len(numbers))
            masks[row, slot] = np.packbits(mask, axis=-1)
    return MovieMasks(masks, instance, [(clip, tag) for clip, _, tag in numbers], size)
