"""How often the mapping of nouns to concepts agrees with a person, on tags labelled before it existed.

``python benchmarks/concept_mapping.py`` prints how often WordNet's hypernyms alone agree with the table written by hand, on
which they were chosen; then the accuracy on the labelled tags, and every mistake. A tag is right if its first concept is
among those that the person accepts (no concept, for tags that are none of the 51).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from neurons.annotate.concepts import Mapping, look_up, map_tag, noun_table, wordnet_table
from neurons.artifacts import read_table

LABELS = Path(__file__).parents[1] / "tests/annotate/hand_labelled_tags.tsv"


def labelled() -> dict[str, set[str]]:
    """Accepted concepts of each tag."""
    table = read_table(LABELS, ["tag", "concepts"])
    accepted = table["concepts"].fillna("").str.split("|")
    return {tag: set(filter(None, names)) for tag, names in zip(table["tag"], accepted, strict=True)}


def mistakes(mapped: Callable[[str], Mapping]) -> list[tuple[Mapping, set[str]]]:
    """Mappings that a person does not accept, with what is accepted."""
    pairs = [(mapped(tag), accepted) for tag, accepted in labelled().items()]
    return [
        (found, accepted)
        for found, accepted in pairs
        if not (set(found.concepts[:1]) or {""}) <= (accepted or {""})
    ]


def main() -> None:
    """Print accuracies and mistakes."""
    known = noun_table()
    same = sum(look_up(item.tag, wordnet_table).concepts[:1] == item.concepts[:1] for item in known.values())
    print(
        f"WordNet alone on the table written by hand: {same} of {len(known)} nouns, {same / len(known):.1%}"
    )
    tags, wrong = len(labelled()), mistakes(map_tag)
    print(f"tags labelled beforehand: {tags - len(wrong)} of {tags}, {1 - len(wrong) / tags:.1%}")
    for found, accepted in wrong:
        got, wanted = found.concepts[0] if found.concepts else "none", " or ".join(sorted(accepted)) or "none"
        print(f"  {found.tag}: {got}, expected {wanted} ({found.reason})")


if __name__ == "__main__":
    main()
