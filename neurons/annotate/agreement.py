"""Concepts of tags by two sources, beside each other: WordNet (with the table written by hand), and the model's choice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from neurons.annotate.concepts import NO_CONCEPT, map_tag, with_implied


@dataclass(frozen=True)
class TagConcepts:
    """A tag with its concepts.

    Attributes
    ----------
    concepts
        Those that are used, the most specific first.
    sense, reason
        Of the mapping by WordNet.
    wordnet
        Concepts by WordNet.
    choices
        The model's choices with their numbers; empty if no model was asked.
    """

    tag: str
    concepts: tuple[str, ...]
    sense: str
    reason: str
    wordnet: tuple[str, ...]
    choices: Counter[str]

    @property
    def agreement(self) -> str:
        """``same`` if the model's commonest choice is among WordNet's concepts, ``differs`` if not, else empty."""
        chosen = commonest(self.choices)
        if chosen is None:
            return ""
        agrees = chosen in self.wordnet if chosen != NO_CONCEPT else not self.wordnet
        return "same" if agrees else "differs"


def commonest(choices: Counter[str]) -> str | None:
    """The commonest choice, of equals the first in the alphabet; None if there is none."""
    return min(choices, key=lambda name: (-choices[name], name)) if choices else None


def tag_concepts(tag: str, used: str, choices: Mapping[str, Counter[str]]) -> TagConcepts:
    """Concepts of a tag.

    Parameters
    ----------
    used
        Which source decides: ``wordnet`` or ``model``.
    choices
        The model's choices by tag.
    """
    mapping = map_tag(tag)
    chosen = commonest(choices.get(tag, Counter()))
    by_model = () if chosen in (None, NO_CONCEPT) else with_implied(chosen)
    concepts = mapping.concepts if used == "wordnet" else by_model
    return TagConcepts(
        tag, concepts, mapping.sense, mapping.reason, mapping.concepts, choices.get(tag, Counter())
    )


def agreement_table(tags: Sequence[TagConcepts], clips: Mapping[str, int]) -> pd.DataFrame:
    """One row per tag: tag, concepts, sense, reason, wordnet, model (choices with their numbers), agreement, clips."""
    return pd.DataFrame(
        {
            "tag": [item.tag for item in tags],
            "concepts": ["|".join(item.concepts) for item in tags],
            "sense": [item.sense for item in tags],
            "reason": [item.reason for item in tags],
            "wordnet": ["|".join(item.wordnet) for item in tags],
            "model": [
                "|".join(f"{name}: {count}" for name, count in item.choices.most_common()) for item in tags
            ],
            "agreement": [item.agreement for item in tags],
            "clips": [clips[item.tag] for item in tags],
        }
    )
