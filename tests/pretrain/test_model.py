"""The brain model's parts."""

from __future__ import annotations

import pytest
import torch

from neurons.pretrain.model import BrainModel, BrainSizes, MotionProjection, RidgePerLag, TextProjection

SIZES = BrainSizes(
    vertices=11, lags=3, hidden=8, blocks=2, frames=2, tokens=4, channels=6, text=5, residual_projector=False
)


def test_the_ridge_is_one_linear_map_per_lag_and_their_sum() -> None:
    torch.manual_seed(0)
    ridge = RidgePerLag(11, 3, 8)
    windows = torch.randn(4, 3, 11)
    expected = (
        sum(windows[:, lag] @ linear.weight.T for lag, linear in enumerate(ridge.lags)) + ridge.lags[0].bias
    )
    torch.testing.assert_close(ridge(windows), expected)


def test_weights_in_closed_form_are_taken_lag_by_lag() -> None:
    ridge, weights, windows = RidgePerLag(11, 3, 8), torch.randn(33, 8), torch.randn(4, 3, 11)
    ridge.set_weights(weights)
    torch.testing.assert_close(ridge(windows), windows.flatten(1) @ weights)


def test_an_embedding_is_the_same_in_every_batch() -> None:
    torch.manual_seed(0)
    model = BrainModel(SIZES, dropout=0.5).eval()
    windows = torch.randn(5, 3, 11)
    with torch.no_grad():
        together = model(windows)
        alone = [torch.cat(parts) for parts in zip(*(model(window[None]) for window in windows), strict=True)]
    for one, other, shape in zip(together, alone, [(5, 4, 6), (5, 2, 4, 6), (5, 5)], strict=True):
        assert one.shape == shape
        torch.testing.assert_close(one, other)


def test_every_weight_is_reached_by_the_loss() -> None:
    """No dead parts, such as the released mixer's."""
    torch.manual_seed(0)
    model = BrainModel(SIZES, dropout=0.1)
    _, video, text = model(torch.randn(6, 3, 11))
    (video * torch.randn_like(video)).sum().backward(retain_graph=True)
    (text * torch.randn_like(text)).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_motion_projection_maps_each_token_to_its_own_place_in_every_frame() -> None:
    torch.manual_seed(0)
    motion, tokens = MotionProjection(6, 2), torch.randn(3, 4, 6)
    video = motion(tokens)
    changed = tokens.clone()
    changed[:, 2] += 1
    difference = (motion(changed) - video).detach().abs().sum(dim=-1)
    assert bool((difference[:, :, 2] > 0).all())
    assert float(difference[:, :, [0, 1, 3]].max()) == pytest.approx(0, abs=1e-6)


def test_the_text_embedding_reads_the_mean_over_frames_and_tokens() -> None:
    projection, video = TextProjection(6, 5), torch.randn(3, 2, 4, 6)
    expected = projection.linear(torch.stack([clip.reshape(8, 6).mean(dim=0) for clip in video]))
    torch.testing.assert_close(projection(video), expected)
