"""One clip: from what the back end sees to tags, concepts and the key object."""

from __future__ import annotations

from dataclasses import dataclass

from neurons.annotate.backend import Backend, ClipView, TrackedObject
from neurons.annotate.concepts import map_tag
from neurons.annotate.key_object import Candidate, Rule, choose
from neurons.artifacts import InputError


@dataclass(frozen=True)
class Annotated:
    """The annotation of one clip."""

    clip: str
    caption: str
    tags: list[str]
    concepts: list[str]
    key: TrackedObject
    key_concept: str
    key_reason: str


def annotate_clip(view: ClipView, backend: Backend, size_px: int, rule: Rule) -> Annotated:
    """Annotate one clip.

    Raises
    ------
    InputError
        If it has no known concept, or no object of a known concept is visible.
    """
    description = backend.describe(view)
    objects = backend.objects(view, size_px)
    nouns = list(dict.fromkeys([*description.tags, *(item.tag for item in objects)]))
    concepts = list(dict.fromkeys(concept for noun in nouns for concept in map_tag(noun).concepts))
    if not concepts:
        raise InputError(f"none of its tags has a concept: {', '.join(nouns)}; add them to nouns.tsv")
    candidates = {
        item.instance: Candidate(item.instance, map_tag(item.tag).concepts, item.masks)
        for item in objects
        if map_tag(item.tag).concepts
    }
    if not candidates:
        raise InputError(f"no mask of an object with a known concept is visible (tags: {', '.join(nouns)})")
    choice = choose(list(candidates.values()), rule)
    key = next(item for item in objects if item.instance == choice.instance)
    return Annotated(
        view.clip,
        description.caption,
        nouns,
        concepts,
        key,
        candidates[key.instance].concepts[0],
        choice.reason,
    )
