"""A run of anybody's session: which volumes answer which clip, against an independent restatement, and the messages."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.artifacts import InputError
from neurons.reconstruct.any_run import (
    Reading,
    RunClips,
    check_repetition_time,
    clip_at,
    clips_of_run,
    responses_of_run,
)
from neurons.reconstruct.any_steps import side_by_side
from neurons.reconstruct.trained_models import run_name

CC2017 = Reading(clip_s=2.0, delay_s=4.0, repetition_time_s=2.0, onset_s=2.0, detrend_order=2)


def restated(signal: np.ndarray, order: int) -> np.ndarray:
    """Detrended z-scores of one clip per row."""
    grid = np.linspace(-1, 1, len(signal))
    residual = signal - np.stack(
        [np.polyval(np.polyfit(grid, column, order), grid) for column in signal.T], axis=1
    )
    return residual / residual.std(axis=0, ddof=1)


def courses(volumes: int) -> np.ndarray:
    values = np.random.default_rng(3).normal(size=(6, volumes)).cumsum(axis=1) + 100
    return values.astype(np.float32)


def test_a_clip_is_answered_one_delay_later():
    """The scan began 2 s into the movie, the delay is 4 s: clip k is answered by volume k + 1."""
    clips = clips_of_run("run", CC2017, volumes=30)
    assert clips.starts_s.tolist() == [2.0 * k for k in range(29)]
    measured = courses(30)
    found = responses_of_run(measured, np.array([4, 1]), clips, CC2017)
    np.testing.assert_allclose(found, restated(measured[[4, 1], 1:].T.astype(float), 2), atol=1e-4)


def test_any_repetition_time_and_any_beginning():
    """Volumes of 1 s, clips from 3 s on: the mean of the two volumes that begin 4 s later."""
    reading = Reading(2.0, 4.0, 1.0, 0.0, 0)
    clips = clips_of_run("run", reading, volumes=20, at_s=3.0)
    assert clips.starts_s[0] == 1.0 and clip_at(clips, reading, 20, 3.0) == "run:1"
    measured = courses(20)
    pairs = measured[:, 5:19].reshape(6, 7, 2).mean(axis=2)
    np.testing.assert_allclose(
        responses_of_run(measured, np.arange(6), clips, reading),
        restated(pairs.T.astype(float), 0),
        atol=1e-4,
    )


def test_the_whole_run_and_one_clip_of_it_are_read_alike():
    whole = clips_of_run("run", CC2017, 30)
    one = clips_of_run("run", CC2017, 30, at_s=18.0)
    assert one.clip_ids == whole.clip_ids
    assert clip_at(one, CC2017, 30, 18.0) == "run:9"


@pytest.mark.parametrize("at_s", [-1.0, 57.0, 500.0])
def test_a_time_without_a_response_is_refused_with_the_valid_ones(at_s):
    with pytest.raises(InputError, match=r"may begin 0 to 56 s after the movie began"):
        clip_at(clips_of_run("run", CC2017, 30, at_s), CC2017, 30, at_s)


def test_a_run_without_a_single_response_is_refused():
    with pytest.raises(InputError, match="2 volumes of 2 s hold no response"):
        clips_of_run("run", Reading(2.0, 4.0, 2.0, 0.0, 1), 2)


def test_a_header_that_contradicts_the_study_needs_a_word():
    assert check_repetition_time(2.0, 2.0, None) == 2.0
    assert check_repetition_time(0.8, 2.0, 0.8) == 0.8
    with pytest.raises(InputError, match=r"0\.8 s between volumes, the study has 2 s.*--repetition-time-s"):
        check_repetition_time(0.8, 2.0, None)
    with pytest.raises(InputError, match="not a time"):
        check_repetition_time(2.0, 2.0, 0.0)


def test_names_of_runs_are_names_of_clips(tmp_path):
    assert run_name(tmp_path / "sub-01_task-film.dtseries.nii") == "sub-01_task-film"
    assert run_name(tmp_path / "my run (2).nii.gz") == "my-run-2"
    assert run_name(tmp_path / "....nii") == "run"


def test_a_constant_vertex_has_no_response(caplog):
    measured = courses(30)
    measured[2] = 7
    clips = RunClips([f"run:{k}" for k in range(29)], 2.0 * np.arange(29))
    assert not responses_of_run(measured, np.array([2]), clips, CC2017).any()
    assert "1 of 1 selected vertices are constant" in caplog.text


def test_videos_beside_each_other_have_the_size_of_the_right_one():
    left, right = np.full((2, 8, 8, 3), 200, np.uint8), np.zeros((2, 16, 16, 3), np.uint8)
    both = side_by_side(left, right)
    assert both.shape == (2, 16, 36, 3)
    assert (both[:, :, :16] == 200).all() and (both[:, :, 16:20] == 255).all() and not both[:, :, 20:].any()
