"""Where and in which precision a model runs."""

from __future__ import annotations

import torch

from neurons.artifacts import InputError
from neurons.console import logger
from neurons.workflow.cards import claim_cards

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """The device called `name`: ``auto`` (CUDA if there is one, else CPU), ``cpu``, ``cuda`` or ``cuda:<index>``.

    With ``auto`` and ``cuda`` the job gets a card that no other job of this user has (see `neurons.workflow.cards`).

    Raises
    ------
    InputError
        If CUDA is asked for and not available.
    """
    if name in ("auto", "cuda"):
        claim_cards()
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        logger.info("no CUDA device: running on the CPU (compute.device is auto)")
        return torch.device("cpu")
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"device {name!r} was asked for (compute.device), but PyTorch finds no CUDA device; use cpu or auto"
        )
    return device


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """The floating-point type called `name`: ``auto`` (bf16 on CUDA, fp32 on a CPU), ``fp32`` or ``bf16``."""
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise InputError(
            f"unknown precision {name!r} (compute.precision); choose auto, {' or '.join(DTYPES)}"
        )
    return DTYPES[name]


def use_threads(threads: int) -> None:
    """Let PyTorch use `threads` CPU threads and only deterministic algorithms, so that a rerun gives the same bytes."""
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
