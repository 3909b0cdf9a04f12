"""GPUs of one machine: never two jobs on one card, however jobs end."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from itertools import pairwise
from pathlib import Path

import pytest

from neurons.workflow import cards

ROOT = Path(__file__).parents[2]
HOLD = textwrap.dedent(
    """
    import os, sys, time
    from neurons.workflow.cards import claim_cards
    card = ",".join(claim_cards(int(sys.argv[3])))
    with open(sys.argv[1], "a") as log:
        start = time.monotonic()
        time.sleep(float(sys.argv[2]))
        log.write(f"{card} {os.environ['CUDA_VISIBLE_DEVICES']} {start} {time.monotonic()}\\n")
    """
)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose driver lists three cards."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\nprintf 'GPU-a\\nGPU-b\\nGPU-c\\n'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return tmp_path


def start(log: Path, seconds: float, count: int = 1) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", HOLD, str(log), str(seconds), str(count)])


def test_many_processes_never_share_a_card(machine):
    log = machine / "log"
    processes = [start(log, 0.3) for _ in range(12)]
    assert [process.wait() for process in processes] == [0] * 12
    rows = [line.split() for line in log.read_text().splitlines()]
    assert len(rows) == 12
    assert all(card == visible for card, visible, _, _ in rows)
    for card in ("GPU-a", "GPU-b", "GPU-c"):
        held = sorted((float(begin), float(end)) for name, _, begin, end in rows if name == card)
        assert held, f"{card} was never used"
        assert all(end <= begin for (_, end), (begin, _) in pairwise(held))


def test_jobs_of_several_cards_neither_share_nor_block_each_other(machine):
    """Of three cards two such jobs could hold one and a half each, and wait for ever."""
    log = machine / "log"
    processes = [start(log, 0.2, count) for count in (2, 2, 1, 2, 3)]
    assert [process.wait(timeout=60) for process in processes] == [0] * 5
    rows = [line.split() for line in log.read_text().splitlines()]
    assert sorted(len(taken.split(",")) for taken, *_ in rows) == [1, 2, 2, 2, 3]
    for card in ("GPU-a", "GPU-b", "GPU-c"):
        held = sorted((float(begin), float(end)) for names, _, begin, end in rows if card in names.split(","))
        assert all(end <= begin for (_, end), (begin, _) in pairwise(held))


def test_one_of_several_processes_claims_none(machine, monkeypatch):
    """The command that started them has claimed a card for each."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-c")
    assert cards.claim_cards() == []
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "GPU-a,GPU-c"


def test_a_killed_job_gives_its_card_back(machine, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    log = machine / "log"
    holder = start(machine / "unused", 60)
    lock = next(iter(wait_for(machine.glob, "neurons-cards-*/GPU-b.lock")))
    assert lock.name == "GPU-b.lock"
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert start(log, 0).wait(timeout=20) == 0
    assert log.read_text().startswith("GPU-b GPU-b")


def wait_for(find, *arguments):
    for _ in range(200):
        if found := list(find(*arguments)):
            return found
        time.sleep(0.05)
    raise AssertionError("nothing came")


def test_only_visible_cards_are_used(machine, monkeypatch):
    assert cards.cards() == ["GPU-a", "GPU-b", "GPU-c"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-a")
    assert cards.cards() == ["GPU-c", "GPU-a"]
    for hidden in ("", "-1"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
        assert cards.cards() == []


def test_without_a_driver_or_under_slurm_nothing_is_claimed(machine, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert cards.claim_cards() == []
    monkeypatch.delenv("SLURM_JOB_ID")
    monkeypatch.setenv("PATH", str(machine))
    assert cards.cards() == []
    assert cards.claim_cards() == []
