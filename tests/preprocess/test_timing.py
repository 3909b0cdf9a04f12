"""The trim rule of the real study, and its refusals."""

from __future__ import annotations

import pytest

from neurons.artifacts import InputError
from neurons.preprocess.timing import Timing, kept_volumes


@pytest.mark.parametrize(("onset_s", "volumes", "first"), [(2.0, 245, 1), (0.0, 246, 2)])
def test_the_published_rule(onset_s: float, volumes: int, first: int) -> None:
    """cc2017: 245 volumes lose 1 at the start and 4 at the end, 246 volumes lose 2 and 4; 240 remain."""
    kept = kept_volumes(Timing(240, 2.0, 2.0, onset_s), 4.0, volumes)
    assert (kept.start, volumes - kept.stop, kept.stop - kept.start) == (first, 4, 240)


@pytest.mark.parametrize("onset_s", [0.0, 2.0, 4.0])
@pytest.mark.parametrize("delay_s", [4.0, 6.0, 8.0])
def test_a_kept_volume_starts_the_delay_after_its_clip(onset_s: float, delay_s: float) -> None:
    timing = Timing(40, 2.0, 2.0, onset_s)
    kept = kept_volumes(timing, delay_s, timing.expected_volumes())
    for clip, volume in enumerate(range(kept.start, kept.stop)):
        assert onset_s + 2.0 * volume == 2.0 * clip + delay_s


def test_other_repetition_times() -> None:
    assert Timing(100, 1.5, 1.5, 3.0).expected_volumes() == 100 + 6
    assert kept_volumes(Timing(100, 1.5, 1.5, 3.0), 4.5, 106) == slice(1, 101)


@pytest.mark.parametrize("volumes", [240, 244, 246, 250])
def test_another_count_is_refused_and_both_counts_are_named(volumes: int) -> None:
    with pytest.raises(InputError, match=rf"{volumes} volumes found, 245 expected"):
        kept_volumes(Timing(240, 2.0, 2.0, 2.0), 4.0, volumes)


def test_delay_must_be_whole_volumes() -> None:
    with pytest.raises(InputError, match=r"delay of 5 s .* not a whole number of volumes of 2 s \(1.5000"):
        kept_volumes(Timing(40, 2.0, 2.0, 2.0), 5.0, 45)


def test_delay_before_the_scan() -> None:
    with pytest.raises(InputError, match="before the scan began"):
        kept_volumes(Timing(40, 2.0, 2.0, 4.0), 2.0, 44)


def test_delay_beyond_the_scan_states_needed_and_available() -> None:
    with pytest.raises(InputError, match=r"volumes 8 to 47 .* only 46 are available"):
        kept_volumes(Timing(40, 2.0, 2.0, 0.0), 16.0, 46)


def test_clips_must_be_one_volume_long() -> None:
    with pytest.raises(InputError, match=r"clips of 2 s and volumes of 1 s .*clip_s must equal"):
        kept_volumes(Timing(40, 2.0, 1.0, 0.0), 4.0, 92)


def test_onset_must_be_whole_volumes() -> None:
    with pytest.raises(InputError, match=r"begins 0\.5 s"):
        kept_volumes(Timing(40, 2.0, 2.0, 0.5), 4.0, 46)
