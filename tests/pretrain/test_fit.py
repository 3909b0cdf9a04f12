"""Splitting, and scores of retrieval."""

from __future__ import annotations

import pytest
import torch

from neurons.artifacts import InputError
from neurons.pretrain.data import split_movies
from neurons.pretrain.fit import top1

IDS = ["seg1:0", "seg1:1", "seg2:0", "seg3:0"]


def test_whole_movies_are_held_out() -> None:
    split = split_movies(IDS, ["seg2"], "file")
    assert split.train == ["seg1:0", "seg1:1", "seg3:0"]
    assert split.validation == ["seg2:0"]


def test_an_unknown_validation_movie_is_named_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"\['seg9'\].*it has: seg1, seg2, seg3"):
        split_movies(IDS, ["seg2", "seg9"], "file")


@pytest.mark.parametrize("validation", [[], ["seg1", "seg2", "seg3"]])
def test_both_parts_are_needed(validation: list[str]) -> None:
    with pytest.raises(InputError, match="both are needed"):
        split_movies(IDS, validation, "file")


def test_top1_counts_nearest_neighbours() -> None:
    target = torch.eye(4)
    assert top1(target, target) == 1
    assert top1(target[[0, 1, 3, 2]], target) == 0.5


def test_equal_targets_share_a_hit_so_that_chance_stays_one_in_n() -> None:
    assert top1(torch.ones(4, 4), torch.eye(4)) == pytest.approx(1 / 4)
    doubled = torch.eye(4)[[0, 0, 1, 1]]
    assert top1(doubled, doubled) == pytest.approx(1 / 2)
