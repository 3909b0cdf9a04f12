"""Environments: few, written from the imports, and enough for the steps that run in them."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from neurons.cli import STEPS
from neurons.workflow import environments
from tests.workflow import local_conda
from tests.workflow.conftest import ROOT


def pinned(stage: str) -> dict[str, str]:
    text = (ROOT / "envs" / f"{stage}.yaml").read_text()
    (pip,) = [entry["pip"] for entry in yaml.safe_load(text)["dependencies"] if isinstance(entry, dict)]
    return dict(line.split("==") for line in pip)


def test_files_are_as_the_command_writes_them(monkeypatch):
    monkeypatch.chdir(ROOT)
    for stage, text in environments.environment_texts().items():
        assert (ROOT / "envs" / f"{stage}.yaml").read_text() == text, f"run `make docs` (envs/{stage}.yaml)"


def test_dockerfile_is_as_the_command_writes_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert (ROOT / "Dockerfile").read_text() == environments.dockerfile_text(), "run `make docs`"


def test_environments_are_few():
    contents = {(ROOT / "envs" / f"{stage}.yaml").read_text() for stage in STEPS}
    assert len(contents) <= 2


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(names: set[str]) -> set[str]:
    """Names of installed packages that installing `names` brings, from the packages' own metadata."""
    found: set[str] = set()
    waiting = [(name, frozenset()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for line in importlib.metadata.requires(name) or []:
            requirement = Requirement(line)
            marker = requirement.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((plain(requirement.name), frozenset(requirement.extras)))
    return found


def linked_environment(folder: Path, names: set[str]) -> Path:
    """A virtual environment that holds the packages `names`, linked from the ones installed here; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in names:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a dependency for another platform
        for file in distribution.files or []:
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def interpreters(tmp_path_factory):
    """Python of a linked environment, by the content of the environment file."""
    made: dict[str, Path] = {}
    for stage in STEPS:
        text = (ROOT / "envs" / f"{stage}.yaml").read_text()
        if text not in made:
            folder = tmp_path_factory.mktemp("environment")
            made[text] = linked_environment(folder, with_dependencies(set(pinned(stage))))
    return made


def test_the_steps_of_a_stage_load_in_its_environment_alone(interpreters):
    """All modules of all steps that a rule calls, in the environment of their stage."""
    for text, python in interpreters.items():
        stages = [stage for stage in STEPS if (ROOT / "envs" / f"{stage}.yaml").read_text() == text]
        modules = [
            module for stage in stages for module in environments.modules_of_rules(stage, ROOT / "rules")
        ]
        code = f"import importlib\nfor name in {['neurons.cli', *modules]!r}: importlib.import_module(name)"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
        done = subprocess.run(
            [python, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{stages}: {done.stderr}"


def test_an_environment_hides_what_it_does_not_list(interpreters):
    """The control of the test above: the small environment really has no PyTorch, and no Snakemake."""
    python = interpreters[(ROOT / "envs" / "simulate.yaml").read_text()]
    for name in ("torch", "snakemake"):
        done = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True, check=False)
        assert "ModuleNotFoundError" in done.stderr


@pytest.mark.slow
def test_sdm_conda_makes_the_environment_and_runs_a_rule_in_it(make_workflow, tmp_path):
    if importlib.util.find_spec("rattler") is None:
        pytest.skip("needs py-rattler, which stands in for conda (pip install py-rattler)")
    programs = local_conda.make(tmp_path)
    workflow = make_workflow()
    path = workflow.configure({"simulate": {"train_movie_s": 8, "test_movie_s": 8}})
    environment = {
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "LOCAL_CHANNEL": str(tmp_path / "channel"),
        "LOCAL_CONDA": str(programs.parent),
        "HOME": str(tmp_path),
    }
    target = "results/simulated/simulate/truth/seg1_scenes.parquet"
    done = workflow.snakemake(
        "--sdm", "conda", "--cores", "1", "--configfile", str(path), "--", target, environment=environment
    )
    assert (workflow.folder / target).is_file(), done.stdout
    (made,) = (workflow.folder / ".snakemake/conda").glob("*_")
    packages = {
        plain(folder.name.split("-")[0]) for folder in made.glob("lib/python*/site-packages/*.dist-info")
    }
    assert {plain(name) for name in pinned("simulate")} <= packages
    assert "snakemake" not in packages and "torch" not in packages
