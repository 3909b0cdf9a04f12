"""Verbs and key objects in captions."""

import csv
from importlib.resources import files

import numpy as np
import pytest

from neurons.evaluate.words import first_named, names, names_object, shares_verb, singular, verb_forms, verbs
from neurons.simulate.vocabulary import STILL_VERBS, TRAVEL_VERBS, VERTICAL_VERBS


@pytest.mark.parametrize(
    ("text", "lemmas"),
    [
        ("A man walks along the beach.", {"walk"}),
        ("a man is walking and talking", {"walk", "talk"}),
        ("the walk was long", set()),
        ("a running dog", {"run"}),
        ("a bird flew over a flying fish", {"fly"}),
        ("the car has been driven", {"drive"}),
        ("a car drives left", {"drive"}),
        ("there is a chair", set()),
        ("", set()),
    ],
)
def test_verbs(text: str, lemmas: set[str]) -> None:
    assert verbs(text) == lemmas


def test_every_verb_of_the_simulated_captions_is_listed() -> None:
    said = {*TRAVEL_VERBS.values(), *STILL_VERBS.values(), "comes", "goes", "turns"}
    said |= {verb for by_direction in VERTICAL_VERBS.values() for verb in by_direction.values()}
    assert [verb for verb in sorted(said) if not verbs(f"a dog {verb}")] == []


def test_no_form_belongs_to_two_verbs() -> None:
    with files("neurons.evaluate").joinpath("verbs.tsv").open() as stream:
        entries = list(csv.DictReader(stream, delimiter="\t"))
    forms = [form for entry in entries for form in {value for value in entry.values() if value}]
    assert sorted(form for form in set(forms) if forms.count(form) > 1) == []
    assert set(verb_forms()[0]) == set(forms)


def test_auxiliaries_are_not_verbs() -> None:
    assert verbs("is are was be been has have had do does did will would can could") == frozenset()


@pytest.mark.parametrize(
    ("plural", "expected"),
    [
        ("cars", "car"), ("dresses", "dress"), ("people", "person"), ("ladies", "lady"), ("grass", "grass"), ("bus", "bus"),
        ("buses", "bus"), ("leaves", "leaf"), ("boxes", "box"), ("houses", "house"), ("horse", "horse"), ("fish", "fish"),
        ("benches", "bench"), ("faces", "face"), ("women", "woman"), ("gas", "gas"), ("trees", "tree"),
    ],
)  # fmt: skip
def test_singular(plural: str, expected: str) -> None:
    assert singular(plural) == expected


@pytest.mark.parametrize(
    ("text", "noun", "expected"),
    [
        ("Two dogs run.", "dog", True),
        ("a hotdog", "dog", False),
        ("people at night", "person", True),
        ("a traffic light", "traffic light", True),
        ("light traffic", "traffic light", False),
        ("", "dog", False),
    ],
)
def test_names(text: str, noun: str, expected: bool) -> None:
    assert names(text, noun) is expected


def test_matrices_equal_single_comparisons() -> None:
    references = ["a dog runs", "a chair", "a bird flies", "a dog runs"]
    said = ["a cat is running", "birds fly", "", "birds fly"]
    shared, has_verb = shares_verb(references, said)
    assert (shared == [[bool(verbs(r) & verbs(h)) for h in said] for r in references]).all()
    assert has_verb.tolist() == [True, False, True, True]
    found, known = names_object(["bird", None, "cat", ""], said)
    assert found.tolist() == [[0, 1, 0, 1], [0] * 4, [1, 0, 0, 0], [0] * 4]
    assert known.tolist() == [True, False, True, False]


def test_no_verbs_anywhere() -> None:
    shared, has_verb = shares_verb(["a chair"], ["a tree"])
    assert not has_verb.any()
    assert np.all(shared == 0)


@pytest.mark.parametrize(
    ("text", "nouns", "expected"),
    [
        ("a red car drives on a road near a dog", ["dog", "road", "car"], "car"),
        ("two dogs chase a ball", ["ball", "dog"], "dog"),
        ("a fire truck waits", ["truck", "fire truck", "fire"], "fire truck"),
        ("nothing to see", ["dog"], None),
        ("a dog", [], None),
    ],
)
def test_first_named(text: str, nouns: list[str], expected: str | None) -> None:
    assert first_named(text, nouns) == expected
