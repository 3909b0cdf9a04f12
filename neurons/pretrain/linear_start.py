"""Where training starts after a ridge in closed form: at the best linear decoding of its predictions.

The ridge predicts scores on principal components of the clips' features. The components' loadings turn scores back to
image tokens and caption embeddings; here they are factored into the model's own layers (unfolding, motion projection,
text projection), and its nonlinear branches start at zero. Training then only has to learn what a linear model misses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from neurons.pretrain.model import BrainModel

Blocks = Callable[[], Iterator[tuple[slice, Tensor]]]
"""Fresh iterator over (places, standardised image tokens (clips, F, places, C))."""


def start_linear(model: BrainModel, scores: Tensor, blocks: Blocks, captions: Tensor, target: str) -> None:
    """Set the layers after the ridge so that hidden features are decoded linearly.

    Parameters
    ----------
    model
        Its ridge predicts `scores`.
    scores
        float32 (clips, hidden): mean 0, orthogonal columns.
    blocks
        Image tokens of the same clips, some places at a time.
    captions
        Caption embeddings (clips, T).
    target
        ``video``: brain tokens are coded so that the motion projection, one linear map for all places, gives back
        all frames as well as possible; ``frame``: brain tokens are the middle frame's tokens.
    """
    sizes = model.sizes
    inverse = scores.square().sum(dim=0).reciprocal()
    spread = scores.square().mean(dim=0).sqrt()

    def loadings() -> Iterator[tuple[slice, Tensor]]:
        for places, tokens in blocks():
            products = scores.T @ tokens.flatten(1)
            yield places, (inverse[:, None] * products).unflatten(1, tokens.shape[1:])

    basis = frame_basis(loadings(), spread, sizes.channels) if target == "video" else _middle_frame(model)
    unfold = torch.zeros(sizes.tokens, sizes.channels, sizes.hidden, device=scores.device)
    for places, values in loadings():
        unfold[places] = torch.einsum("ec,keq->qck", basis, values.transpose(2, 3).flatten(1, 2))
    if target == "frame":
        basis = torch.eye(sizes.channels, device=scores.device).repeat(sizes.frames, 1)
    with torch.no_grad():
        model.unfold.weight.copy_(unfold.flatten(0, 1))
        model.unfold.bias.zero_()
        model.motion.linear.weight.copy_(basis)
        model.motion.linear.bias.zero_()
        pooled = basis.unflatten(0, (sizes.frames, -1)).mean(dim=0) @ unfold.mean(dim=0)
        wanted = (captions.T @ scores) * inverse
        model.text.linear.weight.copy_(_solve(pooled * spread, wanted * spread))
        model.text.linear.bias.copy_(captions.mean(dim=0))
    model.silence_branches()


def frame_basis(loadings: Iterator[tuple[slice, Tensor]], spread: Tensor, channels: int) -> Tensor:
    """Code of a token's frames: the leading left singular vectors over places and components, (F * C, C).

    With loadings L of a place, ``basis.T @ L`` is the brain token's and ``basis @ (basis.T @ L)`` the closest that
    one linear map for all places can come to L, in squared error over clips.
    """
    products: Tensor | None = None
    for _, values in loadings:
        flat = (spread[:, None, None, None] * values).permute(1, 3, 0, 2).flatten(2).flatten(0, 1).double()
        products = flat @ flat.T if products is None else products + flat @ flat.T
    if products is None:
        raise ValueError("no loadings")
    return torch.linalg.eigh(products)[1].flip(1)[:, :channels].float()


def _middle_frame(model: BrainModel) -> Tensor:
    """The code (F * C, C) that keeps the middle frame only."""
    sizes = model.sizes
    basis = torch.zeros(sizes.frames, sizes.channels, sizes.channels, device=model.unfold.weight.device)
    basis[sizes.frames // 2] = torch.eye(sizes.channels)
    return basis.flatten(0, 1)


def _solve(inputs: Tensor, outputs: Tensor) -> Tensor:
    """Weights W (T, C) that minimise |W inputs - outputs| with a touch of ridge; inputs (C, K), outputs (T, K)."""
    inputs, outputs = inputs.double(), outputs.double()
    products = inputs @ inputs.T
    products.diagonal().add_(1e-4 * products.diagonal().mean())
    return torch.linalg.solve(products, inputs @ outputs.T).T.float()
