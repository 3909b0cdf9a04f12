"""Activations that are computed again: the same numbers, fewer of them kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from neurons.decouple.decoder import TextDrivenDecoder
from neurons.decouple.prior import Prior
from neurons.memory import remember_less, remembering
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.published.prior import MindEye2Prior, PriorSizes


def brain_model() -> tuple[nn.Module, Callable[[], Tensor]]:
    model = BrainModel(BrainSizes(9, 1, 8, 1, 2, 64, 16, 8, residual_projector=False), dropout=0.2)
    responses = torch.randn(16, 1, 9)
    return model, lambda: model(responses)[1].square().mean()


def prior() -> tuple[nn.Module, Callable[[], Tensor]]:
    model = Prior(16, 32, 3, dropout=0.2)
    tokens, brain = torch.randn(2, 4, 16, 32)
    return model, lambda: model.denoise(tokens, brain)[0]


def released_prior() -> tuple[nn.Module, Callable[[], Tensor]]:
    model = MindEye2Prior(PriorSizes(16, 32, 3, head_channels=16))
    tokens, brain = torch.randn(2, 4, 16, 32)
    return model, lambda: model.denoise(tokens, brain)[0]


def decoder() -> tuple[nn.Module, Callable[[], Tensor]]:
    model = TextDrivenDecoder(2, 16, 16, 12, 16, (32, 32), (4, 8, 8), dropout=0.2)
    video, text, valid = torch.randn(2, 2, 16, 16), torch.randn(2, 3, 12), torch.ones(2, 3, dtype=torch.bool)

    def loss() -> Tensor:
        features = model.features(video, text, valid)
        return model.masks(features).square().mean() + model.latents(features).square().mean()

    return model, loss


def step(model: nn.Module, loss: Callable[[], Tensor], less: bool) -> tuple[float, list[Tensor], int]:
    """Loss, gradients, and bytes that the forward pass keeps for the backward pass."""
    kept = {parameter.untyped_storage().data_ptr(): 0 for parameter in model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    model.zero_grad()
    torch.manual_seed(3)
    with remembering(less=less), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        value = loss()
    size = sum(kept.values())
    value.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    return float(value.detach()), gradients, size


@pytest.mark.parametrize("make", [brain_model, prior, released_prior, decoder])
def test_less_memory_gives_the_same_loss_and_gradients(
    make: Callable[[], tuple[nn.Module, Callable[[], Tensor]]],
) -> None:
    """Bit for bit, dropout included."""
    torch.manual_seed(0)
    model, loss = make()
    value, gradients, size = step(model, loss, less=False)
    gradients = [gradient.clone() for gradient in gradients]
    again, others, smaller = step(model, loss, less=True)
    assert again == value
    assert all(torch.equal(one, other) for one, other in zip(gradients, others, strict=True))
    assert smaller < 0.8 * size


def test_nothing_is_computed_again_outside_of_training() -> None:
    calls = []

    class Part(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(1)
            return x.square()

    with remembering(less=True), torch.no_grad():
        remember_less(Part(), torch.ones(2, requires_grad=True))
    remember_less(Part(), torch.ones(2, requires_grad=True)).sum().backward()
    assert len(calls) == 2
    with remembering(less=True):
        remember_less(Part(), torch.ones(2, requires_grad=True)).sum().backward()
    assert len(calls) == 4
