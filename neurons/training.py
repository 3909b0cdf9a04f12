"""The one training loop, used by `pretrain` and `decouple`: AdamW, a one-cycle schedule, and full-state checkpoints.

All randomness of a step (order of samples, dropout, mixing) follows from the seed, the epoch and the batch, so a run
that was stopped anywhere and continued equals one that was never stopped: bit for bit on a CPU.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from neurons import checkpoints
from neurons.artifacts import (
    InputError,
    TensorFile,
    hash_bytes,
    hash_file,
    provenance,
    seed_for,
    write_table,
)
from neurons.console import logger, track
from neurons.optimisers import longest_prefix, new_optimiser, one_cycle, wind
from neurons.parallel import Group
from neurons.sections import Optimiser

Batch = Mapping[str, Tensor]

ALONE = Group()

SO_FAR = "training.tsv"
"""The log of past epochs beside the checkpoints, for looking at a run that is not done."""


@dataclass(frozen=True)
class Progress:
    """Where in the run a batch is; all counted from 0."""

    epoch: int
    batch: int
    epochs: int
    batches: int


class Objective(Protocol):
    """What a stage gives the loop."""

    @property
    def samples(self) -> Sequence[str]:
        """What each training sample is (clip and repeat), for messages; their number is the number of samples."""

    @property
    def judged(self) -> Mapping[str, str]:
        """Name of the validation score (lower is better) that chooses the epoch, by prefix of the weights' names.

        ``{"": "score"}`` for all of them, and further prefixes for parts that nothing else depends on.
        """

    def arrange(self, indices: np.ndarray) -> np.ndarray:
        """The samples of a batch in the order in which `fetch` gives them, so that processes can share them."""

    def fetch(self, indices: np.ndarray) -> Batch:
        """Tensors of the samples at `indices`, on the CPU (runs in a second thread, one batch ahead)."""

    def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Scalar tensors by name; the one named ``loss`` is minimised."""

    def validate(self) -> dict[str, float]:
        """Scores on the held-out training movies, among them those that `judged` names."""


def fingerprint_of(made_by: Mapping[str, Any], inputs: Sequence[Path], **compute: object) -> str:
    """Identity of a training run: its provenance (settings, packages), content of each input, and how it computes."""
    contents = [
        TensorFile(path).metadata["content_hash"] if path.suffix == ".safetensors" else hash_file(path)
        for path in inputs
    ]
    described = {
        "made_by": made_by,
        "inputs": contents,
        "compute": {name: str(value) for name, value in compute.items()},
    }
    return hash_bytes(json.dumps(described, sort_keys=True).encode())


def train(
    model: nn.Module,
    objective: Objective,
    settings: Optimiser,
    groups: list[dict[str, Any]],
    *,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    folder: Path,
    fingerprint: str,
    group: Group = ALONE,
) -> pd.DataFrame:
    """Train `model`; afterwards it holds the weights of the epoch with the lowest validation score.

    Of several processes each trains on its share of every batch; the first one alone validates, writes checkpoints, and
    ends with those weights and the whole log. The group is left at the end.

    Parameters
    ----------
    model
        On `device`; its trainable parameters are those of `groups`.
    groups
        From `parameter_groups`.
    dtype
        bfloat16 runs the losses under autocast; weights and optimiser stay float32.
    folder, fingerprint
        Where checkpoints and the log of past epochs (``training.tsv``) lie, and which checkpoints belong to this run,
        whatever the number of processes.
    group
        The processes that train this model.

    Returns
    -------
    pandas.DataFrame
        One row per epoch: ``epoch`` (from 1), ``learning_rate``, means of the training losses (``train_<name>``) and
        the validation scores (``validation_<name>``), ``best`` (whether the score of ``""`` was the best so far).

    Raises
    ------
    InputError
        If a loss, a gradient or a validation score is not finite; the message names the batch's samples.
    SystemExit
        After SIGTERM, once a checkpoint is written.
    OSError
        If a checkpoint cannot be written (disk full); those before it stay.
    """
    run = _Run(model, objective, settings, groups, seed, device, dtype, folder, fingerprint, group)
    epochs = range(run.position.epoch, settings.epochs)
    with stop_signal() as stopped, ThreadPoolExecutor(1) as loader:
        for epoch in track(epochs, "epochs") if group.is_main else epochs:
            for _ in run.steps_of(epoch, loader):
                if group.agree(stopped()):
                    run.save()
                    raise SystemExit(_told_to_stop(folder))
            run.judge(epoch)
            last, stopping = epoch + 1 == settings.epochs, group.agree(stopped())
            if last or stopping or (epoch + 1) % settings.checkpoint_every == 0:
                run.save()
            if stopping and not last:
                raise SystemExit(_told_to_stop(folder))
    if group.is_main:
        model.load_state_dict(run.best)
    model.eval()
    group.leave()
    return pd.DataFrame(run.position.history)


