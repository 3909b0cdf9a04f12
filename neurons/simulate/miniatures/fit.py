"""The training loop of the recognition miniatures: one-cycle AdamW over a loss that makes its own batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from neurons.console import logger

Losses = dict[str, Tensor]
LogEntry = dict[str, float]


def fit(
    parameters: Iterable[nn.Parameter],
    losses_of_step: Callable[[int], Losses],
    steps: int,
    peak_learning_rate: float,
    weight_decay: float = 0.02,
    log_every: int = 100,
) -> list[LogEntry]:
    """Minimise the sum of the named losses of each step.

    Parameters
    ----------
    parameters
        What is trained.
    losses_of_step
        Draws the batch of a step and returns its named scalar losses, weights already applied.
    steps, peak_learning_rate, weight_decay
        One-cycle schedule (10 % warm-up, cosine descent) and AdamW's decay.
    log_every
        Steps between log entries.

    Returns
    -------
    list of dict
        Step, seconds since the start and the mean of each loss since the entry before.
    """
    trained = [p for p in parameters if p.requires_grad]
    optimiser = torch.optim.AdamW(
        trained, lr=peak_learning_rate, betas=(0.9, 0.98), weight_decay=weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=peak_learning_rate, total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    log: list[LogEntry] = []
    sums: dict[str, float] = {}
    start = time.monotonic()
    for step in range(steps):
        losses = losses_of_step(step)
        torch.stack(list(losses.values())).sum().backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        schedule.step()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + float(loss.detach()) / log_every
        if (step + 1) % log_every == 0:
            log.append({"step": step + 1, "seconds": round(time.monotonic() - start, 1), **sums})
            logger.info("  ".join(f"{key} {value:.4g}" for key, value in log[-1].items()))
            sums = {}
    return log
