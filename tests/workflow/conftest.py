"""A copy of the workflow in a folder of its own, in which Snakemake can be run without touching the checkout."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from neurons.workflow.rerun_changes import small_study

ROOT = Path(__file__).parents[2]
WITH = ("--replace-workflow-config", "--configfile")


@dataclass
class Workflow:
    """The repository's workflow with a folder of its own for results."""

    folder: Path

    def snakemake(
        self,
        *arguments: str,
        check: bool = True,
        timeout: float = 1800,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `snakemake` with the default profile; standard error is joined to standard output."""
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            **(environment or {}),
        }
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}")
        return done

    def pretend_finished(self, *options: str) -> None:
        """Let every output of a configuration exist, recorded as made with it."""
        for line in self.snakemake("--summary", *options).stdout.splitlines():
            if line.startswith("results/"):
                path = self.folder / line.split("\t")[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                # the outputs without an ending are folders
                _ = path.touch() if path.suffix else path.mkdir(exist_ok=True)
        self.snakemake("--touch", "--forceall", "--cores", "1", *options)

    def configure(self, change: dict[str, object]) -> Path:
        """Write the default configuration with `change` merged into it; its path."""
        values = merge(yaml.safe_load((ROOT / "config/config.yaml").read_text()), change)
        path = self.folder / "config" / "changed.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs per rule that a dry run announces."""
        text = self.snakemake("-n", "--quiet", "host", *arguments).stdout
        if "Nothing to be done" in text:
            return {}
        table = text[text.index("Job stats:") :]
        rows = re.findall(r"^(\w+)\s+(\d+)$", table, flags=re.MULTILINE)
        return {rule: int(count) for rule, count in rows if rule != "total"}


def merge(base: dict, change: dict) -> dict:
    """`base` with `change` put in, dictionary by dictionary."""
    merged = dict(base)
    for key, value in change.items():
        merged[key] = (
            merge(merged[key], value)
            if isinstance(value, dict) and isinstance(merged.get(key), dict)
            else value
        )
    return merged


@pytest.fixture(scope="session")
def harness() -> ModuleType:
    """The program that kills and resumes."""
    return benchmark("kill_and_resume")


@pytest.fixture(scope="session")
def calm(harness, tmp_path_factory) -> Path:
    """A finished, undisturbed run of the tiny study."""
    folder = tmp_path_factory.mktemp("whole") / "calm"
    harness.prepare(folder)
    harness.finish(folder)
    return folder


@pytest.fixture
def make_workflow(tmp_path_factory) -> Callable[[], Workflow]:
    """A function that makes a fresh `Workflow`."""

    def make() -> Workflow:
        return new_workflow(tmp_path_factory.mktemp("workflow"))

    return make


def new_workflow(folder: Path) -> Workflow:
    """The workflow with its default configuration in an empty folder."""
    for name in ("neurons", "resources"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("workflow", "rules", "envs", "config"):
        copy_tree(ROOT / name, folder / name)
    return Workflow(folder)


@pytest.fixture(scope="session")
def small_finished(tmp_path_factory) -> tuple[Workflow, dict]:
    """A small study all of whose outputs exist, recorded as made with its configuration; and this configuration."""
    folder = tmp_path_factory.mktemp("small")
    base = small_study(folder, yaml.safe_load((ROOT / "config/config.yaml").read_text()))
    (folder / "base.yaml").write_text(yaml.safe_dump(base))
    workflow = Workflow(folder)
    workflow.pretend_finished(*WITH, "base.yaml")
    return workflow, base


def benchmark(name: str) -> ModuleType:
    """The program `name` of the folder benchmarks."""
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, ROOT / f"benchmarks/{name}.py")
        assert specification is not None and specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        specification.loader.exec_module(module)
    return sys.modules[name]


def copy_tree(source: Path, target: Path) -> None:
    """Copy the files of a folder, keeping their times (Snakemake compares them)."""
    import shutil

    shutil.copytree(source, target, copy_function=shutil.copy2)
