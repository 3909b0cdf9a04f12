"""``neurons tensorboard``: the courses of all trainings as TensorBoard event files.

The tables that trainings write after each epoch are what counts; events are made from them, also of trainings that still
run, and can be made again at any time.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from tensorboardX import SummaryWriter

from neurons.artifacts import InputError, read_table
from neurons.console import logger

TABLES = ("training.tsv", "start_training.tsv")
CHECKPOINTS = ("checkpoints", "checkpoints/start")
EVENTS = "tensorboard"


def tensorboard(*, results: Path) -> None:
    """Write RESULTS/logs/tensorboard, a run per training; then `tensorboard --logdir` on that folder shows them.

    Parameters
    ----------
    results
        Folder of a study's results, such as results/simulated.

    Raises
    ------
    InputError
        If no training has written anything there.
    """
    tables = find_tables(results)
    if not tables:
        raise InputError(
            f"{results} has no training tables (<stage>/<variant>/<subject>/training.tsv): is it the results of a study, "
            "and has a training ended its first epoch?"
        )
    output = results / "logs" / EVENTS
    shutil.rmtree(output, ignore_errors=True)
    for run, table in tables.items():
        write_events(table, output / run)
    logger.info("%d trainings: tensorboard --logdir %s", len(tables), output)


def find_tables(results: Path) -> dict[str, Path]:
    """Tables of trainings by run, ``<stage>/<variant>/<subject>[/start]``; while one runs, that beside its checkpoints."""
    found = {}
    for name, folder in zip(TABLES, CHECKPOINTS, strict=True):
        ending = "" if name == "training.tsv" else "/start"
        for stage in ("pretrain", "decouple"):
            for place in sorted((results / stage).glob("*/*")):
                running, done = place / folder / "training.tsv", place / name
                if running.is_file() or done.is_file():
                    run = f"{place.relative_to(results).as_posix()}{ending}"
                    found[run] = running if running.is_file() else done
    return found


def write_events(table: Path, folder: Path) -> None:
    """A scalar per column and epoch: ``train/<name>``, ``validation/<name>``, ``learning_rate``; times are the table's."""
    rows = read_table(table, ["epoch", "learning_rate"])
    written = table.stat().st_mtime
    with SummaryWriter(str(folder)) as writer:
        for name in rows.columns.drop(["epoch", "best"], errors="ignore"):
            tag = str(name)
            for kind in ("train", "validation"):
                tag = tag.replace(f"{kind}_", f"{kind}/", 1) if tag.startswith(f"{kind}_") else tag
            for epoch, value in zip(rows["epoch"], rows[name], strict=True):
                if math.isfinite(value):
                    writer.add_scalar(tag, float(value), int(epoch), walltime=written)
