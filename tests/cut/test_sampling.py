"""Which frame belongs to which time: arithmetic alone."""

from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurons.cut.sampling import FramePicker, clip_count, exact, target_times

HALF = Fraction(1, 2)


def pick(
    starts: list[Fraction], targets: list[Fraction], phase: Fraction, duration: Fraction
) -> list[int | None]:
    """Number of the frame that each target is given, None before the first."""
    beyond = [Fraction(10**9)]
    picker = FramePicker(iter([*targets, *beyond, *beyond]), phase, duration)
    picked: list[int | None] = []
    for number, start in enumerate(starts):
        picked += [number - 1 if number else None] * len(picker.served_before(start))
    return picked + [len(starts) - 1] * len(picker.served_until(beyond[0]))


def test_target_times() -> None:
    start = list(islice(target_times(Fraction(2), 6, Fraction(0)), 7))
    assert start == [Fraction(n, 3) for n in range(7)]
    middle = list(islice(target_times(Fraction(2), 6, HALF), 7))
    assert middle == [Fraction(2 * n + 1, 6) for n in range(7)]
    assert middle[6] == 2 + HALF / 3


@pytest.mark.parametrize(
    ("duration", "clips"),
    [
        (Fraction(4), 2),
        (Fraction(119, 30), 2),
        (Fraction(118, 30), 1),
        (Fraction(121, 30), 2),
        (Fraction(1), 0),
        (Fraction(480) * Fraction(1001, 1000), 240),
    ],
)
def test_clip_count_forgives_one_frame(duration: Fraction, clips: int) -> None:
    assert clip_count(duration, Fraction(1, 30), Fraction(2)) == clips


def test_exact_seconds() -> None:
    assert exact(2.0) == 2
    assert exact(1.49) == Fraction(149, 100)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 60), st.fractions(Fraction(-1, 5), Fraction(1, 5)))
def test_rounded_time_stamps_do_not_change_the_choice(number: int, jitter: Fraction) -> None:
    rate = Fraction(30)
    starts = [(n + jitter * (-1) ** n) / rate for n in range(70)]
    target = Fraction(number) / rate
    assert pick(starts, [target], Fraction(0), 1 / rate) == [number]
    assert pick(starts, [target], HALF, 1 / rate) == [number - 1 if number else None]


@settings(max_examples=60, deadline=None)
@given(
    st.fractions(Fraction(0), Fraction(3)),
    st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(60)]),
)
def test_middle_is_never_far_from_the_target(target: Fraction, rate: Fraction) -> None:
    starts = [n / rate for n in range(int(4 * rate))]
    (number,) = pick(starts, [target + HALF], HALF, 1 / rate)
    assert number is not None
    middle = starts[number] + HALF / rate
    assert abs(middle - target - HALF) <= Fraction(3, 4) / rate


def test_held_frame_serves_all_targets_until_the_next() -> None:
    starts = [Fraction(0), Fraction(1, 10), Fraction(3)]
    assert pick(starts, [Fraction(n, 2) for n in range(1, 8)], HALF, Fraction(1, 10)) == [1, 1, 1, 1, 1, 1, 2]
