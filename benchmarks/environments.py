"""Build each environment of `envs/` for real, in a clean virtual environment, and load every step in it.

    python benchmarks/environments.py

What conda would do after it has put Python in place: pip installs the pinned packages. Downloads PyTorch.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from cyclopts import run

from neurons.cli import STEPS
from neurons.workflow.environments import modules_of_rules

ROOT = Path(__file__).parents[1]


def build(folder: Path, packages: list[str]) -> Path:
    """A clean virtual environment with `packages`; its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    subprocess.run([python, "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)
    return python


def load_steps(python: Path, stages: list[str]) -> int:
    """Import the modules of all steps that rules call; how many."""
    modules = [module for stage in stages for module in modules_of_rules(stage, ROOT / "rules")]
    code = f"import importlib\nfor name in {['neurons.cli', *modules]!r}: importlib.import_module(name)"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
    subprocess.run([python, "-c", code], env=environment, check=True)
    return len(modules)


def main() -> None:
    """Print a line per environment."""
    texts: dict[str, list[str]] = {}
    for stage in STEPS:
        texts.setdefault((ROOT / "envs" / f"{stage}.yaml").read_text(), []).append(stage)
    for text, stages in texts.items():
        (packages,) = [
            entry["pip"] for entry in yaml.safe_load(text)["dependencies"] if isinstance(entry, dict)
        ]
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as name:
            loaded = load_steps(build(Path(name), packages), stages)
        seconds = time.monotonic() - start
        print(
            f"{', '.join(stages)}: {len(packages)} pins resolve, {loaded} modules load, {seconds:.0f} s",
            flush=True,
        )


if __name__ == "__main__":
    run(main)
