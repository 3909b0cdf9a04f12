"""Networks that wait in main memory until they are needed, for cards that do not hold them all at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from accelerate import cpu_offload_with_hook
from torch import nn


def take_turns(networks: Sequence[nn.Module], device: torch.device) -> None:
    """Move each network to `device` when it is run, and the one before it back to main memory.

    Parameters
    ----------
    networks
        On the CPU, in the order in which they run.
    """
    before = None
    for network in networks:
        _, before = cpu_offload_with_hook(network, device, prev_module_hook=before)


def runs_on(network: Any) -> torch.device:
    """Where a network computes, wherever it waits."""
    hook = getattr(network, "_hf_hook", None)
    return torch.device(getattr(hook, "execution_device", None) or network.device)
