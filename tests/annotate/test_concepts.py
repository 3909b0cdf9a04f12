"""From nouns to the 51 concepts."""

import pytest

from neurons.annotate.concepts import CONCEPTS, map_tag, noun_table
from neurons.annotate.spelling import spelling
from neurons.simulate.vocabulary import OBJECT_CONCEPTS, PLACE_CONCEPTS


def test_there_are_51_concepts_in_the_papers_order() -> None:
    assert len(CONCEPTS) == len(set(CONCEPTS)) == 51
    assert (CONCEPTS[0], CONCEPTS[1], CONCEPTS[18], CONCEPTS[50]) == (
        "animal",
        "human",
        "water body",
        "climate/atmosphere component",
    )


def test_every_row_names_known_concepts_once_and_gives_a_reason() -> None:
    for mapping in noun_table().values():
        assert mapping.concepts
        assert set(mapping.concepts) <= set(CONCEPTS), mapping
        assert len(set(mapping.concepts)) == len(mapping.concepts), mapping
        assert mapping.reason, mapping


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_concept_is_its_own_noun(concept: str) -> None:
    assert map_tag(concept).concepts[0] == concept


def test_every_concept_has_a_noun_that_is_not_its_name() -> None:
    reached = {
        name for m in noun_table().values() for name in m.concepts if spelling(m.tag) != spelling(name)
    }
    assert reached == set(CONCEPTS)


@pytest.mark.parametrize(("tag", "concepts"), [*OBJECT_CONCEPTS.items(), *PLACE_CONCEPTS.items()])
def test_words_of_the_simulated_world(tag: str, concepts: tuple[str, ...]) -> None:
    assert map_tag(tag).concepts == concepts


def test_implied_concepts_are_always_present() -> None:
    implied = {"mammal": "animal", "fish": "animal", "insect": "animal", "reptile": "animal", "animal": "organism",
               "human": "organism", "plant": "organism", "fruit": "food", "vegetable": "food", "building": "structure",
               "flying vehicle": "vehicle", "jewelry": "accessory", "kitchen appliance": "appliance"}  # fmt: skip
    for mapping in noun_table().values():
        for concept in mapping.concepts:
            assert implied.get(concept, concept) in mapping.concepts, mapping


@pytest.mark.parametrize(
    ("tag", "same_as"),
    [
        ("Bow tie", "bowtie"),
        ("bow-tie", "bowtie"),
        ("BIRD", "bird"),
        ("puppies", "puppy"),
        ("wolves", "wolf"),
        ("buses", "bus"),
        ("boats", "boat"),
        ("people", "person"),
        ("race car", "car"),
        ("red race cars", "car"),
    ],
)
def test_spellings_plurals_and_compounds(tag: str, same_as: str) -> None:
    assert map_tag(tag).concepts == map_tag(same_as).concepts != ()
    assert map_tag(tag).tag == tag


@pytest.mark.parametrize("tag", ["glass", "dress", "bus", "grass", "canvas bus"])
def test_words_that_end_like_plurals(tag: str) -> None:
    assert map_tag(tag).concepts


def test_unknown_words_have_no_concept() -> None:
    assert map_tag("quux").concepts == ()
    assert map_tag("").concepts == ()
