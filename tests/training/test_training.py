"""The training loop: resuming, choosing the epoch, stopping, and what it refuses."""

from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from neurons.artifacts import InputError, read_table
from neurons.optimisers import parameter_groups
from neurons.sections import Optimiser
from neurons.training import Batch, Progress, epoch_batches, train

SAMPLES = 21
EPOCHS = 6
SETTINGS = Optimiser(epochs=EPOCHS, batch_size=4, learning_rate=1e-2, weight_decay=0.1, checkpoint_every=2)


class Regression:
    """A small regression with dropout, so that every source of randomness matters."""

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
        noisy = batch["inputs"] + 0.1 * torch.randn(batch["inputs"].shape)
        return {"loss": (self.model(noisy) - batch["outputs"]).square().mean()}

    def validate(self) -> dict[str, float]:
        return {"score": float((self.model(self.inputs) - self.outputs).square().mean())}


def new_model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(5, 8), nn.GELU(), nn.Dropout(0.3), nn.Linear(8, 2))


def run(
    folder: Path,
    on_step: Callable[[int], None] = lambda step: None,
    fingerprint: str = "a",
    objective: type[Regression] = Regression,
) -> tuple[nn.Module, pd.DataFrame]:
    model = new_model()
    history = train(
        model,
        objective(model, on_step),
        SETTINGS,
        parameter_groups(model, {"": SETTINGS.weight_decay}),
        seed=7,
        device=torch.device("cpu"),
        dtype=torch.float32,
        folder=folder,
        fingerprint=fingerprint,
    )
    return model, history


def assert_same_run(one: tuple[nn.Module, pd.DataFrame], other: tuple[nn.Module, pd.DataFrame]) -> None:
    for (name, first), second in zip(
        one[0].state_dict().items(), other[0].state_dict().values(), strict=True
    ):
        assert torch.equal(first, second), name
    pd.testing.assert_frame_equal(one[1], other[1], check_exact=True)


class Killed(Exception):
    """Stands for a kill that leaves no time to write anything."""


def kill_at(step: int) -> Callable[[int], None]:
    def on_step(current: int) -> None:
        if current == step:
            raise Killed

    return on_step


def terminate_at(step: int) -> Callable[[int], None]:
    def on_step(current: int) -> None:
        if current == step:
            os.kill(os.getpid(), signal.SIGTERM)

    return on_step


@pytest.mark.parametrize("step", [13, 24, 35])
def test_a_killed_run_continues_to_the_same_bits(tmp_path: Path, step: int) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at(step))
    assert_same_run(run(tmp_path / "killed"), run(tmp_path / "whole"))


@pytest.mark.parametrize("step", [0, 8, 17, 23])
def test_a_terminated_run_continues_from_the_very_step(tmp_path: Path, step: int) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "stopped", terminate_at(step))
    assert stopped.value.code == 128 + signal.SIGTERM
    done: list[int] = []
    continued = run(tmp_path / "stopped", done.append)
    assert len(done) == 6 * EPOCHS - (step + 1)
    assert_same_run(continued, run(tmp_path / "whole"))


def test_the_handler_of_the_signal_is_given_back(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    run(tmp_path)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at(30))
    older, newest = sorted((tmp_path / "killed").glob("*.safetensors"))
    damaged = bytearray(newest.read_bytes())
    damaged[-40] ^= 0xFF
    newest.write_bytes(bytes(damaged))
    done: list[int] = []
    with caplog.at_level("WARNING", "neurons"):
        continued = run(tmp_path / "killed", done.append)
    assert len(done) == 6 * (EPOCHS - 2) and older.name in "step-000000012.safetensors"
    assert newest.name in caplog.text and "damaged" in caplog.text
    assert_same_run(continued, run(tmp_path / "whole"))


def test_a_truncated_only_checkpoint_starts_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Killed):
        run(tmp_path, kill_at(13))
    (only,) = tmp_path.glob("*.safetensors")
    only.write_bytes(only.read_bytes()[:500])
    done: list[int] = []
    with caplog.at_level("WARNING", "neurons"):
        run(tmp_path, done.append)
    assert len(done) == 6 * EPOCHS
    assert only.name in caplog.text


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at(20))
    with caplog.at_level("WARNING", "neurons"):
        restarted = run(tmp_path / "killed", fingerprint="b")
    assert "other settings" in caplog.text
    assert_same_run(restarted, run(tmp_path / "whole", fingerprint="b"))


def test_the_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []

    class Scripted(Regression):
        def validate(self) -> dict[str, float]:
            seen.append({name: value.clone() for name, value in self.model.state_dict().items()})
            return {"score": [5.0, 3.0, 1.0, 2.0, 1.0, 4.0][len(seen) - 1]}

    model, history = run(tmp_path, objective=Scripted)
    assert list(history["best"]) == [1, 1, 1, 0, 0, 0]
    for name, value in model.state_dict().items():
        assert torch.equal(value, seen[2][name])


def test_a_part_that_nothing_depends_on_is_judged_by_its_own_score(tmp_path: Path) -> None:
    seen: list[dict[str, Tensor]] = []

    class Scripted(Regression):
        judged: ClassVar[dict[str, str]] = {"": "score", "3.": "other"}

        def validate(self) -> dict[str, float]:
            seen.append({name: value.clone() for name, value in self.model.state_dict().items()})
            return {"score": [5.0, 3.0, 4.0, 4.0, 4.0, 4.0][len(seen) - 1], "other": -1.0 * len(seen)}

    model, _ = run(tmp_path, objective=Scripted)
    for name, value in model.state_dict().items():
        assert torch.equal(value, seen[5 if name.startswith("3.") else 1][name])


