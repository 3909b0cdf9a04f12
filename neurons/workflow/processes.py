"""How many processes a command was started as."""

from __future__ import annotations

import os


def started() -> int:
    """How many processes were started together with this one (by `neurons.workflow.launching`, or torchrun)."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1
