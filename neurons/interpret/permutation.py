"""Permutation importance: what a task's evidence loses when the responses of an area are shuffled in time.

Exact for the whole model, its choices included, but only per area: an area's part of the ridge's output is taken from
another clip, all else is decoded as before.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import seed_for
from neurons.console import track
from neurons.interpret.attribution import ridge_weights
from neurons.interpret.evidence import Evidence
from neurons.interpret.regions import Regions
from neurons.interpret.tasks import TASKS


def permutation_importance(
    evidence: Evidence, windows: Tensor, regions: Regions, shuffles: int, seed: int, batch_size: int
) -> np.ndarray:
    """Loss of evidence of each clip, mean over shuffles.

    Parameters
    ----------
    windows
        Responses of the held-out clips (n, lags, V), on the CPU.
    shuffles
        Permutations of the clips per region.

    Returns
    -------
    numpy.ndarray
        float32 (tasks, n, regions).
    """
    ridge = evidence.brain.ridge
    weights = ridge_weights(ridge)
    rng = np.random.default_rng(seed_for(seed, "interpret", "area shuffles"))
    with torch.no_grad():
        hidden = torch.cat([ridge(part.to(weights.device)) for part in windows.split(batch_size)])
    whole = _decode(evidence, hidden, batch_size)
    lost = torch.zeros(len(TASKS), len(hidden), len(regions.names))
    for number, members in enumerate(track(regions.members, "areas")):
        chosen = torch.from_numpy(np.flatnonzero(members))
        part = torch.einsum(
            "blv,lhv->bh",
            windows[:, :, chosen].to(weights.device),
            weights[:, :, chosen.to(weights.device)],
        )
        for _ in range(shuffles):
            order = torch.from_numpy(rng.permutation(len(hidden))).to(hidden.device)
            decoded = _decode(evidence, hidden - part + part[order], batch_size)
            lost[:, :, number] += (whole - decoded) / shuffles
    return lost.numpy()


def _decode(evidence: Evidence, hidden: Tensor, batch_size: int) -> Tensor:
    """Evidence of all clips as at inference, (tasks, n), on the CPU."""
    with torch.no_grad():
        clips = torch.arange(len(hidden), device=hidden.device)
        parts = [
            evidence.of(hidden[some], some, evidence.leading_concepts(hidden[some])).cpu()
            for some in clips.split(batch_size)
        ]
    return torch.cat(parts, dim=1)
