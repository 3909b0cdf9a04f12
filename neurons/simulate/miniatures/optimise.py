"""One training loop for all diffusion miniatures: AdamW, one-cycle learning rate, moving average, log."""

import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import nn

from neurons.artifacts import Provenance, atomic

LOG_EVERY = 50
SNAPSHOT_EVERY = 500
MOVING_AVERAGE = 0.998
GRADIENT_NORM = 1.0


@dataclass(frozen=True)
class LogRow:
    """Mean loss of the steps since the previous row."""

    step: int
    elapsed_s: float
    loss: float


def optimise(
    parameters: Iterable[nn.Parameter],
    loss_of_step: Callable[[], torch.Tensor],
    steps: int,
    max_learning_rate: float,
    report: Callable[[LogRow], None],
    snapshot: Callable[[list[LogRow]], None] | None = None,
) -> list[LogRow]:
    """Minimise a loss and leave the moving average of the parameters in place.

    Parameters
    ----------
    parameters : iterable of Parameter
        What to train; anything else stays as it is.
    loss_of_step : callable
        Draws a batch and returns its scalar loss.
    steps : int
        Number of updates.
    max_learning_rate : float
        Peak of the one-cycle schedule.
    report : callable
        Called with each row of the log.
    snapshot : callable, optional
        Called with the log every 500 steps, while the parameters are their moving average.

    Returns
    -------
    list of LogRow
        One row per 50 steps.
    """
    trained = list(parameters)
    optimiser = torch.optim.AdamW(trained, lr=max_learning_rate, betas=(0.9, 0.99), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_learning_rate, total_steps=steps, pct_start=max(0.1, 2 / steps)
    )
    average = [parameter.detach().clone() for parameter in trained]
    rows: list[LogRow] = []
    start, running = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        loss = loss_of_step()
        loss.backward()
        nn.utils.clip_grad_norm_(trained, GRADIENT_NORM)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad(set_to_none=True)
        weight = min(MOVING_AVERAGE, step / (step + 10))
        torch._foreach_lerp_(average, [parameter.detach() for parameter in trained], 1 - weight)
        running += float(loss.detach())
        if step % LOG_EVERY == 0 or step == steps:
            since = step - (rows[-1].step if rows else 0)
            rows.append(LogRow(step, time.monotonic() - start, running / since))
            running = 0.0
            report(rows[-1])
        if snapshot is not None and step % SNAPSHOT_EVERY == 0:
            _swap(trained, average)
            snapshot(rows)
            _swap(trained, average)
    _swap(trained, average)
    return rows


@torch.no_grad()
def _swap(parameters: list[nn.Parameter], others: list[torch.Tensor]) -> None:
    for parameter, other in zip(parameters, others, strict=True):
        kept = parameter.clone()
        parameter.copy_(other)
        other.copy_(kept)


def write_log(folder: Path, rows: list[LogRow], recipe: Provenance, name: str = "training_log.tsv") -> None:
    """Write a training log: the recipe in comment lines, then step, elapsed seconds and loss."""
    with atomic(folder / name) as path:
        lines = [f"# {name}: {value}" for name, value in recipe.items()]
        lines += ["step\telapsed_s\tloss"]
        lines += [f"{row.step}\t{row.elapsed_s:.1f}\t{row.loss:.5f}" for row in rows]
        path.write_text("\n".join(lines) + "\n")


def recipe(
    command: str, seed: int, rows: list[LogRow], device: torch.device, **settings: object
) -> Provenance:
    """What made a miniature: command, seed, settings, steps, minutes, machine class and package versions."""
    return {
        "command": command,
        "seed": seed,
        **settings,
        "steps": rows[-1].step,
        "minutes": round(rows[-1].elapsed_s / 60, 1),
        "machine": f"{_machine(device)}, bfloat16 autocast",
        "packages": {name: version(name) for name in ("torch", "diffusers", "transformers")},
    }


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} CPU, {torch.get_num_threads()} thread(s)"
