"""The jobs that Snakemake plans for a configuration, without running any."""

from __future__ import annotations

import contextlib
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.settings.enums import Quietness
from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings


@dataclass(frozen=True)
class Plan:
    """Jobs by their outputs.

    Attributes
    ----------
    jobs
        What makes a job run again when it changes: parameters, command, set of inputs.
    rules
        Name of the rule, in the order of the workflow; numbered rules (`embed_images_0`) without their number.
    followers
        Jobs that need an output of the job.
    commands
        Shell command of the job, as it would be run.
    """

    jobs: dict[str, str]
    rules: dict[str, str]
    followers: dict[str, frozenset[str]]
    commands: dict[str, str]


def plan(config: dict[str, Any], folder: Path) -> Plan:
    """Plan the workflow in `folder` (which holds its files) with a whole configuration.

    Raises
    ------
    Exception
        Whatever Snakemake raises if the jobs cannot be planned.
    """
    here = Path.cwd()
    quiet = OutputSettings(quiet={Quietness.ALL})
    try:
        with contextlib.redirect_stderr(io.StringIO()), SnakemakeApi(quiet) as api:
            workflow_api = api.workflow(
                resource_settings=ResourceSettings(cores=1),
                config_settings=ConfigSettings(config=config, replace_workflow_config=True),
                snakefile=folder / "workflow/Snakefile",
                workdir=folder,
            )
            workflow_api.dag(DAGSettings())
            # The public interface runs or prints a plan but does not hand it out.
            workflow = workflow_api._workflow
            workflow._prepare_dag(forceall=True, ignore_incomplete=True, lock_warn_only=True)
            workflow._build_dag()
            return _read(workflow)
    finally:
        os.chdir(here)


def _read(workflow: Any) -> Plan:
    order = {rule.name: position for position, rule in enumerate(workflow.rules)}
    jobs = sorted(workflow.dag.jobs, key=lambda job: (order[job.rule.name], str(job.output)))
    named = {job: " ".join(map(str, job.output)) or job.rule.name for job in jobs}
    facts = {
        named[job]: repr(
            (sorted(map(str, job.params.items())), job.rule.shellcmd, sorted(map(str, job.input)))
        )
        for job in jobs
    }
    rules = {named[job]: re.sub(r"_\d+$", "", job.rule.name) for job in jobs}
    followers = {
        named[job]: frozenset(named[other] for other in workflow.dag.depending[job] if other in named)
        for job in jobs
    }
    commands = {named[job]: job.shellcmd or "" for job in jobs}
    return Plan(facts, rules, followers, commands)
