"""The contrastive losses against slow restatements and limits."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from neurons.pretrain.losses import Mix, bimixco, contrastive, draw_mix, mix_repeats


def slow_bimixco(
    predicted: Tensor, target: Tensor, partner: list[int], share: list[float], temperature: float
) -> float:
    """The definition, sample by sample, in plain Python."""
    size = len(predicted)
    unit = [[row / row.norm() for row in rows.flatten(1).double()] for rows in (predicted, target)]
    logits = [[float(unit[0][i] @ unit[1][j]) / temperature for j in range(size)] for i in range(size)]

    def cross_entropy(values: list[float], weights: list[float]) -> float:
        total = math.log(sum(math.exp(value - max(values)) for value in values)) + max(values)
        return -sum(weight * (value - total) for value, weight in zip(values, weights, strict=True))

    matching = [[0.0] * size for _ in range(size)]
    for i in range(size):
        matching[i][i] += share[i]
        matching[i][partner[i]] += 1 - share[i]
    rows = sum(cross_entropy(logits[i], matching[i]) for i in range(size)) / size
    columns = sum(
        cross_entropy([logits[i][j] for i in range(size)], [matching[i][j] for i in range(size)])
        for j in range(size)
    )
    return (rows + columns / size) / 2


def test_bimixco_equals_its_definition() -> None:
    generator = torch.Generator().manual_seed(1)
    predicted, target = torch.randn(2, 6, 3, 4, generator=generator)
    partner, share = [2, 1, 0, 5, 3, 4], [0.7, 0.4, 1.0, 0.9, 0.2, 1.0]
    mix = Mix(torch.tensor(partner), torch.tensor(share))
    value = bimixco(predicted, target, mix.targets(), 0.1)
    assert float(value) == pytest.approx(slow_bimixco(predicted, target, partner, share, 0.1), rel=1e-5)


def test_a_fixed_point_of_the_permutation_matches_only_itself() -> None:
    mix = Mix(torch.tensor([0, 2, 1]), torch.tensor([0.3, 0.6, 1.0]))
    torch.testing.assert_close(mix.targets(), torch.tensor([[1.0, 0, 0], [0, 0.6, 0.4], [0, 0, 1.0]]))
    inputs = torch.tensor([[1.0], [10.0], [100.0]])
    torch.testing.assert_close(mix.apply(inputs), torch.tensor([[1.0], [46.0], [100.0]]))


def test_half_of_a_batch_is_mixed_and_rows_sum_to_one() -> None:
    torch.manual_seed(0)
    mix = draw_mix(40, 0.15, torch.device("cpu"))
    assert sorted(mix.partner.tolist()) == list(range(40))
    assert int((mix.share == 1).sum()) >= 20
    assert int((mix.share < 1).sum()) > 10
    torch.testing.assert_close(mix.targets().sum(dim=1), torch.ones(40))


def test_perfect_predictions_cost_nothing_and_equal_ones_the_logarithm_of_the_batch() -> None:
    target = torch.eye(8)
    assert float(contrastive(3 * target, target, 0.006)) == pytest.approx(0, abs=1e-6)
    assert float(contrastive(torch.ones(8, 8), target, 0.006)) == pytest.approx(math.log(8), rel=1e-5)


def test_the_loss_does_not_depend_on_scale_or_order() -> None:
    generator = torch.Generator().manual_seed(2)
    predicted, target = torch.randn(2, 10, 5, generator=generator)
    order = torch.randperm(10, generator=generator)
    value = contrastive(predicted, target, 0.1)
    torch.testing.assert_close(contrastive(7 * predicted, 0.1 * target, 0.1), value)
    torch.testing.assert_close(contrastive(predicted[order], target[order], 0.1), value)


def test_repeats_are_mixed_by_weights_that_sum_to_one_and_differ_between_samples() -> None:
    torch.manual_seed(0)
    inputs = torch.stack([torch.zeros(500, 3), torch.ones(500, 3)], dim=1)
    mixed = mix_repeats(inputs)
    torch.testing.assert_close(mixed[:, 0], mixed[:, 2])
    shares = mixed[:, 0]
    assert 0 <= float(shares.min()) < 0.05 and 0.95 < float(shares.max()) <= 1
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.05)
    assert float(shares.std()) == pytest.approx(12**-0.5, abs=0.03)
    constant = torch.ones(4, 3, 2)
    torch.testing.assert_close(mix_repeats(constant), torch.ones(4, 2))
