"""The progressive weights."""

from __future__ import annotations

import math

import pytest

from neurons.decouple.weights import TASKS, progressive_weights
from neurons.training import Progress

EPOCHS, BATCHES = 10, 6


def weights(epoch: int, batch: int, epochs: int = EPOCHS) -> dict[str, float]:
    return progressive_weights(Progress(epoch, batch, epochs, BATCHES))


@pytest.mark.parametrize(
    ("task", "start"), [("segmentation", 0), ("concepts", 2), ("description", 4), ("blurry_video", 6)]
)
def test_each_task_rises_to_ten_in_the_middle_of_its_own_period_and_is_one_outside(
    task: str, start: int
) -> None:
    """E = 10: P = 4 epochs; the periods start at 0, 2, 4 and 6."""
    course = [weights(epoch, batch)[task] for epoch in range(EPOCHS) for batch in range(BATCHES)]
    expected = []
    for step in range(EPOCHS * BATCHES):
        done = step - start * BATCHES
        inside = 0 <= done < 4 * BATCHES
        expected.append(1 + 9 * abs(math.sin(math.pi * done / (4 * BATCHES))) if inside else 1.0)
    assert course == pytest.approx(expected)
    assert max(course) == pytest.approx(10)
    assert course.index(max(course)) == (start + 2) * BATCHES


def test_the_order_is_that_of_the_paper() -> None:
    assert TASKS == ("segmentation", "concepts", "description", "blurry_video")


def test_fewer_than_five_epochs_have_no_period() -> None:
    assert all(set(weights(epoch, 3, epochs=4).values()) == {1.0} for epoch in range(4))


def test_epochs_that_five_does_not_divide_use_the_floor() -> None:
    """E = 14: P = 4 again, so that blurry video's period ends with epoch 10."""
    assert weights(8, 0, epochs=14)["blurry_video"] == pytest.approx(10)
    assert weights(10, 0, epochs=14)["blurry_video"] == 1
