"""The start of training is the best linear decoding that the layers can express."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from neurons.pretrain.linear_start import start_linear
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.ridge import principal_scores

CLIPS, TOKENS, CHANNELS, TEXT, HIDDEN = 40, 4, 8, 5, 6


def example(frames: int) -> tuple[BrainModel, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    attributes = torch.randn(CLIPS, 10, generator=generator)
    tokens = torch.einsum(
        "na,afij->nfij", attributes, torch.randn(10, frames, TOKENS, CHANNELS, generator=generator)
    )
    tokens = tokens - tokens.mean(dim=0)
    captions = attributes @ torch.randn(10, TEXT, generator=generator) + 3
    scores = principal_scores([[tokens.flatten(1)], [captions]], HIDDEN)
    torch.manual_seed(1)
    sizes = BrainSizes(7, 1, HIDDEN, 2, frames, TOKENS, CHANNELS, TEXT, residual_projector=True)
    return BrainModel(sizes).eval(), tokens, captions, scores


def started(
    frames: int, target: str = "video"
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor, Tensor]:
    model, tokens, captions, scores = example(frames)

    def blocks() -> Iterator[tuple[slice, Tensor]]:
        yield slice(0, 3), tokens[:, :, :3]
        yield slice(3, 4), tokens[:, :, 3:]

    start_linear(model, scores, blocks, captions, target)
    with torch.no_grad():
        return model.embed(scores), tokens, captions, scores


def regression(scores: Tensor, outputs: Tensor) -> np.ndarray:
    design = np.column_stack([scores.numpy(), np.ones(CLIPS)])
    return design @ np.linalg.lstsq(design, outputs.flatten(1).numpy(), rcond=None)[0]


def test_with_one_frame_it_is_linear_regression_on_the_scores() -> None:
    (_, video, text), tokens, captions, scores = started(frames=1)
    np.testing.assert_allclose(video.flatten(1), regression(scores, tokens), atol=1e-4)
    np.testing.assert_allclose(text, regression(scores, captions), atol=2e-2)


def test_with_more_frames_it_is_the_closest_that_one_map_for_all_places_can_come() -> None:
    """Independent: singular vectors of the regression's predictions, frames and channels by clips and places."""
    (_, video, _), tokens, _, scores = started(frames=3)
    predicted = regression(scores, tokens).reshape(CLIPS, 3, TOKENS, CHANNELS)
    matrix = predicted.transpose(1, 3, 0, 2).reshape(3 * CHANNELS, CLIPS * TOKENS)
    left = np.linalg.svd(matrix, full_matrices=False)[0][:, :CHANNELS]
    closest = (left @ left.T @ matrix).reshape(3, CHANNELS, CLIPS, TOKENS).transpose(2, 0, 3, 1)
    np.testing.assert_allclose(video, closest, atol=1e-3)
    assert np.square(closest - predicted).sum() < 0.5 * np.square(predicted).sum()


def test_for_one_frame_the_brain_tokens_are_those_of_the_middle_frame() -> None:
    (brain, _, _), tokens, _, scores = started(frames=3, target="frame")
    np.testing.assert_allclose(brain.flatten(1), regression(scores, tokens[:, 1]), atol=1e-4)


def test_the_nonlinear_branches_start_at_zero_but_can_learn() -> None:
    model, tokens, captions, scores = example(frames=2)
    start_linear(model, scores, lambda: iter([(slice(0, 4), tokens)]), captions, "video")
    model.embed(scores)[1].square().sum().backward()
    for layer in (model.backbone[0].layers[3], model.projector[-1]):
        assert float(layer.weight.detach().abs().max()) == pytest.approx(0)
        assert float(layer.weight.grad.abs().max()) > 0
