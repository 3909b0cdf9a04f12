"""Masks at other sizes and at the times of frames."""

import numpy as np
import pytest

from neurons.annotate.masks import nearest_times, shrink_masks
from neurons.artifacts import InputError


def test_a_pixel_belongs_to_the_object_if_half_of_it_is_covered() -> None:
    masks = np.random.default_rng(0).random((3, 16, 16)) < 0.5
    covered = masks.reshape(3, 8, 2, 8, 2).mean(axis=(2, 4))
    assert (shrink_masks(masks, 8) == (covered >= 0.5)).all()
    assert set(np.unique(covered)) >= {0.25, 0.5, 0.75}


def test_same_size_is_untouched() -> None:
    masks = np.random.default_rng(0).random((2, 9, 9)) < 0.5
    assert (shrink_masks(masks, 9) == masks).all()


@pytest.mark.parametrize("shape", [(2, 8, 16), (2, 8, 8)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least 12 px"):
        shrink_masks(np.zeros(shape, bool), 12)


def test_nearest_times() -> None:
    available = np.arange(10) / 30
    wanted = np.array([0, 4 / 30, 0.15, 0.16, 9 / 30 + 0.01])
    assert nearest_times(wanted, available, 1 / 60).tolist() == [0, 4, 4, 5, 9]
    assert nearest_times(np.array([0.01]), np.array([0.0]), 1 / 60).tolist() == [0]


@pytest.mark.parametrize("late", [-0.02, 0.32])
def test_times_without_a_mask_are_listed(late: float) -> None:
    with pytest.raises(InputError, match=f"{late:.3f} s"):
        nearest_times(np.array([0.1, late]), np.arange(10) / 30, 1 / 60)
