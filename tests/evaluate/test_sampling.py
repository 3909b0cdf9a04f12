"""Predicted frames at the times of the true ones."""

import numpy as np
import pytest

from neurons.artifacts import InputError
from neurons.evaluate.references import nearest_in_time
from neurons.evaluate.sampling import clip_length, nearest_frames, times_in_clip

CUT_S = (np.arange(18).reshape(3, 6) + 0.5) / 3
VIDEO_S = (np.arange(16) + 0.5) / 8


def test_times_start_with_the_clip() -> None:
    assert clip_length(CUT_S) == pytest.approx(2)
    np.testing.assert_allclose(times_in_clip(CUT_S, ["a:0", "a:1", "a:2"]), np.tile(CUT_S[0], (3, 1)))
    np.testing.assert_allclose(times_in_clip(CUT_S[[2, 0]], ["a:2", "a:0"]), np.tile(CUT_S[0], (2, 1)))


def test_nearest_frames_and_the_earlier_of_two() -> None:
    assert nearest_frames(VIDEO_S, CUT_S[:1], "v").tolist() == [[1, 3, 6, 9, 11, 14]]


def test_frames_repeated_in_time_are_found_again() -> None:
    repeated = nearest_in_time(CUT_S[0], VIDEO_S)
    assert repeated[nearest_frames(VIDEO_S, CUT_S[:1], "v")[0]].tolist() == [0, 1, 2, 3, 4, 5]


def test_own_times_are_found_exactly() -> None:
    assert nearest_frames(CUT_S[0], CUT_S[:1], "v").tolist() == [[0, 1, 2, 3, 4, 5]]


def test_missing_times_are_refused() -> None:
    with pytest.raises(InputError, match=r"videos has no frame within half a frame .*1\.8333"):
        nearest_frames(VIDEO_S[:8], CUT_S[:1], "videos")
    with pytest.raises(InputError, match="ascending"):
        nearest_frames(VIDEO_S[::-1], CUT_S[:1], "videos")
    with pytest.raises(InputError, match="two frames per clip"):
        clip_length(CUT_S[:, :1])
