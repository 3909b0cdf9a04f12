"""The paper's rule for the key object of a clip, on tracked instances.

Objects move by the distance that the centroid of their mask covers between neighbouring frames in which
they are visible, times a weight for priority objects (people, animals). Background, and what covers more
than half of the image, is set aside; of the rest, priority objects come before others, and the one that
moves most wins. If nothing is left, the largest background object is taken, so that every clip has a key
object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurons.annotate.spelling import spelling

SAME_PX = 1e-6
"""Displacements closer than this, in px, are equal."""


@dataclass(frozen=True)
class Candidate:
    """An object that may become the key object.

    Attributes
    ----------
    instance
        Unique number.
    concepts
        Concepts of its noun, the most specific first.
    masks
        bool, shape (F, h, w).
    tag
        Its noun, for the lists of nouns of the rule.
    """

    instance: int
    concepts: tuple[str, ...]
    masks: np.ndarray
    tag: str = ""


@dataclass(frozen=True)
class Rule:
    """Parameters of the rule (see `neurons.config.KeyObject`); nouns in the form of `neurons.annotate.spelling`."""

    maximum_area: float
    priority_concepts: frozenset[str]
    priority_weight: float
    background_concepts: frozenset[str]
    priority_nouns: frozenset[str] = frozenset()
    background_nouns: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Choice:
    """The key object, and why it is the one."""

    instance: int
    reason: str


@dataclass(frozen=True)
class _Measured:
    instance: int
    area: float
    displacement: float
    priority: bool
    background: bool

    @property
    def rank(self) -> tuple[float, float, int]:
        """Sorts ahead what moves more, then what is larger, then the lower number."""
        return (-round(self.displacement / SAME_PX), -self.area, self.instance)


def area_share(masks: np.ndarray) -> float:
    """Mean share of the image that masks (F, h, w) cover, over the frames in which they are not empty."""
    shares = masks.mean(axis=(1, 2))
    return float(shares[shares > 0].mean()) if shares.any() else 0.0


def displacement_px(masks: np.ndarray) -> float:
    """Path of the centroid of masks (F, h, w) over the frames in which they are not empty, in px."""
    rows, columns = np.arange(masks.shape[1]), np.arange(masks.shape[2])
    seen = masks[masks.any(axis=(1, 2))]
    size = seen.sum(axis=(1, 2))
    path = np.stack([seen.sum(axis=2) @ rows / size, seen.sum(axis=1) @ columns / size], axis=1)
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())


def choose(candidates: Sequence[Candidate], rule: Rule) -> Choice:
    """The key object of a clip. The order of the candidates does not matter.

    An object is background if its noun or all its concepts are, and has priority if its noun or one of its concepts
    has and its noun is not background. Ties go to the larger object, then to the lower instance number.

    Raises
    ------
    ValueError
        If no candidate is visible in any frame.
    """
    measured = [_measure(candidate, rule) for candidate in candidates if candidate.masks.any()]
    if not measured:
        raise ValueError("no object is visible in any frame of the clip")
    objects = [item for item in measured if not item.background]
    fitting = [item for item in objects if item.area <= rule.maximum_area]
    priority = [item for item in fitting if item.priority]
    if priority:
        return _most_moving(priority, "priority object", len(measured))
    if fitting:
        return _most_moving(fitting, "object", len(measured))
    background = [item for item in measured if item.background]
    largest = min(background or objects, key=lambda item: (-item.area, item.instance))
    if not background:
        why = f"each covers more than {rule.maximum_area:.0%} of the image"
    elif objects:
        why = "background, as every other object covers too much of the image"
    else:
        why = "all are background"
    return Choice(
        largest.instance, f"largest of {len(background or objects)}, {largest.area:.1%} of the image: {why}"
    )


def _measure(candidate: Candidate, rule: Rule) -> _Measured:
    noun = spelling(candidate.tag)
    scenery = noun in rule.background_nouns
    priority = not scenery and (
        noun in rule.priority_nouns or not rule.priority_concepts.isdisjoint(candidate.concepts)
    )
    background = scenery or (not priority and rule.background_concepts.issuperset(candidate.concepts))
    weight = rule.priority_weight if priority else 1.0
    return _Measured(
        candidate.instance,
        area_share(candidate.masks),
        weight * displacement_px(candidate.masks),
        priority,
        background,
    )


def _most_moving(items: Sequence[_Measured], what: str, visible: int) -> Choice:
    ranked = sorted(items, key=lambda item: item.rank)
    best = ranked[0]
    if len(ranked) == 1:
        return Choice(best.instance, f"only {what} of {visible} visible")
    moved = f"weighted displacement {best.displacement:.1f} px"
    tie = ranked[1].rank[0] == best.rank[0]
    how = f"equal to another's, but {best.area:.1%} of the image" if tie else "the largest"
    return Choice(best.instance, f"{what}, {moved}, {how} ({len(ranked)} of {visible} visible qualify)")
