"""Features of the picture and the encoding model, against plain restatements."""

from __future__ import annotations

import numpy as np
import pytest

from neurons.preprocess.stimulus import SHRINKAGE, Encoding, mean_response, picture_features, shifted


def test_features_are_luminance_contrast_and_motion_by_block() -> None:
    frames = np.zeros((2, 3, 16, 16, 3), np.uint8)
    frames[0, :, :4, 4:8] = 100  # second block, bright and still
    frames[1, 1, 12:, 12:] = 60  # last block, flashing
    frames[1, :, :4, :2] = 200  # half of the first block
    features = picture_features(frames)
    assert features.shape == (2, 48)
    luminance, contrast, motion = features[:, :16], features[:, 16:32], features[:, 32:]
    assert luminance[0] == pytest.approx(np.eye(16)[1] * 100, abs=1e-3)
    assert luminance[1, 0] == pytest.approx(100, abs=1e-3) and luminance[1, 15] == pytest.approx(20, abs=1e-3)
    assert contrast[1, 0] == pytest.approx(np.log(101), abs=1e-4) and not contrast[0].any()
    assert motion[1, 15] == pytest.approx(np.log(61), abs=1e-4) and not motion[0].any()


def test_a_single_frame_has_no_motion_and_odd_sizes_are_cut() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 1, 18, 23, 3), np.uint8)
    features = picture_features(frames)
    assert not features[:, 32:].any() and np.isfinite(features).all()
    np.testing.assert_allclose(features, picture_features(frames[:, :, :16, :20]))


@pytest.mark.parametrize("lag", [0, 2, -3])
def test_predictions_equal_a_ridge_on_the_other_movies(lag: int) -> None:
    random = np.random.default_rng(3)
    features = {name: random.standard_normal((30, 5)).astype(np.float32) for name in ("a", "b", "c", "new")}
    responses = {name: random.standard_normal((30, 4)).astype(np.float32) for name in ("a", "b", "c")}
    encoding = Encoding(features)
    for name, own in responses.items():
        encoding.learn(name, own, lag)
    late = slice(lag, None) if lag >= 0 else slice(None, lag)
    early = slice(None, 30 - lag) if lag >= 0 else slice(-lag, None)
    for target, others in (("b", ["a", "c"]), ("new", ["a", "b", "c"])):
        x = np.concatenate([features[name][early] for name in others]).astype(float)
        y = np.concatenate([responses[name][late] for name in others]).astype(float)
        penalty = SHRINKAGE * np.square(x).sum() / x.shape[1]
        root = np.sqrt(penalty) * np.eye(5)
        weights = np.linalg.lstsq(np.vstack([x, root]), np.vstack([y, np.zeros((5, 4))]), rcond=None)[0]
        np.testing.assert_allclose(encoding.predict(target), features[target] @ weights, atol=1e-5)


def test_shifted_rows_belong_together() -> None:
    late, early = shifted(np.arange(10), np.arange(10) + 100, 3)
    assert (late - early == 3 - 100).all() and len(late) == 7
    late, early = shifted(np.arange(10), np.arange(10) + 100, -3)
    assert (late - early == -3 - 100).all()


def test_mean_response() -> None:
    repeats = np.random.default_rng(0).standard_normal((3, 6, 2)).astype(np.float32)
    np.testing.assert_allclose(mean_response(iter(repeats)), repeats.mean(axis=0), rtol=1e-6)
