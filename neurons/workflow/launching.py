"""One command as several processes that train one model: PyTorch's launcher, which `accelerate launch` uses too.

The processes find each other by variables of the environment (`neurons.parallel.join`). What ends one ends them all: a
failure, or a signal to the launching process, which is passed on; each then has time to write a checkpoint.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from uuid import uuid4

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.launcher import LaunchConfig, elastic_launch

from neurons.artifacts import InputError
from neurons.console import logger
from neurons.workflow.cards import cards, claim_cards

TIME_TO_STOP_S = 300
"""Between the signal to stop and the one to die: a checkpoint of the largest models is written in this time."""


def launch(command: Sequence[str], processes: int, device: str, threads: int) -> int:
    """Run ``neurons <command>`` as so many processes, and wait for them.

    Parameters
    ----------
    command
        Words after ``neurons``.
    device
        The step's; with ``auto`` and ``cuda`` the processes get cards that no other job of this user has.
    threads
        CPU threads of each process.

    Returns
    -------
    int
        Exit code: 0, that of the first process that failed, or 128 plus the number of a signal.

    Raises
    ------
    InputError
        If there are GPUs, but fewer than processes.
    """
    if device in ("auto", "cuda"):
        _check_cards(processes)
        claim_cards(processes)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=TIME_TO_STOP_S,
    )
    logger.info("starting %d processes for one model", processes)
    try:
        elastic_launch(config, sys.executable)("-m", "neurons", *command)
    except ChildFailedError as error:
        return _told(min(error.failures.values(), key=lambda failure: failure.timestamp), processes)
    except SignalException as error:
        return 128 + error.sigval
    return 0


def _check_cards(processes: int) -> None:
    present = len(cards())
    if 0 < present < processes:
        raise InputError(
            f"{processes} processes (compute.processes) need a GPU each, but there are {present}; ask for fewer processes, "
            "or for more GPUs"
        )


def _told(failure: ProcessFailure, processes: int) -> int:
    """Exit code of the process that failed first, which has said why unless a signal ended it."""
    if failure.exitcode >= 0:
        return failure.exitcode
    name = signal.Signals(-failure.exitcode).name
    logger.error("process %d of %d was ended by %s", failure.local_rank + 1, processes, name)
    return 128 - failure.exitcode
