"""All measures of videos and of decoded tasks by the protocols that the configuration names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from neurons.console import logger
from neurons.evaluate.measures import Measure
from neurons.evaluate.pairing import Pairing
from neurons.evaluate.released_tasks import recall_measures, released_mask_measures
from neurons.evaluate.released_videos import released_measures
from neurons.evaluate.resampling import block_numbers
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.strict_tasks import caption_measures, concept_measures, mask_measures
from neurons.evaluate.strict_videos import strict_measures
from neurons.evaluate.videos import Videos

SCORING = {
    "seed", "protocols", "ways", "top_k", "retrieval_pool", "gate_threshold", "bootstrap", "permutations",
    "image_permutations", "block_clips", "concept_threshold", "mask_threshold",
}  # fmt: skip
"""Keys of the section `evaluate` that scores depend on, besides the models."""
SLOW_PERMUTATIONS = 1
"""Permutations for the slowest measure: every clip with one wrong truth, which gives a level to compare with but no p."""


def video_measures(
    truth: Videos, prediction: Videos, ids: Sequence[str], permutations: np.ndarray, settings: Evaluate
) -> Iterator[Measure]:
    """All measures of videos.

    Parameters
    ----------
    ids
        Of the clips.
    permutations
        Shape (permutations, clips).
    settings
        Section `evaluate`: protocols, identifications, limits.
    """
    pairing = Pairing.of(permutations, settings.image_permutations)
    asked = settings.ways, settings.top_k
    if "strict" in settings.protocols:
        blocks = block_numbers(ids, settings.block_clips)
        yield from strict_measures(truth, prediction, pairing, blocks, *asked, settings.retrieval_pool)
    if "released" in settings.protocols:
        if truth.gate is None:
            logger.info("clip_adjacent_gated is left out: it needs a model (evaluate.gate)")
        few = Pairing.first(permutations, SLOW_PERMUTATIONS)
        yield from released_measures(truth, prediction, pairing, few, *asked, settings.gate_threshold)


@dataclass(frozen=True)
class Tasks:
    """What is decoded besides videos, and its truth.

    Attributes
    ----------
    true_masks, masks, training_masks
        0 or 1, probabilities, and 0 or 1, each (clips, frames, height, width).
    true_concepts, concepts, training_concepts
        The same, each (clips, concepts).
    true_captions, captions
        Texts.
    nouns
        Key objects; None for clips without one.
    subjects
        What the true captions name first; None for captions that name no tag.
    """

    true_masks: np.ndarray
    masks: np.ndarray
    training_masks: np.ndarray
    true_concepts: np.ndarray
    concepts: np.ndarray
    training_concepts: np.ndarray
    true_captions: Sequence[str]
    captions: Sequence[str]
    nouns: Sequence[str | None]
    subjects: Sequence[str | None]


def task_measures(tasks: Tasks, settings: Evaluate) -> Iterator[Measure]:
    """All measures of masks, concepts and captions."""
    if "strict" in settings.protocols:
        yield from mask_measures(tasks.true_masks, tasks.masks, tasks.training_masks, settings.mask_threshold)
        yield from concept_measures(
            tasks.true_concepts, tasks.concepts, tasks.training_concepts, settings.concept_threshold
        )
        yield from caption_measures(tasks.true_captions, tasks.nouns, tasks.subjects, tasks.captions)
    if "released" in settings.protocols:
        yield from released_mask_measures(tasks.true_masks, tasks.masks, settings.mask_threshold)
        yield from recall_measures(tasks.true_concepts, tasks.concepts, settings.concept_threshold)
