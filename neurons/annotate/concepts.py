"""The 51 concepts of the paper, and which of them a noun belongs to."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from neurons.annotate.spelling import ENDINGS, forms, spelling

CONCEPTS: tuple[str, ...] = (
    "animal", "human", "vehicle", "building", "clothing", "weapon", "plant", "appliance", "tool",
    "container", "body part", "furniture", "device", "fabric", "fruit", "vegetable", "insect",
    "landscape feature", "water body", "organism", "fish", "reptile", "mammal", "accessory",
    "sports equipment", "food", "drink", "light source", "weather phenomenon", "jewelry",
    "musical instrument", "structure", "flying vehicle", "toy", "kitchen item", "writing tool",
    "gardening tool", "scientific equipment", "furniture accessory", "roadway", "weaponry accessory",
    "sports field", "money", "timekeeping device", "decoration", "art", "stationery", "kitchen appliance",
    "rock/mineral", "soil/substrate", "climate/atmosphere component",
)  # fmt: skip

NO_CONCEPT = "none"
"""A model's choice where none of the concepts fits."""

IMPLIED: dict[str, tuple[str, ...]] = {
    "animal": ("organism",),
    "human": ("organism",),
    "plant": ("organism",),
    "mammal": ("animal", "organism"),
    "fish": ("animal", "organism"),
    "insect": ("animal", "organism"),
    "reptile": ("animal", "organism"),
    "fruit": ("food",),
    "vegetable": ("food",),
    "building": ("structure",),
    "flying vehicle": ("vehicle",),
    "jewelry": ("accessory",),
    "kitchen appliance": ("appliance",),
}
"""Concepts that a concept includes."""


@dataclass(frozen=True)
class Mapping:
    """Concepts of a tag, the most specific first (none for an unknown tag), and why.

    Attributes
    ----------
    sense
        Synset of WordNet that was taken, such as ``dog.n.01``; empty if the noun is in the table written by hand.
    """

    tag: str
    concepts: tuple[str, ...]
    reason: str
    sense: str = ""


@cache
def noun_table() -> dict[str, Mapping]:
    """The table ``nouns.tsv`` of this package, written by hand, by spelling."""
    return {
        spelling(row["noun"]): Mapping(row["noun"], tuple(row["concepts"].split("|")), row["reason"])
        for row in _rows("nouns.tsv")
    }


@cache
def wordnet_table() -> dict[str, Mapping]:
    """The table ``wordnet.tsv`` of this package, made from WordNet by `neurons.annotate.wordnet`, by spelling."""
    concepts = {row["synset"]: tuple(row["concepts"].split("|")) for row in _rows("wordnet_anchors.tsv")}
    return {
        spelling(row["noun"]): Mapping(
            row["noun"],
            concepts[row["anchor"]],
            f"WordNet: {row['sense']} is a kind of {row['anchor']}",
            row["sense"],
        )
        for row in _rows("wordnet.tsv")
    }


def map_tag(tag: str) -> Mapping:
    """Concepts of a tag, by the table written by hand and, where that lacks it, by WordNet's hypernyms.

    Looked up as it is; then as a singular; then, for several words, by its last word (``race car`` is a car).
    """
    return look_up(tag, noun_table, wordnet_table)


def look_up(tag: str, *tables: Callable[[], dict[str, Mapping]]) -> Mapping:
    """Concepts of a tag: each of its `neurons.annotate.spelling.forms` in each table, which is read when it is needed."""
    for key, how in forms(tag):
        for table in tables:
            if found := table().get(key):
                return Mapping(tag, found.concepts, f"{found.reason}{how}", found.sense)
    return Mapping(tag, (), "not in the tables")


def with_implied(concept: str) -> tuple[str, ...]:
    """A concept and those that it includes."""
    return (concept, *IMPLIED.get(concept, ()))


def singular(tag: str) -> str:
    """A tag with its last word in the singular, if only the singular is a known noun; otherwise as it is."""
    first, _, last = tag.rpartition(" ")
    if _is_known(tag) or _is_known(last):
        return tag
    for ending, single in ENDINGS:
        word = last.removesuffix(ending) + single
        if last.endswith(ending) and _is_known(word):
            return f"{first} {word}".strip()
    return tag


def _is_known(noun: str) -> bool:
    return spelling(noun) in noun_table() or spelling(noun) in wordnet_table()


def _rows(name: str) -> Iterator[dict[str, str]]:
    with files("neurons.annotate").joinpath(name).open(encoding="utf-8") as stream:
        yield from csv.DictReader((line for line in stream if not line.startswith("#")), delimiter="\t")
