"""Several processes that train one model: each takes its share of every batch, and the result is that of one process.

A mean over clips is weighted by the shares; a contrastive loss compares with the clips of the whole batch, gathered from all
processes; random decisions about samples are drawn for the whole batch, alike in every process. Only dropout masks are each
process's own. Outside a training step, and with one process, the functions of this module return what they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from neurons.artifacts import InputError
from neurons.console import name_process
from neurons.workflow.processes import started

LONGEST_WAIT = timedelta(hours=6)
"""For the others, while the first process validates or writes a checkpoint; the launcher ends those of a dead one."""


@dataclass(frozen=True)
class Group:
    """The processes of a training, as one of them sees them.

    Attributes
    ----------
    rank, size
        Which process this is, from 0, and how many there are.
    device
        Where messages between them lie.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_main(self) -> bool:
        """Whether this process judges and writes."""
        return self.rank == 0

    def shares(self, samples: int) -> list[int]:
        """How many samples of a batch each process takes: they differ by at most one."""
        return [len(part) for part in np.array_split(np.arange(samples), self.size)]

    def part(self, indices: np.ndarray) -> np.ndarray:
        """This process's share of a batch."""
        return np.array_split(indices, self.size)[self.rank]

    def agree(self, flag: bool) -> bool:
        """Whether `flag` is true in any process."""
        if self.size == 1:
            return flag
        anywhere = torch.tensor(int(flag), device=self.device)
        distributed.all_reduce(anywhere, distributed.ReduceOp.MAX)
        return bool(anywhere)

    def on_main(self, work: Callable[[], Any]) -> None:
        """Let the main process do `work`; the others wait, and end with it if it fails."""
        failed = True
        try:
            if self.is_main:
                work()
            failed = False
        finally:
            failed = self.agree(failed)
        if failed:
            raise SystemExit(1)

    def once(self, error: InputError) -> BaseException:
        """What each process raises when all have met the same error, so that one of them tells it."""
        return error if self.is_main else SystemExit(1)

    def start_alike(self, model: nn.Module) -> None:
        """Give every process the weights of the main one."""
        if self.size > 1:
            for value in model.state_dict().values():
                distributed.broadcast(value, src=0)

    def means(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Values of the losses over the whole batch; not finite if they are not in any process."""
        values = {name: value.detach() for name, value in losses.items()}
        if self.size == 1:
            return values
        stacked = torch.stack([value.float() for value in values.values()])
        distributed.all_reduce(stacked)
        return dict(zip(values, stacked / self.size, strict=True))

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        waiting = [distributed.all_reduce(gradient, async_op=True) for gradient in gradients]
        for gradient, message in zip(gradients, waiting, strict=True):
            message.wait()
            gradient.div_(self.size)

    @contextmanager
    def sharing(self, samples: int, seed: int) -> Iterator[None]:
        """Within the block losses are those of a batch of so many samples that all processes share.

        Parameters
        ----------
        samples
            In the whole batch.
        seed
            Of this process's own random numbers (dropout). Those of the batch go on from the state of the generators.
        """
        if self.size == 1:
            yield
            return
        shared = _Shared(self, samples, _random_state(self.device))
        torch.manual_seed(seed)
        token = _SHARED.set(shared)
        try:
            yield
        finally:
            _SHARED.reset(token)

    def leave(self) -> None:
        """End the group; nothing is shared after that."""
        if self.size > 1:
            distributed.destroy_process_group()


def join(processes: int, device: torch.device) -> Group:
    """The group of the processes that were started for this step; on GPUs each takes the card of its rank.

    Raises
    ------
    InputError
        If another number of processes was started, or there are fewer GPUs.
    """
    if processes != started():
        raise InputError(
            f"{processes} processes are to train one model (compute.processes), but {started()} were started; the command "
            "`neurons <stage> <step> --processes <number>` starts as many as it names"
        )
    if processes == 1:
        return Group()
    cards = 1 if device.index is not None else torch.cuda.device_count()
    if device.type == "cuda" and cards < processes:
        raise InputError(
            f"{processes} processes (compute.processes) need a GPU each, but device {device} has {cards}; ask for fewer "
            "processes, or for more GPUs with compute.device auto or cuda"
        )
    from accelerate import PartialState  # takes a second, and one process does without

    state = PartialState(cpu=device.type == "cpu", timeout=LONGEST_WAIT)
    name_process(state.process_index, state.num_processes)
    return Group(state.process_index, state.num_processes, state.device)


@dataclass
class _Shared:
    """A batch that processes share: of how many samples, and the random numbers that are drawn alike in all of them."""

    group: Group
    samples: int
    random: tuple[Tensor, ...]


_SHARED: ContextVar[_Shared | None] = ContextVar("shared", default=None)


def whole(count: int) -> int:
    """Samples of the whole batch, of which this process has `count`."""
    shared = _SHARED.get()
    return count if shared is None else shared.samples


def own(rows: Tensor) -> Tensor:
    """The rows of this process's samples, of a tensor with a row for each sample of the whole batch."""
    shared = _SHARED.get()
    return rows if shared is None else rows.split(shared.group.shares(shared.samples))[shared.group.rank]


def gather(rows: Tensor) -> Tensor:
    """The rows of the whole batch from each process's own; gradients flow back to the process that a row is from."""
    shared = _SHARED.get()
    if shared is None:
        return rows
    return _Gather.apply(rows, shared.group.rank, shared.group.shares(shared.samples))


def batch_mean(mean: Tensor, count: int | Tensor) -> Tensor:
    """A mean over `count` things of this process's samples, weighted so that the processes' mean is that over all things."""
    shared = _SHARED.get()
    if shared is None:
        return mean
    own_count = torch.as_tensor(count, device=mean.device, dtype=torch.float32)
    every = own_count.clone()
    distributed.all_reduce(every)
    return mean * (shared.group.size * own_count / every)


@contextmanager
def alike() -> Iterator[None]:
    """Within the block every process draws the same random numbers, those that one process would draw."""
    shared = _SHARED.get()
    if shared is None:
        yield
        return
    mine = _random_state(shared.group.device)
    _set_random_state(shared.random, shared.group.device)
    try:
        yield
    finally:
        shared.random = _random_state(shared.group.device)
        _set_random_state(mine, shared.group.device)


def noise_like(rows: Tensor) -> Tensor:
    """Standard normal numbers for the own samples `rows`, drawn for the whole batch."""
    with alike():
        drawn = torch.randn(whole(len(rows)), *rows.shape[1:], device=rows.device, dtype=rows.dtype)
    return own(drawn)


class _Gather(torch.autograd.Function):
    """All-gather of unequal shares; what the processes did with a row is summed on the way back."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, rank: int, shares: list[int]) -> Tensor:
        ctx.rank, ctx.shares = rank, shares
        padded = rows.new_zeros(max(shares), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in shares]
        distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, shares, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.split(ctx.shares)[ctx.rank], None, None


def _random_state(device: torch.device) -> tuple[Tensor, ...]:
    states = (torch.get_rng_state(),)
    return (*states, torch.cuda.get_rng_state(device)) if device.type == "cuda" else states


def _set_random_state(states: tuple[Tensor, ...], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
