"""The procedural world: vocabulary, split, motion and captions."""

import numpy as np
import pytest

from neurons.simulate.captions import CAPTION_WORDS, caption, parse_caption, tag_concepts, tags, verb_phrase
from neurons.simulate.vocabulary import (
    COLOUR_RGB,
    COLOURS,
    MOTIONS,
    NATURAL_RGB,
    OBJECT_CONCEPTS,
    OBJECTS,
    PLACE_CONCEPTS,
    PLACE_PHRASES,
    PLACES,
)
from neurons.simulate.world import Item, Scene, combinations, pose, sample_scene


def scenes_of_all_combinations() -> list[Scene]:
    rng = np.random.default_rng(3)
    return [sample_scene(rng, chosen, 4.0) for part in ("train", "test") for chosen in combinations(part)]


def test_training_and_test_combinations_share_no_combination_but_all_words() -> None:
    train, test = combinations("train"), combinations("test")
    assert not set(train) & set(test)
    assert len(train) + len(test) == len(OBJECTS) * len(COLOURS) * len(PLACES) * len(MOTIONS)
    for position, words in enumerate((OBJECTS, COLOURS, PLACES, MOTIONS)):
        assert {combination[position] for combination in train} == set(words)
        assert {combination[position] for combination in test} == set(words)


def test_every_pair_of_words_occurs_in_training() -> None:
    train = combinations("train")
    for first in range(4):
        for second in range(first + 1, 4):
            pairs = {(combination[first], combination[second]) for combination in train}
            everything = {(a[first], b[second]) for a in train for b in train[:: max(1, len(train) // 97)]}
            assert everything <= pairs


def test_tables_cover_the_vocabulary() -> None:
    assert set(COLOUR_RGB) == set(COLOURS)
    assert set(NATURAL_RGB) == set(OBJECT_CONCEPTS) == set(OBJECTS)
    assert set(PLACE_PHRASES) == set(PLACE_CONCEPTS) == set(PLACES)
    concepts = {
        concept
        for table in (OBJECT_CONCEPTS, PLACE_CONCEPTS)
        for names in table.values()
        for concept in names
    }
    assert len(concepts) >= 10


def test_colours_are_far_apart() -> None:
    rgb = np.array(list(COLOUR_RGB.values()), dtype=float)
    distance = np.linalg.norm(rgb[:, None] - rgb[None], axis=-1)
    assert distance[~np.eye(len(rgb), dtype=bool)].min() > 80


def test_captions_are_read_back_exactly() -> None:
    for scene in scenes_of_all_combinations():
        main = scene.main
        assert parse_caption(caption(scene)) == {
            "kind": main.kind,
            "colour": main.colour,
            "place": scene.place,
            "motion": main.motion,
        }


def test_caption_of_a_known_scene() -> None:
    rng = np.random.default_rng(0)
    scene = sample_scene(rng, ("car", "red", "road", "left"), 4.0)
    alone = Scene(scene.place, scene.items[:1], scene.duration_s, scene.background)
    tree, apple = (Item(kind, "natural", 0.2, 0.8, 0.2, 1, "still") for kind in ("tree", "apple"))
    crowded = Scene(scene.place, (scene.main, tree, apple), scene.duration_s, scene.background)
    assert caption(alone) == "a red car drives left on a road"
    assert caption(crowded) == "a red car drives left on a road near a tree and an apple"
    assert tags(crowded) == ["car", "tree", "apple", "road"]


def test_parsing_tells_what_a_text_does_not_say() -> None:
    assert parse_caption("A bird!") == {"kind": "bird", "colour": None, "place": None, "motion": None}
    assert parse_caption("") == {"kind": None, "colour": None, "place": None, "motion": None}
    assert parse_caption("a house near a dog")["kind"] == "house"


def test_all_words_of_captions_are_listed() -> None:
    used = {word for scene in scenes_of_all_combinations() for word in caption(scene).split()}
    assert used <= set(CAPTION_WORDS)


def test_verb_phrases_of_a_kind_tell_motions_apart() -> None:
    for kind in OBJECTS:
        assert len({verb_phrase(kind, motion) for motion in MOTIONS}) == len(MOTIONS)


def test_concepts_of_unknown_tag_are_an_error() -> None:
    assert tag_concepts("fish")[0] == "fish"
    with pytest.raises(ValueError, match="unknown tag 'cow'"):
        tag_concepts("cow")


def test_sampling_depends_on_the_generator_only() -> None:
    first, second = (sample_scene(np.random.default_rng(5), None, 3.0) for _ in range(2))
    assert first == second
    assert first != sample_scene(np.random.default_rng(6), None, 3.0)


def test_wrong_words_are_all_named() -> None:
    with pytest.raises(ValueError, match=r"kind 'cow'.*place 'moon'"):
        sample_scene(np.random.default_rng(0), ("cow", "red", "moon", "left"), 4.0)
    with pytest.raises(ValueError, match="duration"):
        sample_scene(np.random.default_rng(0), None, 9.0)


@pytest.mark.parametrize("duration_s", [2.0, 5.0, 8.0])
@pytest.mark.parametrize(
    ("motion", "axis", "sign"), [("left", "x", -1), ("right", "x", 1), ("up", "y", -1), ("down", "y", 1)]
)
def test_travel_is_obvious_within_two_seconds(duration_s: float, motion: str, axis: str, sign: int) -> None:
    item = Item("car", "red", 0.5, 0.5, 0.5, 1, motion)
    start, stop = (getattr(pose(item, time_s, duration_s), axis) for time_s in (0.0, 2.0))
    assert sign * (stop - start) >= 0.19
    assert getattr(pose(item, duration_s / 2, duration_s), axis) == pytest.approx(0.5)


def test_size_grows_and_shrinks_by_the_same_factor() -> None:
    near, far = (Item("car", "red", 0.5, 0.5, 0.5, 1, motion) for motion in ("approaching", "receding"))
    for item in (near, far):
        sizes = [pose(item, time_s, 4.0).scale_y for time_s in (0.0, 1.0, 2.0, 3.0)]
        assert np.allclose(np.diff(np.log(sizes)), np.diff(np.log(sizes))[0])
    assert pose(near, 0.5, 4.0).scale_y == pytest.approx(pose(far, 3.5, 4.0).scale_y)
    assert pose(near, 2.0, 4.0).scale_y / pose(near, 0.0, 4.0).scale_y > 1.3


def test_turning_is_periodic_mirrored_half_way_and_never_vanishes() -> None:
    item = Item("car", "red", 0.5, 0.5, 0.5, 1, "turning")
    widths = np.array([pose(item, time_s, 4.0).scale_x for time_s in np.linspace(0, 2, 201)])
    assert widths[0] == pytest.approx(widths[-1]) == pytest.approx(0.5)
    assert widths[100] == pytest.approx(-0.5)
    assert np.abs(widths).min() == pytest.approx(0.075)
