"""AdamW with moments in 8 bits: it learns, its state is as small as said, and a stopped run continues to the same bits."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neurons.artifacts import InputError
from neurons.decouple.parameters import BYTES_OF_8BIT
from neurons.optimisers import new_optimiser, parameter_groups
from neurons.sections import Optimiser
from tests.training.test_training import Killed, Regression, assert_same_run, kill_at

WIDE = 512
SETTINGS = {"epochs": 6, "batch_size": 4, "learning_rate": 3e-3, "weight_decay": 0.1, "checkpoint_every": 2}


def new_model() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Linear(5, WIDE), nn.GELU(), nn.Dropout(0.3), nn.Linear(WIDE, 16), nn.Linear(16, 2)
    )


def run(folder: Path, on_step=lambda step: None, state: str = "8bit"):  # type: ignore[no-untyped-def]
    from neurons.training import train

    model = new_model()
    settings = Optimiser(**SETTINGS, state=state)  # type: ignore[arg-type]
    history = train(
        model, Regression(model, on_step), settings, parameter_groups(model, {"": 0.1}), seed=7,
        device=torch.device("cpu"), dtype=torch.float32, folder=folder, fingerprint="a",
    )  # fmt: skip
    return model, history


@pytest.fixture(scope="module")
def library() -> None:
    pytest.importorskip("bitsandbytes", reason="needs the extra `low-memory` (the package bitsandbytes)")


@pytest.mark.usefixtures("library")
def test_a_training_falls_nearly_as_with_32_bits(tmp_path: Path) -> None:
    losses = {
        state: run(tmp_path / state, state=state)[1]["validation_score"].to_numpy()
        for state in ("32bit", "8bit")
    }
    assert losses["8bit"][-1] < 0.25 * losses["8bit"][0]
    assert not np.array_equal(losses["8bit"], losses["32bit"])
    np.testing.assert_allclose(losses["8bit"], losses["32bit"], rtol=0.1)


@pytest.mark.usefixtures("library")
def test_the_state_is_a_quarter(tmp_path: Path) -> None:
    weight = nn.Parameter(torch.randn(64, 1024))
    optimiser = new_optimiser([{"params": [weight]}], Optimiser(**SETTINGS, state="8bit"))  # type: ignore[arg-type]
    weight.grad = torch.randn_like(weight)
    optimiser.step()
    state = {key: value for key, value in optimiser.state[weight].items() if isinstance(value, Tensor)}
    shared = {"qmap1", "qmap2"}  # of all weights: the 256 values that 8 bits stand for
    size = sum(value.nbytes for key, value in state.items() if key not in shared)
    assert size == 2 * BYTES_OF_8BIT * weight.numel()
    assert {key: len(state[key]) for key in shared} == {"qmap1": 256, "qmap2": 256}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize("step", [13, 24])
def test_a_killed_run_continues_to_the_same_bits(tmp_path: Path, step: int) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "killed", kill_at(step))
    assert_same_run(run(tmp_path / "killed"), run(tmp_path / "whole"))


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(InputError, match=r"optimiser.state is 8bit, which needs the package bitsandbytes"):
        new_optimiser(parameter_groups(new_model(), {"": 0.1}), Optimiser(**SETTINGS, state="8bit"))  # type: ignore[arg-type]