class _Run:
    """A training run: its state, its steps, and the judgement after each epoch."""

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: Optimiser,
        groups: list[dict[str, Any]],
        seed: int,
        device: torch.device,
        dtype: torch.dtype,
        folder: Path,
        fingerprint: str,
        group: Group,
    ) -> None:
        self.model, self.objective, self.settings, self.seed = model, objective, settings, seed
        self.device, self.dtype, self.folder, self.fingerprint = device, dtype, folder, fingerprint
        self.group = group
        self.batches = -(-len(objective.samples) // settings.batch_size)
        self.optimiser = new_optimiser(groups, settings)
        self.schedule = one_cycle(self.optimiser, settings, self.batches)
        self.position, self.steps, self.best = checkpoints.restore(folder, fingerprint, model, self.optimiser)
        wind(self.schedule, self.steps)
        group.start_alike(model)

    def save(self) -> None:
        self.group.on_main(
            lambda: checkpoints.save(
                self.folder,
                self.fingerprint,
                self.position,
                self.steps,
                self.model,
                self.optimiser,
                self.best,
            )
        )

    def steps_of(self, epoch: int, loader: ThreadPoolExecutor) -> Iterator[None]:
        """Train on the batches of an epoch from the current one on; yields between two steps."""
        parts = epoch_batches(len(self.objective.samples), self.batches, seed_for(self.seed, "order", epoch))
        shares = [self.group.part(self.objective.arrange(part)) for part in parts]
        upcoming = loader.submit(self.objective.fetch, shares[self.position.batch])
        self.model.train()
        for batch in range(self.position.batch, self.batches):
            data = {
                name: value.to(self.device, non_blocking=True) for name, value in upcoming.result().items()
            }
            if batch + 1 < self.batches:
                upcoming = loader.submit(self.objective.fetch, shares[batch + 1])
            self._step(data, Progress(epoch, batch, self.settings.epochs, self.batches), parts[batch])
            self.position.batch = batch + 1
            if batch + 1 < self.batches:
                yield

    def _step(self, data: Batch, progress: Progress, indices: np.ndarray) -> None:
        place = (progress.epoch, progress.batch)
        torch.manual_seed(seed_for(self.seed, "step", *place))
        with (
            self.group.sharing(len(indices), seed_for(self.seed, "process", self.group.rank, *place)),
            torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32),
        ):
            losses = self.objective.loss(data, progress)
        values = self.group.means(losses)
        if not bool(torch.isfinite(values["loss"])):
            raise self.group.once(self._not_finite("the loss", values, progress, indices))
        self.optimiser.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self.group.average_gradients(self._parameters())
        if not bool(torch.isfinite(self._gradient_norm())):
            # A step with it would put NaN into the weights, and the batch after this one would be blamed.
            raise self.group.once(self._not_finite("a gradient", values, progress, indices))
        self.optimiser.step()
        self.schedule.step()
        self.steps += 1
        sums = self.position.sums
        for name, value in values.items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(indices)

    def _parameters(self) -> Iterator[nn.Parameter]:
        return (parameter for group in self.optimiser.param_groups for parameter in group["params"])

    def _not_finite(
        self, what: str, values: Mapping[str, Tensor], progress: Progress, indices: np.ndarray
    ) -> InputError:
        return InputError(_not_finite(values, progress, [self.objective.samples[i] for i in indices], what))

    def _gradient_norm(self) -> Tensor:
        return nn.utils.get_total_norm(
            [parameter.grad for parameter in self._parameters() if parameter.grad is not None]
        )

    def judge(self, epoch: int) -> None:
        """Validate, keep the weights of each part that is better than before, and add a row to the history."""
        self.group.on_main(lambda: self._judge(epoch))
        position = self.position
        position.epoch, position.batch, position.sums = epoch + 1, 0, {}

    def _judge(self, epoch: int) -> None:
        position = self.position
        scores = _validated(self.model, self.objective, epoch)
        better = {
            prefix: scores[name] < position.best_scores.get(prefix, float("inf"))
            for prefix, name in self.objective.judged.items()
        }
        for name, value in self.model.state_dict().items():
            if better[longest_prefix(name, better)]:
                self.best[name] = value.detach().cpu().clone()
        position.best_scores |= {
            prefix: scores[self.objective.judged[prefix]] for prefix, improved in better.items() if improved
        }
        samples = len(self.objective.samples)
        row = {"epoch": epoch + 1, "learning_rate": float(self.schedule.get_last_lr()[0])}
        row |= {f"train_{name}": total / samples for name, total in position.sums.items()}
        row |= {f"validation_{name}": value for name, value in scores.items()} | {"best": int(better[""])}
        position.history.append(row)
        write_table(self.folder / SO_FAR, pd.DataFrame(position.history), provenance("training so far", {}))


def best_row(history: pd.DataFrame) -> dict[str, float]:
    """The row of the log with the lowest validation score."""
    rows = history.to_dict("records")
    best = min(rows, key=lambda row: row["validation_score"])
    return {str(name): float(value) for name, value in best.items()}


def epoch_batches(samples: int, batches: int, seed: int) -> list[np.ndarray]:
    """Every sample once, in random order, in batches whose sizes differ by at most one."""
    order = np.random.default_rng(seed).permutation(samples)
    return np.array_split(order, batches)


@contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Within the block SIGTERM does not kill; the yielded function says whether it came."""
    came = False

    def note(*_: object) -> None:
        nonlocal came
        came = True

    previous = signal.signal(signal.SIGTERM, note)
    try:
        yield lambda: came
    finally:
        signal.signal(signal.SIGTERM, previous)


def _validated(model: nn.Module, objective: Objective, epoch: int) -> dict[str, float]:
    model.eval()
    with torch.no_grad():
        scores = objective.validate()
    broken = [name for name, value in scores.items() if not np.isfinite(value)]
    if broken:
        raise InputError(
            f"validation {', '.join(broken)} is not finite after epoch {epoch + 1}; lower the learning rate"
        )
    return scores


def _not_finite(losses: Mapping[str, Tensor], progress: Progress, samples: Sequence[str], what: str) -> str:
    values = ", ".join(f"{name} {float(value):g}" for name, value in losses.items())
    where = f"epoch {progress.epoch + 1}, batch {progress.batch + 1}"
    return (
        f"{what} is not finite in {where} ({values}). Samples of the batch: "
        f"{', '.join(samples)}. Look at their responses and features, or lower the learning rate."
    )


def _told_to_stop(folder: Path) -> int:
    logger.info("told to stop: the state is in %s, the same command continues from it", folder)
    return 128 + signal.SIGTERM
