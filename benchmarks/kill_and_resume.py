"""Kill the workflow at random moments, start it again, and compare every artifact with an undisturbed run.

    python benchmarks/kill_and_resume.py --kills 12

Each kill is a SIGKILL to Snakemake and all its jobs. Two of the kills wait for a training to have written a
checkpoint, so that both trainings are hit in the middle. The runs use `tests/workflow/tiny.yaml`.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cyclopts import run

ROOT = Path(__file__).parents[1]
TRAININGS = ("pretrain", "decouple")
NOT_ARTIFACTS = ("logs", "benchmarks")


def prepare(folder: Path) -> None:
    """A folder with the workflow, the tiny configuration and its run table."""
    folder.mkdir(parents=True)
    for name in ("neurons", "resources"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("workflow", "rules", "envs", "config"):
        shutil.copytree(ROOT / name, folder / name)
    shutil.copy(ROOT / "tests/workflow/tiny.yaml", folder / "config/config.yaml")
    counts = ("--train-movies", "4", "--test-movies", "1", "--train-repeats", "2", "--test-repeats", "2")
    subjects = '{"subjects": {"subject1": {"signal": 0.0}}}'
    command = ("simulate", "run-table", "--settings", subjects, *counts, "--output", "config/runs/tiny.tsv")
    subprocess.run([sys.executable, "-m", "neurons", *command], cwd=folder, env=environment(), check=True)


def environment() -> dict[str, str]:
    """The environment of all runs: this interpreter first, one thread."""
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }


def command(*extra: str) -> list[str]:
    """The Snakemake command of all runs."""
    return [sys.executable, "-m", "snakemake", *extra]


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the workflow in a process group of its own."""
    log = (folder / "snakemake.log").open("ab")
    return subprocess.Popen(
        command("--cores", "2"), cwd=folder, env=environment(), stdout=log, stderr=log, start_new_session=True
    )


def finish(folder: Path) -> None:
    """Run the workflow to its end."""
    process = start(folder)
    if process.wait():
        raise SystemExit((folder / "snakemake.log").read_text()[-5000:])


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL to Snakemake and every process that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def wait_for_checkpoint(folder: Path, training: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until `training` has written a checkpoint; False if the run ended first."""
    while process.poll() is None:
        if any(folder.glob(f"results/tiny/{training}/*/*/checkpoints/step-*")):
            return True
        time.sleep(0.02)
    return False


def artifacts(folder: Path) -> dict[str, str]:
    """Hash of every artifact by its path."""
    results = folder / "results"
    files = (path for path in sorted(results.rglob("*")) if path.is_file())
    named = ((path.relative_to(results), path) for path in files)
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in named
        if name.parts[1] not in NOT_ARTIFACTS
    }


def disturb(folder: Path, kills: int, seed: int, longest_s: float) -> dict[str, int]:
    """Run with `kills` kills, then to the end; how many kills hit what."""
    moments = random.Random(seed)
    hit = {"anywhere": 0, **dict.fromkeys(TRAININGS, 0)}
    waiting = list(TRAININGS)
    while sum(hit.values()) < kills:
        process = start(folder)
        # Trainings are waited for once half of the kills are spent, so that there is work left to hit before them.
        target = waiting[0] if waiting and sum(hit.values()) >= kills // 2 else None
        if target and wait_for_checkpoint(folder, target, process):
            time.sleep(moments.uniform(0.0, 0.3))
            hit[target] += 1
            waiting.remove(target)
        else:
            time.sleep(moments.uniform(3.0, longest_s))
            hit["anywhere"] += process.poll() is None
        if process.poll() is not None:
            break
        kill(process)
        subprocess.run(command("--unlock"), cwd=folder, env=environment(), check=True, capture_output=True)
    finish(folder)
    return hit


def main(*, kills: int = 12, seed: int = 0, longest_s: float = 25.0) -> None:
    """Compare an undisturbed run with a disturbed one.

    Parameters
    ----------
    kills
        How often the disturbed run is killed.
    seed
        Seed of the moments.
    longest_s
        Longest time between a start and its kill, in s.
    """
    with tempfile.TemporaryDirectory() as name:
        calm, disturbed = Path(name) / "calm", Path(name) / "disturbed"
        for folder in (calm, disturbed):
            prepare(folder)
        finish(calm)
        hit = disturb(disturbed, kills, seed, longest_s)
        expected, found = artifacts(calm), artifacts(disturbed)
    different = sorted(
        path for path in expected.keys() | found.keys() if expected.get(path) != found.get(path)
    )
    print(f"kills: {sum(hit.values())} ({', '.join(f'{name} {count}' for name, count in hit.items())})")
    print(f"artifacts: {len(expected)}, different: {len(different)}")
    for path in different:
        print(f"  {path}")
    if different:
        raise SystemExit(1)


if __name__ == "__main__":
    run(main)
