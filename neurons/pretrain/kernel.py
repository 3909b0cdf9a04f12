"""One ridge for all volumes of a window: the weights of the volumes, a response kernel, are learnt with it.

A ridge per lag estimates as many weights again for every volume. But what neighbouring volumes add is much the same for all
vertices: the haemodynamic response smears a scene into the volumes after it, and noise differs between volumes. A sum of the
volumes with a few weights takes that up: a rank-one map over lags and vertices.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
import torch
from torch import Tensor

from neurons.pretrain.ridge import solve_dual

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
