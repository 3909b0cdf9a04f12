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
from neurons.workflow.processes import started

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


def take_cards(available: Sequence[str], count: int = 1, folder: Path | None = None) -> list[str]:
    """Lock `count` of the `available` cards for the life of this process, waiting until so many are free at once.

    Parameters
    ----------
    available
        UUIDs, at least `count`.
    folder
        Where the lock files lie; by default a folder of this user in the temporary folder of the machine.
    """
    place = folder or _own_folder()
    waiting = False
    while True:
        taken: dict[str, IO[str]] = {}
        for card in available:
            if len(taken) < count and (handle := _lock(place / f"{card.replace('/', '_')}.lock")):
                taken[card] = handle
        if len(taken) == count:
            _held.extend(taken.values())
            return list(taken)
        # Two jobs that each keep some and wait for more would wait for ever.
        for handle in taken.values():
            handle.close()
        if not waiting:
            logger.info(
                "%d of %d GPUs are in use by other jobs of this user; waiting for %d",
                len(available) - len(taken),
                len(available),
                count,
            )
            waiting = True
        time.sleep(SECONDS_BETWEEN_TRIES)


def claim_cards(count: int = 1) -> list[str]:
    """Make `count` cards the only ones that CUDA shows to this process and those it starts, before CUDA starts.

    Returns
    -------
    list of str
        UUIDs of the cards; none if there are none, if Slurm has assigned them, if this process has claimed some already,
        or if it is one of several that were started on the cards of one command.
    """
    if _held or started() > 1 or "SLURM_JOB_ID" in os.environ:
        return []
    available = cards()
    if not available:
        return []
    taken = take_cards(available, count)
    os.environ[VISIBLE] = ",".join(taken)
    return taken


def _lock(path: Path) -> IO[str] | None:
    handle = path.open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"neurons-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if facts.st_uid != os.getuid() or folder.is_symlink():
        raise InputError(
            f"{folder} belongs to somebody else, so that GPUs cannot be locked there; remove it, or set TMPDIR"
        )
    return folder
