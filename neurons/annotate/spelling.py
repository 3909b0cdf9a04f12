"""Spellings of a noun: the form in which tags are compared, and the singular forms that a word may come from."""

from __future__ import annotations

import re
from collections.abc import Iterator

ENDINGS = (("ies", "y"), ("ves", "f"), ("es", ""), ("s", ""))
"""Endings of plurals, and what they replace."""


def spelling(tag: str) -> str:
    """The form in which tags are compared: ``Bow tie``, ``bow-tie`` and ``bowtie`` are one."""
    return re.sub(r"[\s_\-/]+", "", tag.lower())


def forms(tag: str) -> Iterator[tuple[str, str]]:
    """Forms under which a tag may be known, the closest first, and how each was reached (empty: as it is).

    As it is; as a singular; then its last word (``race car`` is a car), as it is and as a singular.
    """
    words = tag.split()
    head = words[-1] if words else tag
    for text, how in ((tag, ""), (head, f", by its head noun {head!r}")):
        key = spelling(text)
        yield key, how
        for ending, singular in ENDINGS:
            if key.endswith(ending):
                yield key.removesuffix(ending) + singular, f"{how}, plural"
