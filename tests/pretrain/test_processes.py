"""Two processes train the brain model that one trains: the command, its log, and the ways it ends."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import torch

from neurons.artifacts import InputError, TensorFile, read_table
from neurons.parallel import join
from neurons.pretrain.checks import check_batch_size
from neurons.pretrain.settings import Pretrain
from neurons.sections import Optimiser
from tests.pretrain.test_steps import run
from tests.pretrain.test_stopping import TOO_LONG_S, command, start, wait_for_checkpoint

# 192 pairs in 13 batches: some of 14 and some of 15, so that the shares of two processes differ.
SETTINGS = Pretrain(
    ridge="trained",
    hidden_width=16,
    blocks=1,
    dropout=0.0,
    window_tr=[0],
    mixco_temperature=0.05,
    optimiser=Optimiser(epochs=3, batch_size=15, learning_rate=1e-2, checkpoint_every=1),
)


def by_two(study, folder: Path) -> list[str]:  # type: ignore[no-untyped-def]
    words = command(study, folder)
    words[words.index("--settings") + 1] = SETTINGS.model_dump_json()
    return [*words, "--processes", "2"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    file = TensorFile(folder / "model.safetensors")
    return {name: torch.from_numpy(file[name].copy()) for name in file.names}


@pytest.fixture(scope="module")
def one(study, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("one")
    run(study, folder, SETTINGS)
    return folder


def assert_same(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    for name, value in first.items():
        assert torch.dist(value, second[name]) <= 1e-5 * value.norm(), name
    logs = [read_table(folder / "training.tsv") for folder in (one, other)]
    pd.testing.assert_frame_equal(*logs, rtol=1e-5)


def test_two_processes_give_what_one_gives(study, one: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = subprocess.run(by_two(study, tmp_path), check=True, text=True, capture_output=True)
    assert_same(one, tmp_path)
    assert "starting 2 processes" in done.stderr
    assert done.stderr.count("3 of 3 epochs") == 1


def test_stopped_processes_leave_a_checkpoint_that_one_process_continues_from(
    study,  # type: ignore[no-untyped-def]
    one: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    process = start(by_two(study, tmp_path))
    wait_for_checkpoint(tmp_path, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=TOO_LONG_S)
    assert process.returncode == 128 + signal.SIGTERM
    assert said.count("told to stop: the state is in") == 1 and "Traceback" not in said
    with caplog.at_level("INFO", "neurons"):
        run(study, tmp_path, SETTINGS)
    assert "continuing from" in caplog.text
    assert_same(one, tmp_path)


def test_a_process_without_a_pair_is_refused() -> None:
    check_batch_size(16, 161, "pretrain.optimiser.batch_size", processes=14)
    with pytest.raises(InputError, match="some batches have only 14; choose at most 14, or larger"):
        check_batch_size(16, 161, "pretrain.optimiser.batch_size", processes=15)


def test_processes_that_were_not_started_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"2 processes are to train .* but 1 were started"):
        join(2, torch.device("cpu"))
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"1 processes are to train .* but 2 were started"):
        join(1, torch.device("cpu"))
    with pytest.raises(InputError, match="need a GPU each, but device cuda:0 has 1"):
        join(2, torch.device("cuda:0"))
