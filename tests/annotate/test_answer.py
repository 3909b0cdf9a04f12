"""Answers of a model: what is accepted, and what is said of the rest."""

import json
from typing import Any

import pytest

from neurons.annotate.answer import MalformedAnswer, parse_answer
from neurons.annotate.captioner import Prompts, Request, described, next_request, settled


def text(caption: Any = "a dog runs", nouns: Any = (("dog", "animal"),), **more: Any) -> str:
    objects = [{"noun": noun, "concept": concept} for noun, concept in nouns]
    return json.dumps({"caption": caption, "objects": objects, **more})


def test_an_answer_is_read() -> None:
    answer = parse_answer(
        text("a dog runs on the  beach.", [("dog", "animal"), ("beach", "landscape feature")])
    )
    assert answer.caption == "a dog runs on the beach"
    assert [(item.noun, item.concept) for item in answer.objects] == [
        ("dog", "animal"),
        ("beach", "landscape feature"),
    ]


def test_code_fences_are_no_part_of_it() -> None:
    assert parse_answer(f"\n```json\n{text()}\n```\n") == parse_answer(text())


@pytest.mark.parametrize(
    ("given", "noun"),
    [("Dogs", "dog"), ("race cars", "race car"), ("Bow-Tie", "bow tie"), ("glasses", "glasses"), ("people", "people"),
     ("tennis_ball", "tennis ball"), ("grass", "grass"), ("puppies", "puppy")],
)  # fmt: skip
def test_nouns_become_singular_and_plain(given: str, noun: str) -> None:
    assert parse_answer(text(nouns=[(given, "none")])).objects[0].noun == noun


def test_a_noun_occurs_once_with_its_first_concept() -> None:
    answer = parse_answer(text(nouns=[("dog", "animal"), ("sea", "water body"), ("dogs", "mammal")]))
    assert [(item.noun, item.concept) for item in answer.objects] == [
        ("dog", "animal"),
        ("sea", "water body"),
    ]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("I see a dog.", "not JSON"),
        ("", "not JSON"),
        ('{"caption": "a dog runs"', "not JSON"),
        ("[]", "the answer"),
        (json.dumps({"caption": "a dog runs"}), "objects: Field required"),
        (text(nouns=[]), "objects: .*at least 1"),
        (text(caption=""), "caption"),
        (text(caption="dog"), "several words"),
        (text(caption="A dog runs. It is brown."), "one phrase"),
        (text(caption=None), "caption"),
        (text(mood="happy"), "mood"),
        (text(nouns=[("dog", "canine")]), r"objects\.0\.concept.*copied from the list"),
        (text(nouns=[("dog 2", "animal")]), r"objects\.0\.noun.*common noun"),
        (text(nouns=[("a big brown dog here", "animal")]), r"objects\.0\.noun.*three words"),
        (text(nouns=[(3, "animal")]), r"objects\.0\.noun"),
        (text(caption="x" * 301), "caption"),
    ],
)
def test_malformed_answers_are_told_why(given: str, problem: str) -> None:
    with pytest.raises(MalformedAnswer, match=problem):
        parse_answer(given)


def test_a_second_answer_repairs_the_first_and_a_second_failure_is_recorded() -> None:
    good, bad = text(), "a dog"
    assert (described([good]).status, settled([good])) == ("answered", True)
    assert (described([bad]).status, settled([bad])) == ("failed", False)
    repaired = described([bad, good])
    assert (repaired.status, repaired.caption, repaired.answers) == ("repaired", "a dog runs", (bad, good))
    assert "not JSON" in repaired.problem
    failed = described([bad, ""])
    assert (failed.status, failed.caption, failed.tags, failed.answers) == ("failed", None, (), (bad, ""))
    assert settled([bad, ""])
    assert not settled([])


def test_the_repair_says_what_was_wrong() -> None:
    request, prompts = Request((), "What?"), Prompts("What?", "Wrong: {problem} Again.")
    assert next_request(request, [], prompts) is request
    again = next_request(request, ["a dog"], prompts)
    assert again.turns[0] == "a dog"
    assert again.turns[1].startswith("Wrong: it is not JSON")
    roles = [message["role"] for message in again.messages(lambda pixels: {})]
    assert roles == ["user", "assistant", "user"]
