"""Write the conda environments of the stages, and the Dockerfile that holds them.

``python -m neurons.workflow.environments`` rewrites ``envs/<stage>.yaml`` from what the stage's steps import and from the
versions in ``requirements.lock``, and ``Dockerfile`` with ``snakemake --containerize``. Stages share what they can: those
that need PyTorch have one environment, the others a small one (files of equal content are one environment to Snakemake).
Conda gives Python; the packages come from PyPI in the very versions that the tests run with.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

from neurons.artifacts import InputError
from neurons.cli import STEPS
from neurons.workflow.imports import closure

ENVIRONMENTS, LOCK, DOCKERFILE = Path("envs"), Path("requirements.lock"), Path("Dockerfile")
COMMAND_LINE = ("neurons.__main__", "neurons.workflow.status")
RULES = Path("rules")
# What is needed without being imported by our own text: torchvision by the image processors of transformers.
UNSEEN = {"torch": ("accelerate", "torchvision")}
# `conda` is asked for its version and channel settings only.
CONDA = """#!/bin/sh
case "$1" in
  --version) echo "conda 25.1.1" ;;
  info) echo '{"conda_prefix": "/opt/conda", "platform": "linux-64", "root_prefix": "/opt/conda"}' ;;
  config) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""


def modules_of_rules(stage: str, rules: Path = RULES) -> list[str]:
    """Modules of a stage with a step that a rule calls; other steps are called by hand, in no environment of its own."""
    called = set(re.findall(r"python -m neurons (\S+) (\S+)", (rules / f"{stage}.smk").read_text()))
    steps = {step.replace("-", "_") for name, step in called if name == stage}
    return [module for module, names in STEPS[stage].items() if steps & set(names)]


def imports_of(stage: str) -> set[str]:
    """Top-level names from outside that the steps of a stage's rules import, with those of the command line."""
    found: set[str] = set()
    for module in (*modules_of_rules(stage), *COMMAND_LINE):
        found.update(*closure(module).values())
    return found - {"snakemake"}


def packages_of(names: set[str]) -> set[str]:
    """Packages, by their name on PyPI, that give the importable `names`.

    Raises
    ------
    InputError
        Naming the imports that no installed package gives.
    """
    known = _installed()
    unknown = sorted(names - set(known))
    if unknown:
        raise InputError(
            f"no installed package gives the imports {', '.join(unknown)}: install it, then rerun"
        )
    wanted = {known[name][0] for name in names}
    return {_plain(name) for name in wanted.union(*(UNSEEN.get(name, ()) for name in wanted))}


@functools.cache
def _installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def pins() -> dict[str, str]:
    """Versions in ``requirements.lock``, by package."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK.read_text(), flags=re.MULTILINE))


def environment_texts() -> dict[str, str]:
    """Content of each environment file, by stage.

    Raises
    ------
    InputError
        If a package is not in the lock file.
    """
    needed = {stage: packages_of(imports_of(stage)) for stage in STEPS}
    versions = {_plain(name): version for name, version in pins().items()}
    texts = {}
    for stage in STEPS:
        heavy = "torch" in needed[stage]
        shared = set().union(*(names for names in needed.values() if ("torch" in names) == heavy))
        missing = sorted(shared - set(versions))
        if missing:
            raise InputError(
                f"{LOCK} lacks {', '.join(missing)}: add it to pyproject.toml and run `make lock`"
            )
        listed = [f"{name}=={versions[name]}" for name in sorted(shared)]
        python = f"python={sys.version_info.major}.{sys.version_info.minor}"
        texts[stage] = yaml.safe_dump(
            {"channels": ["conda-forge", "nodefaults"], "dependencies": [python, "pip", {"pip": listed}]},
            sort_keys=False,
        )
    return texts


def dockerfile_text() -> str:
    """The Dockerfile that `snakemake --containerize` gives for the environment files."""
    with tempfile.TemporaryDirectory() as folder:
        conda = Path(folder) / "conda"
        conda.write_text(CONDA)
        conda.chmod(0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        command = [sys.executable, "-m", "snakemake", "--containerize"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"snakemake --containerize failed:\n{done.stderr}")
    return done.stdout


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Rewrite the environment files and the Dockerfile."""
    for stage, text in environment_texts().items():
        (ENVIRONMENTS / f"{stage}.yaml").write_text(text)
    DOCKERFILE.write_text(dockerfile_text())


if __name__ == "__main__":
    main()
