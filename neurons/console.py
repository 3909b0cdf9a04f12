"""The one logger and the one progress bar."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

logger = logging.getLogger("neurons")

SECONDS_BETWEEN_LINES = 10.0
TIME = "%H:%M:%S"


def start_logging() -> None:
    """Write the messages of `logger` to standard error, with the time of day; silence the bars of model loading."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt=TIME))
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)


def name_process(rank: int, size: int) -> None:
    """One of several processes of a step: those after the first (rank 0) tell their errors only, by their number."""
    if rank > 0:
        logger.setLevel(logging.ERROR)
        form = f"%(asctime)s %(levelname)s process {rank + 1} of {size}: %(message)s"
        for handler in logger.handlers:
            handler.setFormatter(logging.Formatter(form, datefmt=TIME))


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Iterate over `items` and report progress: a bar on a terminal, a line every ten seconds in a log file.

    Parameters
    ----------
    what
        What an item is, in the plural (``"clips"``).
    total
        Number of items, if `items` has no length.
    """
    if total is None:
        total = len(items)  # type: ignore[arg-type]
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, unit=what.rstrip("s"), desc=what)
        return
    start = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= SECONDS_BETWEEN_LINES or done == total:
            rate = done / max(now - start, 1e-9)
            logger.info(
                "%d of %d %s, %.2f per s, %.0f s left", done, total, what, rate, (total - done) / rate
            )
            last = now
