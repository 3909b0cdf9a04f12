"""Importance per vertex: gradients of the evidence, integrated gradients, and Haufe patterns.

The ridge is linear, so gradients are taken at its output and carried to the vertices by its weights, or, for the Haufe
method, by the patterns that belong to the weights.

- ``gradient``: gradient at the clip's response times the response. The heads begin with layer norms, which do not see the
  size of their input, so these products add up to about 0 over vertices, whatever the evidence.
- ``integrated``: integrated gradients (Sundararajan et al. 2017) from other clips' responses to the clip's own (expected
  gradients, Erion et al. 2021), so that they add up to the evidence that the own response has over another. The mean
  response is no good start: there a layer norm blows up noise.
- ``haufe``: the same with Haufe patterns instead of weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurons.interpret.evidence import Evidence
from neurons.interpret.regions import Regions
from neurons.interpret.tasks import TASKS
from neurons.pretrain.model import RidgePerLag


@dataclass(frozen=True)
class Attribution:
    """Importance of vertices by one method.

    Attributes
    ----------
    mean
        Mean contribution to a clip's evidence, float32 (tasks, V).
    t
        Mean over its standard error under independent signs of blocks of clips, float32 (tasks, V); 0 without variance.
    series
        Contribution of each region's vertices (their mean) to each clip, float32 (tasks, n, regions).
    """

    mean: np.ndarray
    t: np.ndarray
    series: np.ndarray


def ridge_weights(ridge: RidgePerLag) -> Tensor:
    """Weights of each lag, (lags, H, V), without gradients."""
    weights = ridge.state_dict()
    return torch.stack([weights[f"lags.{lag}.weight"] for lag in range(len(ridge.lags))])


def gradients(evidence: Evidence, hidden: Tensor, clips: Tensor, leading: Tensor) -> Tensor:
    """Gradient of each task's evidence at the hidden features (B, H): (tasks, B, H).

    Parameters
    ----------
    leading
        Concept that drives masks and blurry video, kept while the features change: a choice has no gradient.
    """
    point = hidden.detach().requires_grad_(True)
    values = evidence.of(point, clips, leading).sum(dim=1)
    last = len(values) - 1
    parts = [
        torch.autograd.grad(value, point, retain_graph=task < last)[0] for task, value in enumerate(values)
    ]
    return torch.stack(parts)


def path_gradients(
    evidence: Evidence, start: Tensor, hidden: Tensor, clips: Tensor, leading: Tensor, place: float
) -> Tensor:
    """Gradient of each task's evidence on the way from another response's hidden features to the clip's own.

    Parameters
    ----------
    start, hidden
        Hidden features of the other responses and of the clips' own, (B, H).
    place
        Where on the way: 0 the other response, 1 the own.

    Returns
    -------
    Tensor
        (tasks, B, H).
    """
    return gradients(evidence, torch.lerp(start, hidden, place), clips, leading)


def middles(count: int) -> list[float]:
    """Middles of `count` equal parts of the way, at which gradients are taken."""
    return [(part + 0.5) / count for part in range(count)]


class Covariances:
    """Running second moments of windows and ridge outputs of training clips, for Haufe patterns.

    A linear readout ``s = g h = g W' x`` of the ridge's output h has the pattern ``Cov(x, s) / Var(s) = Cov(x, h) g /
    (g Cov(h) g)`` (Haufe et al. 2014, equation 6): what the response does where the readout is larger by 1. Here g is
    first scaled to a readout of variance 1, so that readouts of any size count the same.
    """

    def __init__(self, lags: int, hidden: int, vertices: int, device: torch.device) -> None:
        self._cross = torch.zeros(lags, hidden, vertices, device=device)
        self._own = torch.zeros(hidden, hidden, device=device)
        self._count = 0

    def add(self, windows: Tensor, hidden: Tensor) -> None:
        """Take in windows (B, lags, V) and the ridge's outputs without its bias (B, H)."""
        for lag, total in enumerate(self._cross):
            total += hidden.T @ windows[:, lag]
        self._own += hidden.T @ hidden
        self._count += len(hidden)

    def with_response(self) -> Tensor:
        """Covariance of the ridge's outputs with each vertex and lag, (lags, H, V)."""
        return self._cross / self._count

    def standardise(self, gradient: Tensor) -> Tensor:
        """Gradients (..., H), scaled so that the readout ``gradient h`` has variance 1."""
        variance = ((gradient @ (self._own / self._count)) * gradient).sum(dim=-1, keepdim=True)
        return gradient / variance.sqrt().clamp(min=1e-12)


def contributions(windows: Tensor, gradient: Tensor, carriers: Tensor) -> Tensor:
    """Sum over lags of response times carried gradient.

    Parameters
    ----------
    windows
        (B, lags, V).
    gradient
        (tasks, B, H).
    carriers
        Weights or covariances (lags, H, V).

    Returns
    -------
    Tensor
        (tasks, B, V).
    """
    total = torch.zeros(*gradient.shape[:2], windows.shape[2], device=windows.device)
    for lag, carrier in enumerate(carriers):
        total += (gradient @ carrier) * windows[:, lag]
    return total


class Collector:
    """Sums of contributions over blocks of clips, and their means over regions; memory does not grow with single clips.

    Parameters
    ----------
    blocks
        Number of each clip's block, int64 (n,).
    """

    def __init__(self, blocks: np.ndarray, regions: Regions) -> None:
        _, numbers = np.unique(blocks, return_inverse=True)
        self._blocks, self._regions = numbers, regions
        vertices = regions.members.shape[1]
        self._sums = np.zeros((len(TASKS), numbers.max() + 1, vertices), np.float32)
        self._series = np.zeros((len(TASKS), len(blocks), len(regions.names)), np.float32)

    def add(self, clips: np.ndarray, values: Tensor) -> None:
        """Take in contributions (tasks, B, V) of clips, by their number."""
        array = values.cpu().numpy()
        for position, clip in enumerate(clips):
            self._sums[:, self._blocks[clip]] += array[:, position]
        self._series[:, clips] = self._regions.means(array)

    def result(self) -> Attribution:
        """What was collected."""
        total = self._sums.sum(axis=1, dtype=np.float64)
        spread = np.sqrt(np.square(self._sums, dtype=np.float64).sum(axis=1))
        t = np.divide(total, spread, out=np.zeros_like(total), where=spread > 0)
        return Attribution((total / len(self._blocks)).astype(np.float32), t.astype(np.float32), self._series)
