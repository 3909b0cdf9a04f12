"""The 51 concepts of the paper, and which of them a noun belongs to."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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


@dataclass(frozen=True)
class Mapping:
    """Concepts of a tag, the most specific first (none for an unknown tag), and why."""

    tag: str
    concepts: tuple[str, ...]
    reason: str


def spelling(tag: str) -> str:
    """The form in which tags are compared: ``Bow tie``, ``bow-tie`` and ``bowtie`` are one."""
    return re.sub(r"[\s_\-/]+", "", tag.lower())


@cache
def noun_table() -> dict[str, Mapping]:
    """The table ``nouns.tsv`` of this package, by spelling."""
    with files("neurons.annotate").joinpath("nouns.tsv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    return {
        spelling(row["noun"]): Mapping(row["noun"], tuple(row["concepts"].split("|")), row["reason"])
        for row in rows
    }


def map_tag(tag: str) -> Mapping:
    """Concepts of a tag.

    Looked up as it is; then as a singular; then, for several words, by its last word (``race car`` is a car).
    """
    table = noun_table()
    for key, how in _forms(tag):
        if key in table:
            found = table[key]
            return Mapping(tag, found.concepts, f"{found.reason}{how}")
    return Mapping(tag, (), "not in the table")


def _forms(tag: str) -> Iterator[tuple[str, str]]:
    words = tag.split()
    head = words[-1] if words else tag
    for text, how in ((tag, ""), (head, f", by its head noun {head!r}")):
        key = spelling(text)
        yield key, how
        for ending, singular in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
            if key.endswith(ending):
                yield key.removesuffix(ending) + singular, f"{how}, plural"
