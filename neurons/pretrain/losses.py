"""Losses of the brain model: BiMixCo for image tokens, a symmetric contrastive loss for text."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from neurons.parallel import alike, gather, own, whole


@dataclass(frozen=True)
class Mix:
    """How the samples of a batch (of the whole of it, if processes share it) are mixed.

    Attributes
    ----------
    partner
        int64 (B,): a permutation.
    share
        float32 (B,): weight of the sample itself, in [0, 1]; 1 where it is not mixed.
    """

    partner: Tensor
    share: Tensor

    def apply(self, inputs: Tensor) -> Tensor:
        """``share * x + (1 - share) * x[partner]`` along the first axis, of this process's samples."""
        share = own(self.share).to(inputs.dtype).view(-1, *[1] * (inputs.ndim - 1))
        return share * inputs + (1 - share) * gather(inputs)[own(self.partner)]

    def targets(self) -> Tensor:
        """Matching probabilities (B, B): ``share`` on the diagonal, the rest at the partner (rows sum to 1)."""
        size = len(self.partner)
        rows = torch.arange(size, device=self.share.device)
        matrix = torch.diag(self.share)
        matrix[rows, self.partner] += 1 - self.share
        return matrix


def draw_mix(size: int, beta: float, device: torch.device) -> Mix:
    """Mix half of the samples with a random partner; shares are drawn from Beta(beta, beta).

    A sample that is its own partner is not mixed whatever its share: its row of targets is then 1 on the diagonal.
    """
    with alike():
        partner = torch.randperm(size)
        share = torch.distributions.Beta(beta, beta).sample((size,))
        mixed = torch.zeros(size, dtype=torch.bool)
        mixed[torch.randperm(size)[: size // 2]] = True
    return Mix(partner.to(device), torch.where(mixed, share, 1.0).to(device))


def mix_repeats(inputs: Tensor) -> Tensor:
    """A random convex combination of the repeats of each sample, weights uniform on the simplex: (B, R, ...) to (B, ...).

    Between one repeat and the mean of all, as noisy as single runs and as the averages of test data.
    """
    with alike():
        drawn = torch.rand(whole(len(inputs)), inputs.shape[1])
    weights = -own(drawn).clamp(min=1e-9).log()
    weights = (weights / weights.sum(dim=1, keepdim=True)).to(inputs)
    return torch.einsum("br,br...->b...", weights, inputs)


def bimixco(predicted: Tensor, target: Tensor, matching: Tensor, temperature: float) -> Tensor:
    """Bidirectional contrastive loss with soft matches (NEURONS section 3.2; MixCo: Kim et al. 2020).

    Parameters
    ----------
    predicted, target
        (B, ...); flattened and L2-normalised here.
    matching
        (B, B): probability that prediction i belongs to target j; ``Mix.targets()``, or the identity. B counts the
        whole batch if processes share it.
    temperature
        Divides the cosine similarities.

    Returns
    -------
    Tensor
        Mean of the cross-entropies over rows and over columns; columns are weighted as the matching says.
    """
    logits = similarities(predicted, target) / temperature
    rows = -(matching * functional.log_softmax(logits, dim=1)).sum(dim=1).mean()
    columns = -(matching * functional.log_softmax(logits, dim=0)).sum(dim=0).mean()
    return (rows + columns) / 2


def similarities(predicted: Tensor, target: Tensor) -> Tensor:
    """Cosine similarity of each prediction with each target, float32 (B, B), of the whole batch if processes share it.

    A process compares its own predictions with all targets; only these and its rows of the result are exchanged.
    """
    first = functional.normalize(predicted.flatten(1).float(), dim=1)
    second = functional.normalize(target.flatten(1).float(), dim=1)
    return gather(first @ gather(second).T)


def contrastive(predicted: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Symmetric contrastive loss (InfoNCE) between predictions and their own targets, both (B, ...)."""
    matching = torch.eye(whole(len(predicted)), device=predicted.device)
    return bimixco(predicted, target, matching, temperature)
