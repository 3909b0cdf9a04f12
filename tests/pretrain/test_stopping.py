"""The command, stopped from outside: what it says, how it ends, and that the same command goes on."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from neurons.artifacts import TensorFile
from tests.pretrain.test_steps import SETTINGS

LONG = SETTINGS.model_copy(
    update={"optimiser": SETTINGS.optimiser.model_copy(update={"epochs": 40, "checkpoint_every": 1})}
)
TOO_LONG_S = 120


def command(study, folder: Path) -> list[str]:  # type: ignore[no-untyped-def]
    lists = {"image-tokens": study.image_tokens, "text": study.text, "validation-movies": ["seg2", "seg5"]}
    single = {
        "subject": "subject1",
        "variant": "ours",
        "responses": study.responses,
        "settings": LONG.model_dump_json(),
        "device": "cpu",
        "checkpoints": folder / "checkpoints",
        "model": folder / "model.safetensors",
        "log": folder / "training.tsv",
        "summary": folder / "validation.json",
    }
    words = [sys.executable, "-m", "neurons", "pretrain", "fit"]
    for name, value in single.items():
        words += [f"--{name}", str(value)]
    for name, values in lists.items():
        words += [f"--{name}", *map(str, values)]
    return words


def start(words: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(words, text=True, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)


def wait_for_checkpoint(folder: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + TOO_LONG_S
    while not list(folder.glob("checkpoints/step-*")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)


def test_a_pre_empted_job_says_so_and_the_same_command_goes_on(study, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    process = start(command(study, stopped))
    wait_for_checkpoint(stopped, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=TOO_LONG_S)
    assert process.returncode == 128 + signal.SIGTERM
    assert "told to stop: the state is in" in said and "the same command continues from it" in said
    assert not (stopped / "model.safetensors").exists()
    again = subprocess.run(command(study, stopped), text=True, capture_output=True, check=True)
    assert "continuing from" in again.stderr
    subprocess.run(command(study, whole), capture_output=True, check=True)
    hashes = [
        TensorFile(folder / "model.safetensors").metadata["content_hash"] for folder in (stopped, whole)
    ]
    assert hashes[0] == hashes[1]


def test_a_full_disk_is_one_message(study, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """`ulimit -f` (blocks of 1 KiB) stands for the disk: the training log fits, a checkpoint does not."""
    line = f"ulimit -f 8; exec {shlex.join(command(study, tmp_path))}"
    done = subprocess.run(["bash", "-c", line], text=True, capture_output=True, check=False)
    assert done.returncode == 1
    assert "Free space" in done.stderr and "run the same command again" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["training.tsv"]
