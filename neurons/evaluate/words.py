"""Verbs and nouns of captions, by rules that are stated and need no model.

A word is a verb if it is a form in ``verbs.tsv`` (verbs of motion, posture and everyday action; auxiliaries are not in
it). A form that is also a common noun (the plain and the third-person form) does not count right after a determiner:
"a walk", "the turns". Nouns are compared in the singular.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from neurons.evaluate.ngrams import words

DETERMINERS = frozenset(
    {"a", "an", "the", "this", "that", "these", "those", "his", "her", "its", "their", "of", "no"}
)
IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "people": "person", "persons": "person", "feet": "foot",
    "teeth": "tooth", "geese": "goose", "mice": "mouse", "oxen": "ox", "wolves": "wolf", "leaves": "leaf",
    "knives": "knife", "shelves": "shelf", "loaves": "loaf", "calves": "calf", "halves": "half", "scarves": "scarf",
    "potatoes": "potato", "tomatoes": "tomato", "heroes": "hero", "buses": "bus", "movies": "movie", "cookies": "cookie",
    "shoes": "shoe", "canoes": "canoe",
}  # fmt: skip
ALWAYS_SINGULAR = frozenset(
    {"series", "species", "grass", "glass", "bus", "gas", "lens", "canvas", "cactus", "octopus"}
)


@cache
def verb_forms() -> tuple[dict[str, str], frozenset[str]]:
    """Lemma of each verb form, and the forms that may be nouns (plain and third-person)."""
    lemma: dict[str, str] = {}
    noun_like: set[str] = set()
    with files("neurons.evaluate").joinpath("verbs.tsv").open(encoding="utf-8") as stream:
        for entry in csv.DictReader(stream, delimiter="\t"):
            for column in ("participle", "past", "progressive", "third_person", "plain"):
                if entry[column]:
                    lemma[entry[column]] = entry["plain"]
            noun_like |= {entry["plain"], entry["third_person"]}
    return lemma, frozenset(noun_like)


def verbs(text: str) -> frozenset[str]:
    """Lemmas of the verbs of a text."""
    lemma, noun_like = verb_forms()
    tokens = words(text)
    before = ["", *tokens]
    return frozenset(
        lemma[word]
        for word, previous in zip(tokens, before, strict=False)
        if word in lemma and not (word in noun_like and previous in DETERMINERS)
    )


def singular(word: str) -> str:
    """The singular of an English noun, by the regular endings and a list of exceptions."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if (
        word in ALWAYS_SINGULAR
        or len(word) < 4
        or not word.endswith("s")
        or word.endswith(("ss", "us", "is"))
    ):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("ches", "shes", "sses", "xes", "zes")) else word[:-1]


def names(text: str, noun: str) -> bool:
    """Whether a text names a noun: all its words, in the singular, one after the other."""
    wanted = [singular(word) for word in words(noun)]
    tokens = [singular(word) for word in words(text)]
    return any(tokens[i : i + len(wanted)] == wanted for i in range(len(tokens) - len(wanted) + 1))


def first_named(text: str, nouns: Iterable[str]) -> str | None:
    """The one of `nouns` that a text names first; the longest of several at one place; None if it names none.

    In captions that begin with their subject ("a red car drives on a road") that is the subject.
    """
    tokens = [singular(word) for word in words(text)]
    found = []
    for noun in nouns:
        wanted = [singular(word) for word in words(noun)]
        at = [
            i
            for i in range(len(tokens) - len(wanted) + 1)
            if wanted and tokens[i : i + len(wanted)] == wanted
        ]
        if at:
            found.append((at[0], -len(wanted), noun))
    return min(found)[2] if found else None


def shares_verb(references: Sequence[str], hypotheses: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Whether reference i and hypothesis j have a verb in common, and whether reference i has one.

    Returns
    -------
    tuple
        float64 (references, hypotheses) of 0 and 1; bool (references,).
    """
    wanted, said = [verbs(text) for text in references], [verbs(text) for text in hypotheses]
    x, y = _indicators(wanted, said)
    return (x @ y.T > 0).astype(float), np.array([bool(found) for found in wanted])


def names_object(nouns: Sequence[str | None], hypotheses: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Whether hypothesis j names noun i, and whether there is a noun i (None, or empty: there is not).

    Returns
    -------
    tuple
        float64 (nouns, hypotheses) of 0 and 1; bool (nouns,).
    """
    texts = {text: column for column, text in enumerate(dict.fromkeys(hypotheses))}
    columns = [texts[text] for text in hypotheses]
    known = {
        noun: np.array([bool(noun) and names(text, noun) for text in texts])
        for noun in {n or "" for n in nouns}
    }
    found = np.array([known[noun or ""][columns] for noun in nouns], dtype=float)
    return found, np.array([bool(noun) for noun in nouns])


def _indicators(*groups: Iterable[frozenset[str]]) -> list[np.ndarray]:
    listed = [list(group) for group in groups]
    vocabulary = sorted({item for group in listed for items in group for item in items})
    return [
        np.array([[item in items for item in vocabulary] for items in group], dtype=float).reshape(
            len(group), -1
        )
        for group in listed
    ]
