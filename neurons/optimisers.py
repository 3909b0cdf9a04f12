"""AdamW with its groups and its one-cycle schedule; its moments in 32 or 8 bits."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

from neurons.artifacts import InputError
from neurons.sections import Optimiser

EIGHT_BIT = "bitsandbytes"


def parameter_groups(model: nn.Module, decay: Mapping[str, float]) -> list[dict[str, Any]]:
    """Optimiser groups: weight decay by the longest matching name prefix; none on vectors (gains, biases).

    Parameters
    ----------
    decay
        Weight decay by prefix of the parameter's name; ``""`` matches all.
    """
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            prefix = longest_prefix(name, decay)
            groups.setdefault(decay[prefix] if parameter.ndim > 1 else 0.0, []).append(parameter)
    return [{"params": members, "weight_decay": value} for value, members in sorted(groups.items())]


def longest_prefix(name: str, prefixes: Iterable[str]) -> str:
    """The longest of `prefixes` that `name` begins with; ``""`` must be one of them."""
    return max((prefix for prefix in prefixes if name.startswith(prefix)), key=len)


def new_optimiser(groups: list[dict[str, Any]], settings: Optimiser) -> torch.optim.Optimizer:
    """AdamW; with 8 bits of state, the moments of tensors of 4,096 entries and more are quantised in blocks of 256.

    Raises
    ------
    InputError
        If 8 bits are asked for and the package that has them is not installed.
    """
    if settings.state == "32bit":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    # Without a GPU it warns that 4-bit inference, which is not used here, lacks a kernel.
    logging.getLogger(f"{EIGHT_BIT}.backends").setLevel(logging.ERROR)
    try:
        library = import_module(EIGHT_BIT)  # an extra of this package, and seconds to load
    except ImportError as error:
        raise InputError(
            f"optimiser.state is 8bit, which needs the package {EIGHT_BIT} ({error}); install it beside PyTorch (python -m "
            f"pip install '{EIGHT_BIT}>=0.50'), or choose 32bit"
        ) from error
    return library.optim.AdamW8bit(groups, lr=settings.learning_rate)


def one_cycle(optimiser: torch.optim.Optimizer, settings: Optimiser, batches: int) -> OneCycleLR:
    """The schedule of a run with so many batches per epoch."""
    return OneCycleLR(optimiser, settings.learning_rate, total_steps=settings.epochs * batches + 1)


def wind(schedule: OneCycleLR, steps: int) -> None:
    """Set the schedule to where it is after `steps` steps: it is a closed form of the step number."""
    if steps:
        schedule.last_epoch = steps - 1
        with warnings.catch_warnings():
            # PyTorch warns of a schedule that steps before its optimiser; this optimiser's steps are in the checkpoint.
            warnings.simplefilter("ignore", UserWarning)
            schedule.step()
