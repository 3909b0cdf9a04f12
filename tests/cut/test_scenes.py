"""Scene cuts, and clips without content."""

from fractions import Fraction

import numpy as np

from neurons.cut.content import cuts_by_clip, is_black, is_static
from neurons.cut.scenes import CutFinder


def scene(seed: int, shift: int) -> np.ndarray:
    """A picture of coloured stripes that moves with `shift`; another `seed`, another scene."""
    colours = np.random.default_rng(seed).integers(0, 256, (8, 3))
    return np.roll(np.repeat(np.tile(colours[None], (64, 1, 1)), 8, axis=1), shift, axis=1).astype(np.uint8)


def test_cuts_are_found_where_they_are() -> None:
    starts = [0, 47, 100]
    finder = CutFinder(27.0)
    for number in range(150):
        seed = sum(number >= start for start in starts)
        finder.see(Fraction(number, 30), scene(seed, number // 8))
    assert finder.cuts == [Fraction(47, 30), Fraction(100, 30)]


def test_one_scene_has_no_cut() -> None:
    finder = CutFinder(27.0)
    for number in range(90):
        finder.see(Fraction(number, 30), scene(0, number // 8))
    assert finder.cuts == []


def test_cut_at_a_border_is_inside_no_clip() -> None:
    cuts = [Fraction(2), Fraction(5, 2), Fraction(39, 10), Fraction(7)]
    assert cuts_by_clip(cuts, Fraction(2), 3) == [[], cuts[1:3], []]


def test_black_and_static() -> None:
    black = np.full((6, 8, 8, 3), 5, np.uint8)
    moving = np.array([scene(0, shift) for shift in range(6)])
    flash = black.copy()
    flash[3] = 200
    assert is_black(black)
    assert is_static(black)
    assert not is_black(moving)
    assert not is_static(moving)
    assert not is_black(flash)
    assert not is_static(flash)
    assert is_static(np.repeat(moving[:1], 6, axis=0))
