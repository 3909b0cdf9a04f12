"""The table ``wordnet.tsv`` of this package, made from the dictionary files of WordNet 3.0.

``python -m neurons.annotate.wordnet --dictionary <folder with data.noun>`` writes the table anew. A noun has the concepts
of the nearest anchor (``wordnet_anchors.tsv``) above one of its senses: the first sense in WordNet's order, which is
by frequency, that has one. Names of single things (instances, words with a capital letter) have none.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from cyclopts import App

from neurons.annotate.spelling import spelling
from neurons.artifacts import InputError, atomic

DICTIONARY_FILES = ("data.noun", "index.noun", "noun.exc", "cntlist.rev")
RAREST_SENSE = 0.1
"""A sense that is used less than this, relative to the noun's most frequent sense, is not taken."""

LATEST_ANIMAL = 3
"""An animal among the first senses is preferred: a chicken is seldom only meat."""

NOTICE = (
    "# Derived from WordNet 3.0, (c) 2006 Princeton University. All rights reserved. See WORDNET_LICENSE.\n"
)


@dataclass(frozen=True)
class Synset:
    """A sense that words share: its words as they are spelled, and the synsets above it."""

    offset: str
    words: tuple[str, ...]
    hypernyms: tuple[str, ...]
    instance: bool
    gloss: str


@dataclass(frozen=True)
class Row:
    """A noun of the table, with the sense taken, and the anchor (a synset) that its concepts come from."""

    noun: str
    sense: str
    anchor: str


class Dictionary:
    """The nouns of WordNet.

    Parameters
    ----------
    folder
        Folder with the dictionary files (package ``wordnet-base`` of Debian: ``/usr/share/wordnet``).

    Raises
    ------
    InputError
        If a file is missing.
    """

    def __init__(self, folder: Path) -> None:
        missing = [name for name in DICTIONARY_FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(f"{folder} lacks WordNet's dictionary files: {', '.join(missing)}")
        self.synsets = {item.offset: item for item in _synsets(folder / "data.noun")}
        self.senses = dict(_senses(folder / "index.noun"))
        self.plurals = dict(_plurals(folder / "noun.exc"))
        self._counts = dict(_counts(folder / "cntlist.rev"))

    def synset(self, name: str) -> Synset:
        """The synset called, for example, ``dog.n.01``: the first sense of the noun dog."""
        lemma, _, number = name.rsplit(".", 2)
        try:
            return self.synsets[self.senses[lemma][int(number) - 1]]
        except (KeyError, IndexError) as error:
            raise InputError(f"WordNet has no noun synset {name!r}") from error

    def common(self, lemma: str) -> Iterator[tuple[int, int, Synset]]:
        """Number, use count and synset of the senses of a noun that are not names, nor rare beside its others."""
        offsets = self.senses[lemma]
        counts = [self._counts.get((lemma, number), 0) for number in range(1, len(offsets) + 1)]
        for number, (offset, count) in enumerate(zip(offsets, counts, strict=True), start=1):
            synset = self.synsets[offset]
            named = synset.instance or lemma not in synset.words
            if not named and (count + 1) / (max(counts) + 1) >= RAREST_SENSE:
                yield number, count, synset


@dataclass(frozen=True)
class Anchors:
    """Synsets with the concepts of everything below them."""

    concepts: dict[str, tuple[str, ...]]

    @cached_property
    def nothing(self) -> frozenset[str]:
        """Anchors whose nouns have no concept."""
        return frozenset(name for name, concepts in self.concepts.items() if not concepts)


def anchors() -> Anchors:
    """The table ``wordnet_anchors.tsv``."""
    with files("neurons.annotate").joinpath("wordnet_anchors.tsv").open(encoding="utf-8") as stream:
        rows = csv.DictReader(stream, delimiter="\t")
        return Anchors({row["synset"]: tuple(filter(None, row["concepts"].split("|"))) for row in rows})


def derive(dictionary: Dictionary, known: Anchors) -> list[Row]:
    """A row for each noun below an anchor, sorted; irregular plurals have rows of their own.

    A noun of several words is left out if its last word is in the table with the same anchor's concepts, since
    `neurons.annotate.concepts.map_tag` reads that from the last word.
    """
    above = {dictionary.synset(name).offset: name for name in known.concepts}
    single: dict[str, Row] = {}
    compound: dict[str, Row] = {}
    for lemma in dictionary.senses:
        row = _row(lemma, dictionary, above, known)
        if row is not None:
            (compound if "_" in lemma else single)[lemma] = row
    for plural, base in dictionary.plurals.items():
        if base in single and plural not in single and not _regular(plural, base):
            found = single[base]
            single[plural] = Row(plural, found.sense, found.anchor)
    heads = {
        lemma: row
        for lemma, row in compound.items()
        if known.concepts[row.anchor] != _concepts(single, known, lemma.rpartition("_")[2])
    }
    rows = {spelling(row.noun): row for row in (*heads.values(), *single.values())}
    return sorted(rows.values(), key=lambda row: row.noun)


def _concepts(single: dict[str, Row], known: Anchors, word: str) -> tuple[str, ...]:
    return known.concepts[single[word].anchor] if word in single else ()


def _regular(plural: str, base: str) -> bool:
    return any(
        plural == base.removesuffix(ending) + more
        for ending, more in (("y", "ies"), ("f", "ves"), ("", "es"), ("", "s"))
        if base.endswith(ending)
    )


def _row(lemma: str, dictionary: Dictionary, above: dict[str, str], known: Anchors) -> Row | None:
    if not re.fullmatch(r"[a-z][a-z_'-]*", lemma) or len(lemma) < 2:
        return None
    senses = [
        (number, count, anchor)
        for number, count, synset in dictionary.common(lemma)
        if (anchor := _nearest(synset, dictionary, above)) is not None and anchor not in known.nothing
    ]
    if not senses:
        return None
    number, _, anchor = min(senses, key=lambda sense: _reluctance(known.concepts[sense[2]], *sense[:2]))
    return Row(lemma.replace("_", " "), f"{lemma}.n.{number:02d}", anchor)


def _reluctance(concepts: tuple[str, ...], number: int, count: int) -> tuple[int, int]:
    """Sorts senses, those first that pictures show.

    An animal comes before its meat, a fruit before its tree, and a thing before a figure of speech for a person (`tiger`);
    otherwise the order is WordNet's.
    """
    if concepts[0] == "human":
        return (0 if number == 1 and count else 4), number
    if "animal" in concepts and number <= LATEST_ANIMAL:
        return 1, number
    return (2 if concepts[0] in ("fruit", "vegetable") else 3), number


def _nearest(synset: Synset, dictionary: Dictionary, above: dict[str, str]) -> str | None:
    waiting, seen = deque([synset.offset]), {synset.offset}
    while waiting:
        offset = waiting.popleft()
        if offset in above:
            return above[offset]
        for higher in dictionary.synsets[offset].hypernyms:
            if higher not in seen:
                seen.add(higher)
                waiting.append(higher)
    return None


def table_text(rows: list[Row]) -> str:
    """The table as it is stored."""
    stream = io.StringIO()
    stream.write(NOTICE)
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE)
    writer.writerow(["noun", "sense", "anchor"])
    writer.writerows((row.noun, row.sense, row.anchor) for row in rows)
    return stream.getvalue()


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="latin-1") as stream:
        yield from (line.rstrip("\n") for line in stream if not line.startswith("  "))


