"""Prompts, captions of clips from those of frames, and the model's concepts beside WordNet's."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from neurons.annotate.agreement import tag_concepts
from neurons.annotate.describing_steps import read_prompts
from neurons.annotate.descriptions import model_choices, most_like_the_others
from neurons.artifacts import InputError
from tests.annotate.conftest import PROMPTS


def test_the_caption_most_like_the_others() -> None:
    assert most_like_the_others(["a dog runs", "a dog runs fast", "the sea"]) in (0, 1)
    assert most_like_the_others(["the sea", "a dog runs", "a dog sits", "a dog runs off", "x"]) == 1
    assert most_like_the_others(["a b", "a b", "a b"]) == 1
    assert most_like_the_others(["one"]) == 0


def test_choices_of_the_model_and_their_agreement() -> None:
    table = pd.DataFrame(
        {"tags": [["dog", "bat"], ["dog"], ["dog", "quux"]],
         "concepts": [["mammal", "sports equipment"], ["animal"], ["animal", "none"]]}
    )  # fmt: skip
    choices = model_choices(table)
    assert choices["dog"] == Counter(animal=2, mammal=1)
    dog, bat, quux = (tag_concepts(tag, "wordnet", choices) for tag in ("dog", "bat", "quux"))
    assert (dog.agreement, bat.agreement, quux.agreement) == ("same", "differs", "same")
    assert tag_concepts("cat", "wordnet", choices).agreement == ""
    assert tag_concepts("bat", "model", choices).concepts == ("sports equipment",)
    assert tag_concepts("dog", "model", choices).concepts == ("animal", "organism")
    assert tag_concepts("quux", "model", choices).concepts == ()
    assert tag_concepts("cat", "model", choices).concepts == ()


@pytest.mark.parametrize(("name", "lacking"), [("question", "{concepts}"), ("repair", "{problem}")])
def test_prompts_must_have_their_placeholders(tmp_path: Path, name: str, lacking: str) -> None:
    paths = {"question": PROMPTS / "frame.txt", "repair": PROMPTS / "repair.txt", name: tmp_path / "mine.txt"}
    with pytest.raises(InputError, match=r"mine\.txt .*cannot be read"):
        read_prompts(paths["question"], paths["repair"], 6, 2.0)
    (tmp_path / "mine.txt").write_text("Say something.")
    with pytest.raises(InputError, match=f"lacks the placeholder {lacking}"):
        read_prompts(paths["question"], paths["repair"], 6, 2.0)


def test_shipped_prompts_are_complete_and_name_every_concept() -> None:
    for per in ("frame", "clip"):
        question = read_prompts(PROMPTS / f"{per}.txt", PROMPTS / "repair.txt", 6, 2.0).question
        assert "rock/mineral, soil/substrate, climate/atmosphere component" in question
        assert '"caption"' in question and '"objects"' in question
        assert not {"{concepts}", "{frames}", "{seconds}"} & set(question.split())
