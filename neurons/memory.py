"""Trading time for memory while training: activations that are computed again when their gradient is due."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

_RECOMPUTE = ContextVar("recompute", default=False)


@contextmanager
def remembering(less: bool) -> Iterator[None]:
    """With `less`, parts that are run by `remember_less` keep their inputs only within the block; results are the same."""
    token = _RECOMPUTE.set(less)
    try:
        yield
    finally:
        _RECOMPUTE.reset(token)


def remember_less(part: nn.Module, *inputs: Any) -> Tensor:
    """``part(*inputs)``; where less is remembered, its activations are computed again in the backward pass."""
    if _RECOMPUTE.get() and torch.is_grad_enabled():
        return checkpoint(part, *inputs, use_reentrant=False)
    return part(*inputs)
