"""Instances through the frames of a clip."""

import numpy as np
import pytest

from neurons.annotate.tracking import Detection, appearance, box_overlap, similarity, track

SIZE = 40
RED, BLUE = (220, 20, 20), (20, 20, 220)


def seen(
    left: int, colour: tuple[int, int, int] = RED, tag: str = "car", top: int = 5, side: int = 10
) -> Detection:
    frame = np.zeros((SIZE, SIZE, 3), np.uint8)
    mask = np.zeros((SIZE, SIZE), bool)
    mask[top : top + side, left : left + side] = True
    frame[mask] = colour
    corners = (left, top, left + side, top + side)
    return Detection(tag, 0.9, 0.8, corners, mask, appearance(frame, mask))


def test_appearance_is_the_share_of_each_coarse_colour() -> None:
    frame = np.zeros((2, 2, 3), np.uint8)
    frame[0] = [255, 0, 64]
    shares = appearance(frame, np.ones((2, 2), bool))
    assert shares.sum() == 1
    assert shares[0] == 0.5 and shares[(3 * 4 + 0) * 4 + 1] == 0.5
    assert appearance(frame, np.zeros((2, 2), bool)).sum() == 0


def test_box_overlap_is_intersection_over_union() -> None:
    assert box_overlap((0, 0, 2, 2), (0, 0, 2, 2)) == 1
    assert box_overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(2 / 6)
    assert box_overlap((0, 0, 2, 2), (2, 0, 4, 2)) == 0


def test_similarity_is_the_mean_of_place_and_colour_within_a_noun() -> None:
    assert similarity(seen(0), seen(0)) == pytest.approx(1)
    assert similarity(seen(0), seen(25)) == pytest.approx(0.5)
    assert similarity(seen(0), seen(0, BLUE)) == pytest.approx(0.5)
    assert similarity(seen(0), seen(0, tag="dog")) == 0


def test_instances_keep_their_number_whatever_the_order() -> None:
    frames = [[seen(0), seen(25, BLUE)], [seen(28, BLUE), seen(3)], [seen(6), seen(29, BLUE)]]
    assert track(frames, 0.3) == [[0, 1], [1, 0], [0, 1]]


def test_place_decides_between_two_that_look_alike() -> None:
    assert track([[seen(0), seen(25)], [seen(22), seen(2)]], 0.3) == [[0, 1], [1, 0]]


def test_a_jump_is_followed_by_colour_but_not_to_another_look() -> None:
    assert track([[seen(0)], [seen(28)]], 0.3) == [[0], [0]]
    assert track([[seen(0)], [seen(28, BLUE)]], 0.3) == [[0], [1]]


def test_nouns_are_never_joined() -> None:
    assert track([[seen(0)], [seen(0, tag="dog")]], 0.0) == [[0], [1]]


def test_an_instance_may_be_hidden_and_come_back() -> None:
    assert track([[seen(0)], [], [seen(4)]], 0.3) == [[0], [], [0]]


def test_nothing_seen() -> None:
    assert track([[], [], []], 0.3) == [[], [], []]
    assert track([], 0.3) == []


def test_the_least_similarity_decides() -> None:
    pair = [[seen(0)], [seen(28)]]
    assert track(pair, 0.5) == [[0], [0]]
    assert track(pair, 0.51) == [[0], [1]]
