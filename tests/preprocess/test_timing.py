"""The trim rule of the real study, pairing in general, and the refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurons.artifacts import InputError
from neurons.preprocess.stimulus import shifted
from neurons.preprocess.timing import Timing, clip_courses, clip_weights
from neurons.simulate.haemodynamics import feature_times, sample_volumes

CC2017 = {"clip_s": 2.0, "repetition_time_s": 2.0, "tail_s": 12.0}


def kept(timing: Timing, delay_s: float, volumes: int) -> list[int]:
    """The one volume of each clip, where each clip has exactly one."""
    weights = clip_weights(timing, delay_s, volumes)
    assert set(np.unique(weights)) == {0.0, 1.0} and (weights.sum(axis=1) == 1).all()
    return weights.argmax(axis=1).tolist()


@pytest.mark.parametrize(("onset_s", "volumes", "first"), [(2.0, 245, 1), (0.0, 246, 2)])
def test_the_published_rule(onset_s: float, volumes: int, first: int) -> None:
    """cc2017: 245 volumes lose 1 at the start and 4 at the end, 246 volumes lose 2 and 4; 240 remain."""
    found = kept(Timing(240, onset_s=onset_s, **CC2017), 4.0, volumes)
    assert found == list(range(first, first + 240)) and volumes - found[-1] - 1 == 4


@pytest.mark.parametrize("onset_s", [0.0, 2.0, 4.0])
@pytest.mark.parametrize("delay_s", [4.0, 6.0, 8.0])
def test_a_kept_volume_starts_the_delay_after_its_clip(onset_s: float, delay_s: float) -> None:
    timing = Timing(40, onset_s=onset_s, **CC2017)
    expected = timing.expected_volumes()
    assert expected is not None
    for clip, volume in enumerate(kept(timing, delay_s, expected)):
        assert onset_s + 2.0 * volume == 2.0 * clip + delay_s


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.5, 3.5), st.floats(0.7, 3.0), st.floats(0.0, 6.0), st.floats(-20.0, 0.0), st.integers(3, 30)
)
def test_a_signal_that_rises_evenly_is_read_at_the_middle_of_each_window(
    clip_s: float, repetition_time_s: float, delay_s: float, onset_s: float, clips: int
) -> None:
    """The mean over a window of a ramp, sampled at the middles of volumes, is the ramp at the middle of what overlaps."""
    volumes = int(np.ceil((clips * clip_s + delay_s - onset_s) / repetition_time_s)) + 1
    weights = clip_weights(Timing(clips, clip_s, repetition_time_s, onset_s), delay_s, volumes)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    middles = (np.arange(volumes) + 0.5) * repetition_time_s
    windows = (np.arange(clips) + 0.5) * clip_s + delay_s - onset_s
    # A volume at the border of a window counts by its share, but is read at its own middle: off by half of it at most.
    assert np.abs(weights @ middles - windows).max() <= repetition_time_s / 2 + 1e-6
    starts, ends = windows - clip_s / 2, windows + clip_s / 2
    outside = (middles + repetition_time_s / 2 < starts[:, None] - 1e-4) | (
        middles - repetition_time_s / 2 > ends[:, None] + 1e-4
    )
    assert not weights[outside].any()


@pytest.mark.parametrize(
    ("repetition_time_s", "clip_s", "onset_s"),
    [(2.0, 2.0, 2.0), (2.0, 2.0, 0.0), (0.8, 2.0, 0.0), (1.49, 3.0, -7.0), (1.5, 4.0, 0.7)],
)
def test_a_haemodynamic_response_of_known_delay_is_read_in_step(
    repetition_time_s: float, clip_s: float, onset_s: float
) -> None:
    """Responses sampled at any repetition time agree best, at lag 0, with those of a scanner that is ten times as fast."""
    random = np.random.default_rng(0)
    times_s = feature_times(120.0, 0.25)
    features = random.standard_normal((len(times_s) // 8 + 1, 3)).repeat(8, axis=0)[: len(times_s)]
    clips = int(120 / clip_s)

    def read(step_s: float) -> np.ndarray:
        volumes = int((130 - onset_s) / step_s)
        measured = sample_volumes(features, times_s, onset_s, step_s, volumes)
        weights = clip_weights(Timing(clips, clip_s, step_s, onset_s), 4.0, volumes)
        return clip_courses(measured.T.astype(np.float32), weights).T

    slow, fast = read(repetition_time_s), read(repetition_time_s / 10)
    profile = {
        lag: np.mean(
            [np.corrcoef(a, b)[0, 1] for a, b in zip(*(x.T for x in shifted(slow, fast, lag)), strict=True)]
        )
        for lag in (-1, 0, 1)
    }
    assert profile[0] > 0.97 and max(profile[-1], profile[1]) < profile[0] - 0.1


def test_volumes_shorter_than_clips_are_averaged_and_longer_ones_shared() -> None:
    short = clip_weights(Timing(3, 2.0, 1.0, 0.0), 4.0, 12)
    np.testing.assert_allclose(short[1, 6:8], 0.5)
    long = clip_weights(Timing(4, 1.0, 2.0, 0.0), 4.0, 6)
    assert long.argmax(axis=1).tolist() == [2, 2, 3, 3] and (long.max(axis=1) == 1).all()
    half = clip_weights(Timing(3, 2.0, 2.0, 0.0), 5.0, 8)
    np.testing.assert_allclose(half[0, 2:4], 0.5)


def test_movies_that_begin_within_the_scan() -> None:
    assert kept(Timing(5, 2.0, 2.0, -10.0), 4.0, 12) == [7, 8, 9, 10, 11]


def test_signals_of_clips() -> None:
    courses = np.random.default_rng(0).standard_normal((7, 12)).astype(np.float32)
    weights = clip_weights(Timing(3, 2.0, 1.0, 0.0), 4.0, 12)
    expected = np.stack([courses[:, 4 + 2 * clip : 6 + 2 * clip].mean(axis=1) for clip in range(3)], axis=1)
    np.testing.assert_allclose(clip_courses(courses, weights), expected, rtol=1e-5)
    one = clip_weights(Timing(5, 2.0, 2.0, 0.0), 4.0, 12)
    np.testing.assert_array_equal(clip_courses(courses, one), courses[:, 2:7])


@pytest.mark.parametrize("volumes", [240, 244, 246, 250])
def test_another_count_is_refused_and_both_counts_are_named(volumes: int) -> None:
    with pytest.raises(InputError, match=rf"{volumes} volumes found, 245 expected"):
        clip_weights(Timing(240, onset_s=2.0, **CC2017), 4.0, volumes)


def test_without_a_tail_any_count_that_covers_the_clips_will_do() -> None:
    assert kept(Timing(240, 2.0, 2.0, 2.0), 4.0, 241) == list(range(1, 241))
    with pytest.raises(InputError, match=r"volumes 1 to 241 .* only 240 are available"):
        clip_weights(Timing(240, 2.0, 2.0, 2.0), 4.0, 240)


def test_delay_before_the_scan() -> None:
    with pytest.raises(InputError, match="ask for 2 s before the scan began"):
        clip_weights(Timing(40, onset_s=4.0, **CC2017), 2.0, 44)


def test_delay_beyond_the_scan_states_needed_and_available() -> None:
    with pytest.raises(InputError, match=r"volumes 8 to 48 .* only 46 are available"):
        clip_weights(Timing(40, onset_s=0.0, **CC2017), 16.0, 46)


def test_times_that_are_no_whole_number_of_volumes() -> None:
    with pytest.raises(InputError, match=r"begins 0\.5 s .* not a whole number of volumes of 2 s \(45\.7500"):
        clip_weights(Timing(40, onset_s=0.5, **CC2017), 4.0, 46)
