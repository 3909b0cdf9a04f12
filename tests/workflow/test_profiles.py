"""Profiles: what they ask for, and jobs through a batch system that is not Slurm."""

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest
import yaml

from tests.workflow.conftest import ROOT

PROFILES = sorted(path.parent.name for path in (ROOT / "workflow/profiles").glob("*/config.yaml"))
# A batch system in five lines: runs the script at once, in the background, and prints an id.
QSUB = """#!/bin/sh
echo "$@" >> {log}
for script; do :; done
sh "$script" > {log}.out 2>&1 &
echo 7.server
"""


def test_there_is_a_profile_for_each_place():
    assert PROFILES == ["default", "pbs", "slurm", "slurm-cpu"]


@pytest.mark.parametrize("name", PROFILES)
def test_profiles_agree_on_what_makes_a_job_run_again(name):
    profile = yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text())
    assert profile["rerun-triggers"] == ["mtime", "params", "input", "code"]
    assert profile["rerun-incomplete"] is True


@pytest.mark.parametrize("name", ["slurm", "slurm-cpu"])
def test_a_profile_names_only_rules_that_exist(name):
    rules = {
        name
        for path in (ROOT / "rules").glob("*.smk")
        for name in re.findall(r"^ *rule (\w+):", path.read_text(), re.M)
    }
    profile = yaml.safe_load((ROOT / f"workflow/profiles/{name}/config.yaml").read_text())
    for key in ("set-resources", "groups", "group-components"):
        assert set(profile.get(key, {})) <= rules


def test_every_rule_whose_step_takes_a_device_asks_for_a_gpu():
    for path in (ROOT / "rules").glob("*.smk"):
        for rule in re.split(r"^ *rule(?: \w+)?:", path.read_text(), flags=re.MULTILINE)[1:]:
            body = rule.partition("rule ")[0]
            takes_a_device = re.search(r"\{params\.(compute|training|place|device)\}", body) is not None
            asks = re.search(r"^ +gpu=", body, flags=re.MULTILINE) is not None
            assert takes_a_device == asks, f"{path.name}: {body[:200]}"


def test_memory_is_asked_for_rules_that_exist(make_workflow):
    workflow = make_workflow()
    changed = workflow.configure({"compute": {"memory_mb": {"pretrain_fitt": 48000}}})
    refused = workflow.snakemake("-n", "--configfile", str(changed), check=False)
    assert refused.returncode != 0
    assert "compute.memory_mb names pretrain_fitt, which is no rule of this study" in refused.stdout


def test_never_more_gpu_jobs_at_once_than_the_profile_allows():
    profile = yaml.safe_load((ROOT / "workflow/profiles/default/config.yaml").read_text())
    assert profile["resources"] == {"gpu": 1}


@pytest.fixture
def batch_system(tmp_path):
    """Variables of the environment with a batch system on the PATH, and where it writes what it was asked for."""
    if importlib.util.find_spec("snakemake_executor_plugin_cluster_generic") is None:
        pytest.skip("the package snakemake-executor-plugin-cluster-generic is not installed")
    log = tmp_path / "qsub.log"
    qsub = tmp_path / "bin" / "qsub"
    qsub.parent.mkdir()
    qsub.write_text(QSUB.format(log=log))
    qsub.chmod(0o755)
    return {"PATH": f"{qsub.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"}, log


PBS = ("--workflow-profile", "workflow/profiles/pbs", "--latency-wait", "5")


def test_jobs_go_through_any_batch_system(make_workflow, batch_system):
    workflow, (environment, log) = make_workflow(), batch_system
    target = "results/simulated/simulate/truth/subject1_vertices.parquet"
    # the second is written once for each part of the movies (embed_images_0, ...)
    memory = workflow.configure({"compute": {"memory_mb": {"simulate_brain": 1700, "embed_images": 24000}}})
    workflow.snakemake(*PBS, "--configfile", str(memory), "--", target, environment=environment)
    assert (workflow.folder / target).is_file()
    assert "-N simulate_brain -l select=1:ncpus=1:mem=1700mb:ngpus=0 -l walltime=30:00" in log.read_text()


def test_a_training_by_several_processes_asks_for_what_they_need(make_workflow, batch_system):
    """The job itself fails at once: its inputs are empty."""
    workflow, (environment, log) = make_workflow(), batch_system
    change = workflow.configure({"compute": {"device": "auto", "processes": 3, "threads": 2}})
    target = "results/simulated/pretrain/ours/subject1/model.safetensors"
    workflow.pretend_finished("--configfile", str(change), "--", target)
    options = (*PBS, "--retries", "0", "--forcerun", "pretrain_fit", "--configfile", str(change))
    workflow.snakemake(*options, "--", target, environment=environment, check=False)
    assert "-N pretrain_fit -l select=1:ncpus=6:mem=12000mb:ngpus=3" in log.read_text()
