"""The response kernel of a window: found where it is known, and the best of its candidates."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from neurons.artifacts import clip_id
from neurons.pretrain.closed_form import fit_to_scores
from neurons.pretrain.data import Responses
from neurons.pretrain.kernel import WEIGHTS, better_of, fit_with_kernel, learn_kernel
from neurons.pretrain.model import RidgePerLag
from neurons.pretrain.ridge import fit_ridge
from neurons.pretrain.settings import Pretrain
from neurons.pretrain.window import window_positions

GROUPS = np.repeat(np.arange(6), 20)


def simulated(kernel: list[float], noise: float, vertices: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows (120, lags, vertices), and three targets that the weighted sum of their volumes predicts."""
    generator = torch.Generator().manual_seed(3)
    windows = torch.randn(len(GROUPS), len(kernel), vertices, generator=generator)
    weights = torch.randn(vertices, 3, generator=generator)
    targets = torch.einsum("nlv,l->nv", windows, torch.tensor(kernel)) @ weights
    targets += noise * torch.randn(targets.shape, generator=generator)
    return windows, targets - targets.mean(dim=0)


def explained(windows: torch.Tensor, targets: torch.Tensor, kernel: tuple[float, ...]) -> float:
    fit = fit_ridge(torch.einsum("nlv,l->nv", windows, torch.tensor(kernel)), targets, GROUPS)
    variance = targets.square().sum(dim=0)
    return float((fit.scores * variance).sum() / variance.sum())


@pytest.mark.parametrize("kernel", [[0.0, 1.0, 0.5], [-0.25, 1.0, 0.0], [0.75, 1.0, 0.25], [0.0, 1.0, 0.0]])
def test_a_known_kernel_is_found(kernel):
    windows, targets = simulated(kernel, noise=0.5)
    assert learn_kernel(windows, targets, GROUPS, [-1, 0, 1]).tolist() == kernel


def test_the_order_of_the_volumes_does_not_matter():
    windows, targets = simulated([0.25, 1.0, 0.5], noise=0.5)
    backwards = learn_kernel(windows.flip(1), targets, GROUPS, [1, 0, -1])
    assert backwards.tolist() == [0.5, 1.0, 0.25]


def test_the_kernel_of_two_volumes_is_the_best_of_all_candidates():
    windows, targets = simulated([1.0, 0.4], noise=6.0)
    best = max(((1.0, weight) for weight in WEIGHTS), key=lambda pair: explained(windows, targets, pair))
    assert tuple(learn_kernel(windows, targets, GROUPS, [0, 1]).tolist()) == best


def test_no_kernel_of_three_volumes_that_differs_in_one_weight_predicts_better():
    windows, targets = simulated([-0.3, 1.0, 0.4], noise=6.0)
    before, _, after = learn_kernel(windows, targets, GROUPS, [-1, 0, 1]).tolist()
    found = explained(windows, targets, (before, 1.0, after))
    others = {(weight, 1.0, after) for weight in WEIGHTS} | {(before, 1.0, weight) for weight in WEIGHTS}
    assert max(explained(windows, targets, other) for other in others) <= found + 1e-6


def test_a_window_of_one_volume_is_taken_as_it_is():
    windows, targets = simulated([1.0], noise=0.5)
    assert learn_kernel(windows, targets, GROUPS, [0]).tolist() == [1.0]


def test_the_ridge_of_a_model_is_one_map_times_the_kernel():
    """Responses whose clips' features follow 1 x their own volume and .5 x the next one."""
    generator = torch.Generator().manual_seed(0)
    ids = [clip_id(f"seg{movie}", clip) for movie in range(5) for clip in range(30)]
    values = torch.randn(len(ids), 2, 12, generator=generator)
    responses = Responses(values, ids, torch.from_numpy(window_positions(ids, ids, [-1, 0, 1], "here")))
    windows = responses.mean_windows(torch.arange(len(ids)))
    scores = (windows[:, 1] + 0.5 * windows[:, 2]) @ torch.randn(12, 4, generator=generator)
    ridge = RidgePerLag(12, 3, 4)
    held_out = fit_to_scores(ridge, scores, responses, ids, Pretrain(window_weights="kernel"))
    before, own, after = (linear.weight for linear in ridge.lags)
    assert not before.any()
    assert torch.equal(after, 0.5 * own)
    assert held_out.shape == (len(ids), 2, 4)
    predicted = ridge(windows)
    wanted = scores - scores.mean(dim=0)
    assert torch.corrcoef(torch.stack([predicted.flatten(), wanted.flatten()]))[0, 1] > 0.95
    assert torch.corrcoef(torch.stack([held_out.mean(dim=1).flatten(), wanted.flatten()]))[0, 1] > 0.9


def test_each_target_is_left_to_the_map_that_predicts_it_better():
    """The first target follows a weighted sum of the volumes, the second their change, which no such sum tells."""
    generator = torch.Generator().manual_seed(5)
    windows = torch.randn(len(GROUPS), 3, 30, generator=generator)
    first, second, third = torch.randn(3, 30, generator=generator)
    targets = torch.stack(
        [
            (windows[:, 1] + 0.5 * windows[:, 2]) @ first,
            windows[:, 1] @ second + windows[:, 2] @ third,
        ],
        dim=1,
    )
    targets = targets + torch.randn(targets.shape, generator=generator)
    targets -= targets.mean(dim=0)
    kernel = torch.tensor([0.0, 1.0, 0.5])
    free = fit_ridge(windows.flatten(1), targets, GROUPS)
    weighted = fit_with_kernel(windows, targets, GROUPS, kernel)
    assert (weighted.scores > free.scores).tolist() == [True, False]
    both = better_of(free, weighted)
    for target, chosen in enumerate((weighted, free)):
        for name in ("weights", "held_out"):
            assert torch.equal(getattr(both, name)[:, target], getattr(chosen, name)[:, target])
        assert both.scores[target] == chosen.scores[target]
        assert both.penalties[target] == chosen.penalties[target]


def test_what_a_kernel_needs_is_said():
    for weights in ("kernel", "best"):
        with pytest.raises(ValidationError, match=r"window_tr \[1, 2\] leaves out"):
            Pretrain(window_tr=[1, 2], window_weights=weights)
    for allowed in ({"window_weights": "free"}, {"ridge": "trained"}):
        assert Pretrain(window_tr=[1, 2], **allowed).window_tr == [1, 2]
