"""One ridge for all volumes of a window: the weights of the volumes, a response kernel, are learnt with it.

A ridge per lag estimates as many weights again for every volume. But what neighbouring volumes add is much the same for
all vertices: the haemodynamic response smears a scene into the volumes after it, and noise differs between volumes. A sum
of the volumes with a few weights takes that up: a rank-one map over lags and vertices. It cannot tell how a scene changes
from what it holds, so that each target may be left to whichever map predicts it better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from neurons.pretrain.ridge import RidgeFit, fit_ridge, solve_dual

WEIGHTS = (-0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0)
"""Candidates for the weight of a volume; the clip's own has 1."""


def learn_kernel(windows: Tensor, targets: Tensor, groups: np.ndarray, lags: Sequence[int]) -> Tensor:
    """The weights of a window's volumes with which a ridge predicts left-out groups best.

    One volume after another, the nearest first, takes the candidate with the highest share of explained variance, until no
    single weight can be bettered.

    Parameters
    ----------
    windows
        float32 (samples, lags, V), centred.
    targets
        float32 (samples, targets), centred.
    groups
        int64 (samples,): samples that are left out together (a movie).
    lags
        The window, such as ``[-1, 0, 1]``; 0 is in it.

    Returns
    -------
    Tensor
        float32 (lags,): 1 for lag 0.
    """
    inner = {
        (a, b): windows[:, a] @ windows[:, b].T for a, b in combinations_with_replacement(range(len(lags)), 2)
    }
    variance = targets.square().sum(dim=0)
    known: dict[tuple[float, ...], float] = {}

    def explained(kernel: tuple[float, ...]) -> float:
        if kernel not in known:
            whole = torch.zeros(len(windows), len(windows), dtype=torch.float64, device=windows.device)
            for (a, b), products in inner.items():
                if factor := kernel[a] * kernel[b]:
                    whole += factor * (products if a == b else products + products.T)
            _, judged = solve_dual(whole, targets, groups)
            known[kernel] = float((judged.scores * variance).sum() / variance.sum())
        return known[kernel]

    kernel = tuple(float(lag == 0) for lag in lags)
    order = sorted(
        (index for index, lag in enumerate(lags) if lag), key=lambda index: (abs(lags[index]), -lags[index])
    )
    before = None
    while kernel != before:
        before = kernel
        for index in order:
            others = ((*kernel[:index], weight, *kernel[index + 1 :]) for weight in WEIGHTS)
            kernel = max((kernel, *others), key=explained)
    return torch.tensor(kernel, device=windows.device)


def fit_with_kernel(windows: Tensor, targets: Tensor, groups: np.ndarray, kernel: Tensor) -> RidgeFit:
    """`fit_ridge` from the weighted sum of a window's volumes.

    Parameters
    ----------
    windows
        float32 (samples, lags, V), centred.
    targets, groups
        As `fit_ridge` wants them.
    kernel
        float32 (lags,).

    Returns
    -------
    RidgeFit
        With the weights of windows that are flattened lag by lag, (lags * V, targets): one map times the kernel.
    """
    fit = fit_ridge(torch.einsum("nlv,l->nv", windows, kernel), targets, groups)
    return replace(fit, weights=(kernel[:, None, None] * fit.weights).flatten(0, 1))


def better_of(first: RidgeFit, second: RidgeFit) -> RidgeFit:
    """Of each target the fit that predicts left-out groups better; the first of equals."""
    better = second.scores > first.scores
    return RidgeFit(
        weights=torch.where(better, second.weights, first.weights),
        held_out=torch.where(better, second.held_out, first.held_out),
        penalties=torch.where(better, second.penalties, first.penalties),
        scores=torch.where(better, second.scores, first.scores),
    )