def test_a_loss_that_is_not_finite_names_the_clips(tmp_path: Path) -> None:
    class Broken(Regression):
        def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
            losses = super().loss(batch, progress)
            bad = (batch["inputs"] == self.inputs[5]).all(dim=1).any()
            return {"loss": losses["loss"] * (torch.nan if bad else 1.0)}

    with pytest.raises(InputError, match=r"epoch 1, batch \d.*seg1:5\b"):
        run(tmp_path, objective=Broken)


def test_a_gradient_that_is_not_finite_names_the_clips_and_leaves_the_state_before_it(tmp_path: Path) -> None:
    """The loss itself is finite: without a look at gradients the next batch would be blamed."""

    class Broken(Regression):
        def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
            losses = super().loss(batch, progress)
            bad = (batch["inputs"] == self.inputs[5]).all(dim=1).any() and progress.epoch == 4
            root = (losses["loss"] - losses["loss"].detach()).sqrt() if bad else 0.0
            return {"loss": losses["loss"] + root}

    with pytest.raises(InputError, match=r"a gradient is not finite in epoch 5, batch \d.*seg1:5\b"):
        run(tmp_path, objective=Broken)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == [
        "step-000000012.safetensors",
        "step-000000024.safetensors",
    ]


@pytest.fixture
def file_size_limit() -> Iterator[Callable[[int], None]]:
    """Limits the size of files that this process writes, as a full disk would; lifted afterwards."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_checkpoints_before_and_nothing_half_written(
    tmp_path: Path, file_size_limit: Callable[[int], None]
) -> None:
    with pytest.raises(OSError) as trouble:
        run(tmp_path / "full", lambda step: file_size_limit(1000) if step == 30 else None)
    assert trouble.value.errno == errno.EFBIG
    file_size_limit(resource.RLIM_INFINITY)
    left = sorted(path.name for path in (tmp_path / "full").iterdir())
    assert left == ["step-000000012.safetensors", "step-000000024.safetensors", "training.tsv"]
    assert_same_run(run(tmp_path / "full"), run(tmp_path / "whole"))


def test_past_epochs_can_be_read_while_a_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at(20))
    so_far = read_table(tmp_path / "killed" / "training.tsv")
    _, history = run(tmp_path / "whole")
    pd.testing.assert_frame_equal(so_far, history[:3], check_dtype=False)


def test_a_validation_score_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    class Broken(Regression):
        def validate(self) -> dict[str, float]:
            return {"score": float("nan")}

    with pytest.raises(InputError, match="score is not finite after epoch 1"):
        run(tmp_path, objective=Broken)


def test_training_equals_a_plain_loop_with_the_same_order(tmp_path: Path) -> None:
    """Without randomness in the loss, the loop is AdamW under PyTorch's one-cycle schedule."""

    class Plain(Regression):
        def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
            return {"loss": (self.model(batch["inputs"]) - batch["outputs"]).square().mean()}

        def validate(self) -> dict[str, float]:
            return {"score": -1.0 * self.steps_seen()}

        def steps_seen(self) -> int:
            self.steps += 1
            return self.steps

    from neurons.artifacts import seed_for

    torch.manual_seed(3)
    model = nn.Linear(5, 2)
    reference = nn.Linear(5, 2)
    reference.load_state_dict(model.state_dict())
    objective = Plain(model)
    groups = parameter_groups(model, {"": 0.1})
    train(
        model, objective, SETTINGS, groups, seed=7, device=torch.device("cpu"), dtype=torch.float32,
        folder=tmp_path, fingerprint="a",
    )  # fmt: skip
    optimiser = torch.optim.AdamW(
        [
            {"params": [reference.weight], "weight_decay": 0.1},
            {"params": [reference.bias], "weight_decay": 0.0},
        ],
        lr=1e-2,
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-2, total_steps=6 * EPOCHS + 1)
    for epoch in range(EPOCHS):
        for indices in epoch_batches(SAMPLES, 6, seed_for(7, "order", epoch)):
            optimiser.zero_grad()
            (reference(objective.inputs[indices]) - objective.outputs[indices]).square().mean().backward()
            optimiser.step()
            schedule.step()
    torch.testing.assert_close(model.state_dict(), reference.state_dict())


def test_an_epoch_holds_every_sample_once_in_batches_of_nearly_one_size() -> None:
    parts = epoch_batches(SAMPLES, 6, 1)
    assert sorted(np.concatenate(parts)) == list(range(SAMPLES))
    assert {len(part) for part in parts} == {3, 4}
    assert not np.array_equal(np.concatenate(parts), np.concatenate(epoch_batches(SAMPLES, 6, 2)))


def test_weight_decay_goes_by_the_longest_prefix_and_spares_vectors() -> None:
    model = nn.ModuleDict({"ridge": nn.Linear(3, 4), "other": nn.Linear(4, 4)})
    model["other"].bias.requires_grad_(False)
    groups = {
        group["weight_decay"]: group["params"] for group in parameter_groups(model, {"": 0.1, "ridge.": 5.0})
    }
    assert [id(p) for p in groups[5.0]] == [id(model["ridge"].weight)]
    assert [id(p) for p in groups[0.1]] == [id(model["other"].weight)]
    assert [id(p) for p in groups[0.0]] == [id(model["ridge"].bias)]
