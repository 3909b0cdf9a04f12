"""The prior: what it learns is a conditional distribution; what it draws depends on the clip's seed only."""

from __future__ import annotations

import pytest
import torch

from neurons.decouple.prior import Prior, prior_seeds


def test_a_clip_is_drawn_the_same_alone_and_among_others() -> None:
    torch.manual_seed(0)
    prior = Prior(4, 8, 2, dropout=0.0).eval()
    brain, seeds = torch.randn(5, 4, 8), prior_seeds(3, [f"seg1:{i}" for i in range(5)])
    with torch.no_grad():
        together = prior.sample(brain, seeds, 4)
        alone = torch.cat([prior.sample(brain[i : i + 1], seeds[i : i + 1], 4) for i in range(5)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert len(set(seeds)) == 5 and seeds != prior_seeds(4, [f"seg1:{i}" for i in range(5)])


def test_perfect_denoising_returns_the_truth() -> None:
    """If the network always answers with the truth, so does the sampler, whatever the number of steps."""
    prior = Prior(4, 8, 1, dropout=0.0)
    truth = torch.randn(3, 4, 8)
    prior.mean.copy_(truth.mean(dim=0))
    prior.deviation.fill_(2.0)

    class Oracle(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return prior.standardise(truth)

    prior.outputs = Oracle()  # type: ignore[assignment]
    with torch.no_grad():
        for steps in (1, 3, 7):
            torch.testing.assert_close(
                prior.sample(torch.zeros(3, 4, 8), [1, 2, 3], steps), truth, atol=1e-4, rtol=1e-4
            )
        error, predicted = prior.denoise(truth, torch.zeros(3, 4, 8))
    assert float(error) == pytest.approx(0, abs=1e-10)
    torch.testing.assert_close(predicted, truth)


def test_training_learns_the_mean_of_the_condition() -> None:
    torch.manual_seed(0)
    prior = Prior(4, 16, 1, dropout=0.0)
    sign = torch.randn(64).sign()
    pattern = torch.randn(4, 16)
    brain, tokens = (
        sign[:, None, None] * torch.ones(4, 16) * torch.linspace(-1, 1, 16),
        sign[:, None, None] * pattern,
    )
    optimiser = torch.optim.Adam(prior.parameters(), lr=3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        prior.denoise(tokens, brain)[0].backward()
        optimiser.step()
    with torch.no_grad():
        drawn = prior.sample(brain, list(range(64)), 5)
    assert float((drawn - tokens).square().mean()) < 0.1 * float(tokens.square().mean())
