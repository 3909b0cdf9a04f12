"""Recognised concepts and prompts."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.annotate.concepts import CONCEPTS
from neurons.reconstruct.prompts import compose, decoded_table, recognised


def probabilities(**given):
    row = np.zeros(len(CONCEPTS), dtype=np.float16)
    for name, value in given.items():
        row[CONCEPTS.index(name)] = value
    return row


def test_concepts_above_the_threshold_come_with_the_most_probable_first():
    row = probabilities(plant=0.6, animal=0.9, tool=0.5, art=0.4)
    assert recognised(row, 0.5) == ["animal", "plant"]


@pytest.mark.parametrize(
    ("caption", "concepts", "prompt"),
    [
        ("a dog runs", ["animal", "plant"], "a dog runs, animal, plant"),
        ("an Animal on a plant", ["animal", "plant"], "an Animal on a plant"),
        ("a party in a field", ["art"], "a party in a field, art"),
        ("a rock/mineral", ["rock/mineral", "tool"], "a rock/mineral, tool"),
        ("", ["animal"], "animal"),
        ("a dog", [], "a dog"),
    ],
)
def test_prompts_name_each_concept_once(caption, concepts, prompt):
    assert compose(caption, concepts) == prompt


def test_the_table_appends_concepts_only_if_asked():
    rows = np.stack([probabilities(animal=0.9, plant=0.7), probabilities(tool=0.2)])
    with_names = decoded_table(["m:0", "m:1"], ["a dog", ""], rows, 0.5, True)
    assert with_names["prompt"].tolist() == ["a dog, animal, plant", ""]
    assert with_names["concepts"].tolist() == ["animal|plant", ""]
    assert with_names["top_concept"].tolist() == ["animal", "tool"]
    without = decoded_table(["m:0", "m:1"], ["a dog", ""], rows, 0.5, False, top=[CONCEPTS.index("plant"), 0])
    assert without["prompt"].tolist() == ["a dog", ""]
    assert without["top_concept"].tolist() == ["plant", CONCEPTS[0]]
