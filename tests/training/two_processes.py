"""What one of two processes meets while they train together; writes down what it saw (see test_parallel.py)."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from neurons.artifacts import InputError
from neurons.optimisers import parameter_groups
from neurons.parallel import Group, alike, batch_mean, gather, join, noise_like, own, whole
from neurons.sections import Optimiser
from neurons.training import Batch, Progress, train

SAMPLES = 21
SETTINGS = Optimiser(epochs=3, batch_size=5, learning_rate=1e-2, checkpoint_every=9)
FINGERPRINT = "the same"


class Contrast:
    """A small model, judged against the whole batch and sample by sample, on noisy inputs."""

    judged: ClassVar[dict[str, str]] = {"": "score"}

    def __init__(self, model: nn.Module, on_step: Callable[[int], None] = lambda step: None) -> None:
        generator = torch.Generator().manual_seed(0)
        self.model, self.on_step, self.steps = model, on_step, 0
        self.inputs = torch.randn(SAMPLES, 5, generator=generator)
        self.outputs = self.inputs @ torch.randn(5, 2, generator=generator)
        self.samples = [f"seg1:{i}" for i in range(SAMPLES)]

    def arrange(self, indices: np.ndarray) -> np.ndarray:
        return indices

    def fetch(self, indices: np.ndarray) -> Batch:
        return {"inputs": self.inputs[indices], "outputs": self.outputs[indices]}

    def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        self.on_step(self.steps)
        self.steps += 1
        predicted = self.model(batch["inputs"] + 0.1 * noise_like(batch["inputs"]))
        scores = gather(predicted @ gather(batch["outputs"]).T)
        contrast = nn.functional.cross_entropy(scores, torch.arange(len(scores)))
        error = batch_mean((predicted - batch["outputs"]).square().mean(), len(predicted))
        return {"loss": contrast + error, "contrast": contrast, "error": error}

    def validate(self) -> dict[str, float]:
        return {"score": float((self.model(self.inputs) - self.outputs).square().mean())}


class Unjudged(Contrast):
    """Its validation fails."""

    def validate(self) -> dict[str, float]:
        return {"score": float("nan")}


def new_model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Linear(8, 2))


def trained(model: nn.Module, objective: Contrast, folder: Path, group: Group) -> None:
    train(
        model, objective, SETTINGS, parameter_groups(model, {"": 0.1}), seed=7, device=torch.device("cpu"),
        dtype=torch.float32, folder=folder, fingerprint=FINGERPRINT, group=group,
    )  # fmt: skip


def ending(attempt: Callable[[], None]) -> str:
    """How an attempt at training ends."""
    try:
        attempt()
    except InputError as error:
        return f"InputError: {error}"
    except SystemExit as stop:
        return f"exit {stop.code}"
    return "done"


def broken(group: Group, folder: Path) -> str:
    """The second process alone has a sample that is not finite."""
    model = new_model()
    objective = Contrast(model)
    if not group.is_main:
        objective.inputs[13] = float("nan")
    return ending(lambda: trained(model, objective, folder, group))


def unjudged(group: Group, folder: Path) -> str:
    """The first process, which judges, fails at it."""
    model = new_model()
    return ending(lambda: trained(model, Unjudged(model), folder, group))


def stopped(group: Group, folder: Path) -> str:
    """The second process alone is told to stop, in its seventh step."""
    model = new_model()

    def on_step(step: int) -> None:
        if step == 6 and not group.is_main:
            os.kill(os.getpid(), signal.SIGTERM)

    return ending(lambda: trained(model, Contrast(model, on_step), folder, group))


def numbers(group: Group) -> dict[str, list[float]]:
    """Random numbers and means within a batch of five."""
    torch.manual_seed(11)
    with group.sharing(5, seed=100 + group.rank):
        rows = torch.zeros(3 if group.is_main else 2, 1)
        before, private, after = noise_like(rows), torch.rand(2), noise_like(rows)
        with alike():
            everywhere = torch.rand(2)
        mean = batch_mean(own(torch.arange(5.0)).mean(), len(rows))
        all_rows = gather(own(torch.arange(5.0)))
        size = whole(len(rows))
    found = {
        "before": before,
        "private": private,
        "after": after,
        "everywhere": everywhere,
        "gathered": all_rows,
    }
    return {name: value.flatten().tolist() for name, value in found.items()} | {
        "mean": [float(mean)],
        "whole": [float(size)],
    }


def main(folder: Path) -> None:
    """Go through all of it; the training that reaches its end leaves the group, and is the last."""
    torch.set_num_threads(1)
    group = join(2, torch.device("cpu"))
    seen: dict[str, object] = {"numbers": numbers(group)}
    for case in (broken, unjudged, stopped):
        seen[case.__name__] = case(group, folder / case.__name__)
    model = new_model()
    with torch.no_grad():
        model[0].weight += group.rank  # the first process's weights hold
    seen["whole"] = ending(lambda: trained(model, Contrast(model), folder / "whole", group))
    seen["weights"] = [value.flatten().tolist() for value in model.state_dict().values()]
    (folder / f"{group.rank}.json").write_text(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
