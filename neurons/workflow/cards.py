"""Which GPU a job gets, when several jobs share a machine.

Snakemake counts GPUs (the resource `gpu`) but does not say which one a job has, so that two jobs would both take the first.
Here a job locks a card for as long as its process lives: the kernel gives the lock back however the process ends. If all
cards are taken the job waits. Under Slurm the scheduler has chosen, and nothing is locked.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from neurons.artifacts import InputError
from neurons.console import logger

VISIBLE = "CUDA_VISIBLE_DEVICES"
LIST_CARDS = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
SECONDS_BETWEEN_TRIES = 0.5

# Open lock files: closing one would release its card.
_held: list[IO[str]] = []


def cards() -> list[str]:
    """UUIDs of the GPUs that this process may use, in the order of the machine; none without an NVIDIA driver."""
    try:
        listed = subprocess.run(LIST_CARDS, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return []
    allowed = os.environ.get(VISIBLE)
    if allowed is None:
        return listed
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return [
        listed[int(name)] if name.isdigit() and int(name) < len(listed) else name
        for name in names
        if name != "-1"
    ]


def take_card(available: Sequence[str], folder: Path | None = None) -> str:
    """Lock one of the `available` cards for the life of this process, waiting until one is free.

    Parameters
    ----------
    available
        UUIDs, at least one.
    folder
        Where the lock files lie; by default a folder of this user in the temporary folder of the machine.
    """
    place = folder or _own_folder()
    waiting = False
    while True:
        for card in available:
            handle = (place / f"{card.replace('/', '_')}.lock").open("w")
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.close()
                continue
            _held.append(handle)
            return card
        if not waiting:
            logger.info("all %d GPUs are in use by other jobs of this user; waiting for one", len(available))
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def claim_card() -> str | None:
    """Make one card the only one that CUDA shows to this process, before CUDA starts.

    Returns
    -------
    str or None
        UUID of the card; None if there is none, if Slurm has assigned it, or if this process has claimed one already.
    """
    if _held or "SLURM_JOB_ID" in os.environ:
        return None
    available = cards()
    if not available:
        return None
    card = take_card(available)
    os.environ[VISIBLE] = card
    return card


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"neurons-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or folder.is_symlink():
        raise InputError(
            f"{folder} belongs to somebody else, so that GPUs cannot be locked there; remove it, or set TMPDIR"
        )
    return folder
