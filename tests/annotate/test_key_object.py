"""The key-object rule, a table of its branches."""

from itertools import permutations

import numpy as np
import pytest

from neurons.annotate.key_object import Candidate, Rule, area_share, choose, displacement_px

RULE = Rule(0.5, frozenset({"human", "animal"}), 2.0, frozenset({"water body", "roadway", "structure"}))
SIZE = 20


def path(*lefts: int | None, top: int = 5, width: int = 4, height: int = 4) -> np.ndarray:
    """Masks of a block whose left edge is at `lefts` in the frames; None where it is not seen."""
    masks = np.zeros((len(lefts), SIZE, SIZE), bool)
    for mask, left in zip(masks, lefts, strict=True):
        if left is not None:
            mask[top : top + height, left : left + width] = True
    return masks


STILL, SLOW, FAST = path(3, 3, 3, 3), path(3, 4, 5, 6), path(0, 5, 10, 15)
WIDE = path(0, 0, 0, 0, top=0, width=20, height=8)
HUGE = path(0, 0, 0, 0, top=0, width=20, height=11)
UNSEEN = path(None, None, None, None)

CAR, DOG, MAN, TREE = ("vehicle",), ("animal", "mammal"), ("human", "organism"), ("plant", "organism")
SEA, ROAD, HOUSE = ("water body",), ("roadway",), ("building", "structure")

CASES = {
    "the one that moves most": ([(1, CAR, SLOW), (2, CAR, FAST), (3, TREE, STILL)], 2, "the largest"),
    "priority comes before movement": ([(1, CAR, FAST), (2, DOG, SLOW)], 2, "only priority object"),
    "priority although still": ([(1, CAR, FAST), (2, MAN, STILL)], 2, "only priority object"),
    "the priority object that moves most": ([(1, DOG, SLOW), (2, MAN, FAST)], 2, "priority object"),
    "background is not chosen": ([(1, SEA, FAST), (2, TREE, STILL)], 2, "only object"),
    "partly background is an object": ([(1, ROAD, WIDE), (2, HOUSE, STILL)], 2, "only object"),
    "above half of the image is left out": ([(1, CAR, HUGE), (2, TREE, STILL)], 2, "only object"),
    "priority above half is left out too": ([(1, MAN, HUGE), (2, CAR, STILL)], 2, "only object"),
    "tie: the larger": ([(1, CAR, STILL), (2, TREE, WIDE)], 2, "equal to another's"),
    "tie in area too: the lower number": ([(4, CAR, STILL), (3, TREE, STILL)], 3, "equal to another's"),
    "seen once does not move": ([(1, CAR, path(None, 9, None, None)), (2, CAR, SLOW)], 2, "the largest"),
    "two instances of one kind": ([(7, DOG, SLOW), (8, DOG, FAST)], 8, "the largest"),
    "all background: the largest": ([(1, SEA, WIDE), (2, ROAD, FAST)], 1, "all are background"),
    "background above half may be the largest": ([(1, SEA, HUGE), (2, ROAD, FAST)], 1, "all are background"),
    "too large objects leave background": ([(1, CAR, HUGE), (2, ROAD, STILL)], 2, "covers too much"),
    "only too large objects": ([(1, CAR, HUGE), (2, CAR, HUGE)], 1, "more than 50%"),
    "unseen objects do not count": ([(1, MAN, UNSEEN), (2, CAR, STILL)], 2, "only object of 1 visible"),
}


@pytest.mark.parametrize("case", CASES)
def test_choice_and_reason_in_any_order(case: str) -> None:
    objects, expected, reason = CASES[case]
    for order in permutations(objects):
        choice = choose([Candidate(*item) for item in order], RULE)
        assert choice.instance == expected
        assert reason in choice.reason


def test_priority_weight_scales_the_displacement() -> None:
    reason = choose([Candidate(1, MAN, FAST), Candidate(2, DOG, SLOW)], RULE).reason
    assert "weighted displacement 30.0 px" in reason


def test_no_visible_object() -> None:
    with pytest.raises(ValueError, match="no object is visible"):
        choose([Candidate(1, CAR, UNSEEN)], RULE)
    with pytest.raises(ValueError, match="no object is visible"):
        choose([], RULE)


def test_displacement_is_the_path_of_the_centroid() -> None:
    assert displacement_px(FAST) == pytest.approx(15)
    assert displacement_px(path(0, 5, 0)) == pytest.approx(10)
    assert displacement_px(path(0, None, 6)) == pytest.approx(6)
    assert displacement_px(path(None, 3, None)) == 0
    diagonal = np.zeros((2, SIZE, SIZE), bool)
    diagonal[0, 0, 0] = diagonal[1, 3, 4] = True
    assert displacement_px(diagonal) == pytest.approx(5)


def test_area_counts_frames_in_which_the_object_is_seen() -> None:
    assert area_share(HUGE) == pytest.approx(0.55)
    assert area_share(path(None, 0, None, top=0, width=20, height=11)) == pytest.approx(0.55)
    assert area_share(UNSEEN) == 0


def test_exactly_half_of_the_image_is_kept() -> None:
    half = path(0, 0, top=0, width=20, height=10)
    assert choose([Candidate(1, CAR, half), Candidate(2, SEA, half)], RULE).instance == 1


NOUNS = Rule(
    0.5,
    frozenset({"human", "animal"}),
    2.0,
    frozenset({"water body"}),
    frozenset({"racecar"}),
    frozenset({"shadow", "statue"}),
)


def test_a_noun_may_have_priority_whatever_its_concepts() -> None:
    objects = [Candidate(1, CAR, SLOW, "Race car"), Candidate(2, CAR, FAST, "car")]
    assert choose(objects, NOUNS).instance == 1
    assert "only priority object" in choose(objects, NOUNS).reason
    assert choose([Candidate(1, SEA, SLOW, "race-car"), Candidate(2, CAR, FAST, "car")], NOUNS).instance == 1


def test_a_noun_may_be_background_whatever_its_concepts() -> None:
    objects = [Candidate(1, MAN, FAST, "statue"), Candidate(2, CAR, STILL, "car")]
    assert choose(objects, NOUNS).instance == 2
    assert choose(objects[:1], NOUNS).reason.endswith("all are background")


def test_several_instances_of_a_noun_are_measured_apart() -> None:
    first, second = path(0, 0, 0, 0), path(16, 12, 8, 4, top=12)
    assert choose([Candidate(3, DOG, first, "dog"), Candidate(4, DOG, second, "dog")], RULE).instance == 4
    joined = first | second
    assert displacement_px(joined) < displacement_px(second), "one mask of both would hide the movement"
