"""Recognised concepts and prompts."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.annotate.concepts import CONCEPTS
from neurons.reconstruct.prompts import compose, decoded_table, recognised
from neurons.reconstruct.settings import Reconstruct


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


def test_a_prompt_is_made_of_what_the_settings_name():
    rows = np.stack([probabilities(animal=0.9, plant=0.7), probabilities(tool=0.2)])
    with_names = decoded_table(["m:0", "m:1"], ["a dog", ""], rows, Reconstruct())
    assert with_names["prompt"].tolist() == ["a dog, animal, plant", ""]
    assert with_names["concepts"].tolist() == ["animal|plant", ""]
    assert with_names["top_concept"].tolist() == ["animal", "tool"]
    names_alone = decoded_table(["m:0", "m:1"], ["a dog", "a fish"], rows, Reconstruct(prompt_caption=False))
    assert names_alone["prompt"].tolist() == ["animal, plant", ""]
    assert names_alone["caption"].tolist() == ["a dog", "a fish"]
    neither = Reconstruct(prompt_caption=False, prompt_concepts=False)
    assert decoded_table(["m:0", "m:1"], ["a dog", "a fish"], rows, neither)["prompt"].tolist() == ["", ""]
    without = decoded_table(
        ["m:0", "m:1"], ["a dog", ""], rows, Reconstruct(prompt_concepts=False), [CONCEPTS.index("plant"), 0]
    )
    assert without["prompt"].tolist() == ["a dog", ""]
    assert without["top_concept"].tolist() == ["plant", CONCEPTS[0]]
