"""Receptive fields of the simulated brain: which part of the frame a vertex sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurons.preprocess import atlas
from neurons.simulate.cortex import Cortex
from neurons.simulate.roles import AREA_ROLES, ROLES

SMALLEST_WEIGHT = 0.02
"""Weights below this share of a vertex's largest are left out."""
JITTER = 0.04
"""SD of what is a person's own in the centres, as a fraction of the frame."""


@dataclass(frozen=True)
class Fields:
    """Receptive fields: centres and SD in fractions of the frame (x rightwards, y downwards), (59412,)."""

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    size: NDArray[np.float32]


def receptive_fields(
    cortex: Cortex, positions: NDArray[np.float32], roles: NDArray[np.str_], jitter: NDArray[np.float32]
) -> Fields:
    """Receptive fields that cover, in each area, the half of the frame opposite to its hemisphere.

    Within an area the two main directions along the cortex become the two directions of the visual field.

    Parameters
    ----------
    positions
        (59412, 3) on the sphere.
    jitter
        (59412, 2) smooth maps with SD 1 that move the centres of one person.
    """
    x = np.full(atlas.CORTEX, 0.5, np.float32)
    y = np.full(atlas.CORTEX, 0.5, np.float32)
    size = np.full(atlas.CORTEX, 0.5, np.float32)
    for area in np.unique(cortex.area[roles != "none"]):
        role = ROLES[AREA_ROLES[str(area)]]
        for hemisphere, first in (("left", 0.5), ("right", 0.0)):
            here = np.flatnonzero((cortex.area == area) & (cortex.hemisphere == hemisphere))
            along = _main_directions(positions[here]) + JITTER * jitter[here]
            x[here] = np.clip(first + 0.5 * along[:, 0], first, first + 0.5)
            y[here] = np.clip(along[:, 1], 0.0, 1.0)
            size[here] = role.field_size
    return Fields(x, y, size)


def _main_directions(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Ranks, from 0 to 1, of points along their two principal directions, (points, 2)."""
    centred = points - points.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    # The sign of a principal direction is arbitrary: fix it by its largest component.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1, keepdims=True), axis=1)
    along = centred @ (directions * np.sign(largest))[:2].T
    return (along.argsort(axis=0).argsort(axis=0) / max(len(points) - 1, 1)).astype(np.float32)


def field_weights(fields: Fields, grid: int) -> NDArray[np.float32]:
    """Gaussian weights of the blocks of a grid, (59412, grid * grid), row by row; each vertex sums to 1.

    A block of the visual half-field that a hemisphere does not see counts by what the Gaussian leaves of it.
    """
    middles = (np.arange(grid) + 0.5) / grid
    across = np.exp(-0.5 * ((middles[None, :] - fields.x[:, None]) / fields.size[:, None]) ** 2)
    down = np.exp(-0.5 * ((middles[None, :] - fields.y[:, None]) / fields.size[:, None]) ** 2)
    weights = (down[:, :, None] * across[:, None, :]).reshape(len(fields.x), -1)
    weights[weights < SMALLEST_WEIGHT * weights.max(axis=1, keepdims=True)] = 0
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
