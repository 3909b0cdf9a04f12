"""Ridge in closed form against refitting, and principal components against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from neurons.artifacts import InputError
from neurons.pretrain.ridge import PENALTIES, fit_ridge, principal_scores


def example() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 70))
    targets = features[:, :4] @ rng.normal(size=(4, 3)) + rng.normal(size=(40, 3)) * np.array(
        [0.1, 3.0, 300.0]
    )
    return features - features.mean(0), targets - targets.mean(0), np.repeat(np.arange(5), 8)


def test_held_out_predictions_and_penalties_equal_refitting_without_each_group() -> None:
    features, targets, groups = example()
    fit = fit_ridge(torch.from_numpy(features).float(), torch.from_numpy(targets).float(), groups)
    unit = np.linalg.eigvalsh(features @ features.T).mean()
    for column in range(targets.shape[1]):
        best = (-np.inf, 0.0, np.zeros(40))
        for penalty in PENALTIES:
            predictions = np.zeros(40)
            for group in range(5):
                out = groups == group
                model = Ridge(alpha=penalty * unit, fit_intercept=False).fit(
                    features[~out], targets[~out, column]
                )
                predictions[out] = model.predict(features[out])
            score = (
                1 - np.square(targets[:, column] - predictions).sum() / np.square(targets[:, column]).sum()
            )
            best = max(best, (score, penalty, predictions), key=lambda item: item[0])
        assert float(fit.penalties[column]) == pytest.approx(best[1])
        assert float(fit.scores[column]) == pytest.approx(best[0], abs=1e-4)
        np.testing.assert_allclose(fit.held_out[:, column], best[2], atol=2e-3)
        whole = Ridge(alpha=best[1] * unit, fit_intercept=False).fit(features, targets[:, column])
        np.testing.assert_allclose(fit.weights[:, column], whole.coef_, atol=2e-3)


def test_one_group_cannot_be_cross_validated() -> None:
    with pytest.raises(InputError, match="at least two"):
        fit_ridge(torch.randn(4, 3), torch.randn(4, 2), np.zeros(4, dtype=int))


def test_principal_scores_are_those_of_one_set_of_features_up_to_sign_and_scale() -> None:
    features = torch.randn(30, 50, generator=torch.Generator().manual_seed(0))
    scores = principal_scores([features.split(20, dim=1)], 5).numpy()
    reference = PCA(5, svd_solver="full").fit_transform(features.numpy())
    for column in range(5):
        assert abs(np.corrcoef(scores[:, column], reference[:, column])[0, 1]) == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(
        scores.std(axis=0) / scores.std(), reference.std(axis=0) / reference.std(), rtol=1e-3
    )
    assert np.square(scores).mean() == pytest.approx(1, rel=1e-4)


def test_sets_of_features_weigh_the_same_whatever_their_units() -> None:
    generator = torch.Generator().manual_seed(1)
    one, other = torch.randn(30, 40, generator=generator), torch.randn(30, 3, generator=generator)
    plain, scaled = principal_scores([[one], [other]], 4), principal_scores([[1000 * one], [other]], 4)
    torch.testing.assert_close(plain.abs(), scaled.abs(), atol=1e-3, rtol=1e-3)


def test_more_components_than_there_are_is_an_error() -> None:
    with pytest.raises(InputError, match="span 2 components"):
        principal_scores([[torch.randn(30, 2)]], 3)
