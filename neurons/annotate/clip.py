"""One clip: from what the back end sees to tags, concepts and the key object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from neurons.annotate.backend import Captions, ClipView, Masks, TrackedObject
from neurons.annotate.key_object import Candidate, Rule, choose
from neurons.artifacts import InputError

ConceptsOf = Callable[[str], tuple[str, ...]]


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


def annotate_clip(
    view: ClipView, captions: Captions, masks: Masks, size_px: int, rule: Rule, concepts_of: ConceptsOf
) -> Annotated:
    """Annotate one clip.

    Parameters
    ----------
    concepts_of
        Concepts of a noun, the most specific first; none for an unknown one.

    Raises
    ------
    InputError
        If it has no known concept, or no object of a known concept is visible.
    """
    description = captions.describe(view)
    objects = masks.objects(view, size_px)
    nouns = list(dict.fromkeys([*description.tags, *(item.tag for item in objects)]))
    concepts = list(dict.fromkeys(concept for noun in nouns for concept in concepts_of(noun)))
    if not concepts:
        raise InputError(f"none of its tags has a concept: {', '.join(nouns)}; add them to nouns.tsv")
    candidates = {
        item.instance: Candidate(item.instance, concepts_of(item.tag), item.masks, item.tag)
        for item in objects
        if concepts_of(item.tag)
    }
    if not candidates:
        raise InputError(
            f"no mask of an object with a known concept is visible (tags: {', '.join(nouns)}); add masks, or lower "
            "annotate.grounded_sam.box_threshold where they are made by models"
        )
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
