"""The table made from WordNet: on a dictionary of a few synsets written by hand, and against labels of a person."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from pathlib import Path

import pytest

from neurons.annotate.concepts import CONCEPTS, look_up, map_tag, noun_table, wordnet_table
from neurons.annotate.spelling import spelling
from neurons.annotate.wordnet import Anchors, Dictionary, anchors, derive, table_text
from neurons.artifacts import InputError, read_table

ROOT = Path(__file__).parents[2]
INSTALLED = Path("/usr/share/wordnet")

# offset, words, hypernyms, instance hypernyms
SYNSETS = {
    "entity": (["entity"], [], []),
    "person": (["person"], ["entity"], []),
    "animal": (["animal"], ["entity"], []),
    "food": (["food"], ["entity"], []),
    "device": (["device"], ["entity"], []),
    "bird": (["bird"], ["animal"], []),
    "crane bird": (["crane"], ["bird"], []),
    "Crane poet": (["Crane"], [], ["person"]),
    "crane device": (["crane"], ["device"], []),
    "chicken meat": (["chicken"], ["food"], []),
    "chicken bird": (["chicken"], ["bird"], []),
    "tiger person": (["tiger"], ["person"], []),
    "tiger": (["tiger"], ["animal"], []),
    "mouse": (["mouse"], ["animal"], []),
    "toy mouse": (["toy_mouse"], ["device"], []),
    "field mouse": (["field_mouse"], ["mouse"], []),
    "idea": (["idea"], ["entity"], []),
    "duck rare": (["duck"], ["bird"], []),
    "duck cloth": (["duck"], ["device"], []),
}
SENSES = {
    "entity": ["entity"], "person": ["person"], "animal": ["animal"], "food": ["food"], "device": ["device"],
    "bird": ["bird"], "crane": ["Crane poet", "crane device", "crane bird"],
    "chicken": ["chicken meat", "chicken bird"], "tiger": ["tiger person", "tiger"], "mouse": ["mouse"],
    "toy_mouse": ["toy mouse"], "field_mouse": ["field mouse"], "idea": ["idea"],
    "duck": ["duck cloth", "duck rare"],
}  # fmt: skip
KNOWN = Anchors(
    {
        "animal.n.01": ("animal",),
        "food.n.01": ("food",),
        "device.n.01": ("device",),
        "person.n.01": ("human",),
    }
)


@pytest.fixture
def dictionary(tmp_path: Path) -> Dictionary:
    offsets = {name: f"{number:08d}" for number, name in enumerate(SYNSETS, start=1)}
    lines = ["  1 licence text"]
    for name, (words, above, instance_of) in SYNSETS.items():
        pointers = [f"@ {offsets[other]} n 0000" for other in above]
        pointers += [f"@i {offsets[other]} n 0000" for other in instance_of]
        spelled = " ".join(f"{word} 0" for word in words)
        lines.append(
            f"{offsets[name]} 03 n {len(words):02x} {spelled} {len(pointers):03d} {' '.join(pointers)} | gloss"
        )
    (tmp_path / "data.noun").write_text("\n".join(lines) + "\n")
    index = [
        f"{lemma} n {len(names)} 1 @ {len(names)} 0 {' '.join(offsets[name] for name in names)}"
        for lemma, names in SENSES.items()
    ]
    (tmp_path / "index.noun").write_text("  1 licence text\n" + "\n".join(index) + "\n")
    (tmp_path / "noun.exc").write_text("mice mouse\ncranes crane\n")
    (tmp_path / "cntlist.rev").write_text("duck%1:06:00:: 1 40\nduck%2:30:00:: 2 99\n")
    return Dictionary(tmp_path)


def test_senses_are_chosen_as_pictures_show_them(dictionary: Dictionary) -> None:
    rows = {row.noun: row for row in derive(dictionary, KNOWN)}
    assert rows["crane"].sense == "crane.n.03", "an animal comes before a thing; a name is no sense"
    assert rows["chicken"].sense == "chicken.n.02", "the bird before its meat"
    assert rows["tiger"].anchor == "animal.n.01", "a person only as a figure of speech"
    assert rows["duck"].anchor == "device.n.01", "a sense forty times rarer is not taken"
    assert "idea" not in rows and "entity" not in rows


def test_compounds_and_plurals(dictionary: Dictionary) -> None:
    rows = {row.noun: row for row in derive(dictionary, KNOWN)}
    assert "field mouse" not in rows, "its last word says as much"
    assert rows["toy mouse"].anchor == "device.n.01"
    assert rows["mice"].sense == "mouse.n.01"
    assert "cranes" not in rows, "a regular plural needs no row"


def test_nothing_below_an_anchor_without_concepts(dictionary: Dictionary) -> None:
    known = Anchors({**KNOWN.concepts, "bird.n.01": ()})
    rows = {row.noun: row for row in derive(dictionary, known)}
    assert rows["crane"].anchor == "device.n.01"
    assert "bird" not in rows


def test_missing_dictionary_files_and_synsets_are_named(dictionary: Dictionary, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no noun synset 'dragon\.n\.01'"):
        derive(dictionary, Anchors({"dragon.n.01": ("animal",)}))
    (tmp_path / "noun.exc").unlink()
    with pytest.raises(InputError, match=r"lacks WordNet's dictionary files: noun\.exc"):
        Dictionary(tmp_path)


def test_anchors_name_known_concepts() -> None:
    assert {name for concepts in anchors().concepts.values() for name in concepts} <= set(CONCEPTS)


@pytest.mark.parametrize(
    ("tag", "concept", "sense"),
    [("beagle", "animal", "beagle.n.01"), ("Osprey", "animal", "osprey.n.01"), ("ukuleles", "musical instrument",
     "ukulele.n.01"), ("meerkats", "animal", "meerkat.n.01"), ("biplane", "flying vehicle", "biplane.n.01")],
)  # fmt: skip
def test_words_that_only_wordnet_knows(tag: str, concept: str, sense: str) -> None:
    assert spelling(tag) not in noun_table()
    found = map_tag(tag)
    assert (found.concepts[0], found.sense) == (concept, sense)
    assert sense in found.reason


def test_the_table_written_by_hand_comes_first() -> None:
    assert map_tag("drone").concepts[0] == "flying vehicle"
    assert look_up("drone", wordnet_table).concepts[0] == "insect"


@pytest.mark.skipif(
    not INSTALLED.is_dir(), reason="WordNet's dictionary files (wordnet-base) are not installed"
)
def test_the_shipped_table_is_what_the_command_makes() -> None:
    text = table_text(derive(Dictionary(INSTALLED), anchors()))
    assert files("neurons.annotate").joinpath("wordnet.tsv").read_text(encoding="utf-8") == text


def test_agreement_with_a_person() -> None:
    spec = importlib.util.spec_from_file_location("concept_mapping", ROOT / "benchmarks/concept_mapping.py")
    assert spec is not None and spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    tags = benchmark.labelled()
    assert len(tags) >= 200
    assert not {spelling(tag) for tag in tags} & set(noun_table()), "only tags that WordNet has to answer"
    assert 1 - len(benchmark.mistakes(map_tag)) / len(tags) >= 0.85


def test_labels_are_concepts() -> None:
    table = read_table(ROOT / "tests/annotate/hand_labelled_tags.tsv", ["tag", "concepts"])
    named = {name for text in table["concepts"].dropna() for name in text.split("|")}
    assert named <= set(CONCEPTS)
