"""Cross-validated ridge regression in closed form, from windows of responses to principal components of the targets.

With some thousand samples of some ten thousand vertices the dual form is small: one eigendecomposition of the samples'
inner products gives the exact leave-one-movie-out predictions for every penalty. The brain model's later layers learn
from these, so that they see training clips as noisy as they will see new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import InputError

PENALTIES = tuple(float(value) for value in np.logspace(-1.5, 3.5, 11))
"""Candidate penalties, in units of the mean eigenvalue of the samples' inner products."""


@dataclass(frozen=True)
class RidgeFit:
    """A fitted ridge.

    Attributes
    ----------
    weights
        float32 (features, targets).
    held_out
        float32 (samples, targets): prediction of each sample from all other groups.
    penalties
        float32 (targets,): chosen penalty of each target, in units of the mean eigenvalue.
    scores
        float32 (targets,): share of variance that the held-out predictions explain.
    """

    weights: Tensor
    held_out: Tensor
    penalties: Tensor
    scores: Tensor


def fit_ridge(features: Tensor, targets: Tensor, groups: np.ndarray) -> RidgeFit:
    """Ridge regression without intercept; the penalty of each target is chosen by leaving out one group at a time.

    The held-out residual of group g is ``inv(G[g, g]) (G Y)[g]`` with ``G = inv(X X' + penalty I)``: the exact result
    of refitting without the group, for every group, from one eigendecomposition.

    Parameters
    ----------
    features
        float32 (samples, features), centred.
    targets
        float32 (samples, targets), centred.
    groups
        int64 (samples,): samples that are left out together (a movie).

    Raises
    ------
    InputError
        If there are fewer than two groups.
    """
    dual, fit = solve_dual((features @ features.T).double(), targets, groups)
    return RidgeFit(features.T @ dual.to(features.dtype), *fit)


class Judged(NamedTuple):
    """What leaving out groups says; as in `RidgeFit`."""

    held_out: Tensor
    penalties: Tensor
    scores: Tensor


def solve_dual(inner: Tensor, targets: Tensor, groups: np.ndarray) -> tuple[Tensor, Judged]:
    """`fit_ridge` from inner products: float64 (samples, samples), of the features.

    Returns
    -------
    tuple
        Dual coefficients, float64 (samples, targets), whose product with the transposed features is the weights; and what
        leaving out groups says.

    Raises
    ------
    InputError
        If there are fewer than two groups.
    """
    members = [torch.from_numpy(np.flatnonzero(groups == group)) for group in np.unique(groups)]
    if len(members) < 2:
        raise InputError(
            "pretrain.ridge closed_form leaves out one training movie at a time and needs at least two beside the "
            "validation movies; set pretrain.ridge to trained"
        )
    values, vectors = torch.linalg.eigh(inner)
    values = values.clamp(min=0)
    unit = float(values.mean())
    rotated = vectors.T @ targets.double()
    best = torch.full((targets.shape[1],), -torch.inf, dtype=torch.float64, device=targets.device)
    held_out, dual, penalties = torch.zeros_like(rotated), torch.zeros_like(rotated), torch.zeros_like(best)
    variance = targets.double().square().sum(dim=0)
    for penalty in PENALTIES:
        inverse = 1 / (values + penalty * unit)
        coefficients = vectors @ (inverse[:, None] * rotated)
        predictions = targets.double() - _residuals(vectors, inverse, coefficients, members)
        score = 1 - (targets.double() - predictions).square().sum(dim=0) / variance
        better = score > best
        best = torch.where(better, score, best)
        penalties = torch.where(better, penalty, penalties)
        held_out = torch.where(better, predictions, held_out)
        dual = torch.where(better, coefficients, dual)
    return dual, Judged(held_out.float(), penalties.float(), best.float())


def _residuals(vectors: Tensor, inverse: Tensor, coefficients: Tensor, members: list[Tensor]) -> Tensor:
    residuals = torch.empty_like(coefficients)
    for rows in members:
        chosen = vectors[rows]
        block = (chosen * inverse) @ chosen.T
        residuals[rows] = torch.linalg.solve(block, coefficients[rows])
    return residuals


def principal_scores(features: Sequence[Iterable[Tensor]], count: int) -> Tensor:
    """Scores of samples on the leading principal components of several sets of features that weigh the same.

    Each feature is centred and each set scaled to the same total variance, so that thousands of image tokens do not
    drown the caption embedding.

    Parameters
    ----------
    features
        Sets of features, each in blocks (samples, ...), so that none has to fit into memory as a whole.
    count
        Number of components.

    Returns
    -------
    Tensor
        float32 (samples, count), mean 0, columns orthogonal; the mean square over all entries is 1.

    Raises
    ------
    InputError
        If the samples do not span that many components.
    """
    inner = torch.stack([_inner_products(blocks) for blocks in features]).sum(dim=0)
    values, vectors = torch.linalg.eigh(inner)
    values, vectors = values.flip(0), vectors.flip(1)
    available = int((values > 1e-6 * values[0]).sum())
    if count > available:
        raise InputError(
            f"pretrain.hidden_width is {count}, but the training clips' features span {available} components; with "
            "pretrain.ridge closed_form it cannot be larger"
        )
    scores = vectors[:, :count] * values[:count].sqrt()
    return (scores / scores.square().mean().sqrt()).float()


def _inner_products(blocks: Iterable[Tensor]) -> Tensor:
    """Inner products of centred samples over all blocks, float64 (samples, samples), divided by their trace."""
    parts = []
    for block in blocks:
        centred = block.flatten(1) - block.flatten(1).mean(dim=0)
        parts.append((centred @ centred.T).double())
    inner = torch.stack(parts).sum(dim=0)
    return inner / inner.diagonal().sum()