def _synsets(path: Path) -> Iterator[Synset]:
    for line in _lines(path):
        head, _, gloss = line.partition(" | ")
        parts = head.split()
        words = int(parts[3], 16)
        first = 4 + 2 * words
        pointers = [parts[at : at + 4] for at in range(first + 1, first + 1 + 4 * int(parts[first]), 4)]
        yield Synset(
            parts[0],
            tuple(parts[4:first:2]),
            tuple(target for symbol, target, kind, _ in pointers if symbol in ("@", "@i") and kind == "n"),
            any(symbol == "@i" for symbol, *_ in pointers),
            gloss.strip(),
        )


def _senses(path: Path) -> Iterator[tuple[str, list[str]]]:
    for line in _lines(path):
        parts = line.split()
        yield parts[0], parts[-int(parts[2]) :]


def _plurals(path: Path) -> Iterator[tuple[str, str]]:
    for line in _lines(path):
        plural, base, *_ = line.split()
        yield plural, base


def _counts(path: Path) -> Iterator[tuple[tuple[str, int], int]]:
    for line in _lines(path):
        key, number, count = line.split()
        lemma, _, rest = key.partition("%")
        if rest.startswith("1:"):
            yield (lemma, int(number)), int(count)


app = App(help=__doc__)


@app.default
def main(*, dictionary: Path) -> None:
    """Write ``wordnet.tsv`` anew from the dictionary files in a folder."""
    text = table_text(derive(Dictionary(dictionary), anchors()))
    with atomic(Path(str(files("neurons.annotate").joinpath("wordnet.tsv")))) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    app()
