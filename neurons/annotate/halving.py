"""Batches that are halved when memory is short."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from neurons.artifacts import InputError
from neurons.console import logger

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    items: Sequence[Item], batch_size: int, work: Callable[[Sequence[Item]], Sequence[Result]], key: str
) -> Iterator[tuple[int, Result]]:
    """Positions and results of `items`, `batch_size` at once; when memory is short, half as many from then on.

    Parameters
    ----------
    work
        From a batch to its results, one per item; a result must not depend on the other items.
    key
        Key of the configuration that holds the batch size, for messages.

    Raises
    ------
    InputError
        If memory is short for a single item.
    """
    done = 0
    while done < len(items):
        batch = items[done : done + batch_size]
        try:
            results = work(batch)
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            if len(batch) == 1:
                raise InputError(
                    f"{key}: memory is short for a single frame ({str(error).splitlines()[0]}). Use a smaller or quantised "
                    "model, several GPUs (annotate.qwen.device_map), or smaller frames (cut.frame_size_px)."
                ) from error
            batch_size = len(batch) // 2
            logger.warning(
                "memory is short for %d at once; going on with %d (%s)", len(batch), batch_size, key
            )
            _release()
            continue
        for number, result in enumerate(results):
            yield done + number, result
        done += len(batch)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text


def _release() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
