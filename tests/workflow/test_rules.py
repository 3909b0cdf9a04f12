"""The house: a stage has one name everywhere, and each rule gives its step exactly the step's parameters."""

import importlib
import inspect
import re

import pytest
import yaml

from neurons.cli import STEPS
from tests.workflow.conftest import ROOT

CALLED_BY_HAND = {
    ("simulate", "run_table"),
    ("pretrain", "import_checkpoint"),
    ("reconstruct", "import_unclip"),
    ("reconstruct", "clip"),
    ("reconstruct", "run"),
    ("reconstruct", "plan"),
    ("preprocess", "unpack_cc2017"),
    ("preprocess", "index_cc2017"),
    ("preprocess", "index_bids"),
    ("preprocess", "index_released"),
    ("preprocess", "released_captions"),
    ("annotate", "released_masks"),
    ("simulate", "bids"),
    ("simulate", "released"),
    ("evaluate", "videos"),
}
# Options that a rule gives only if there is something to give, by the name of the parameter that holds them.
GIVEN_BY_PARAMETERS = {
    "{params.compute}": {"device", "precision", "threads"},
    "{params.training}": {"device", "precision", "threads", "processes"},
    "{params.memory}": {"low_memory"},
    "{params.place}": {"device", "threads"},
    "{params.tasks}": {"decoded", "table"},
    "{params.decoded}": {"decoded"},
    "{params.published}": {"published"},
    "{params.sources}": {"folder", "descriptions", "masks"},
    "{params.confounds}": {"confounds"},
    "{params.tail}": {"tail_s"},
    "{params.test_runs}": {"test_runs"},
    "{params.left_out}": {"left_out"},
    "{params.start}": {"start"},
    "{params.mask}": {"mask"},
    "{params.derived}": {"ablations", "learning_curves"},
    "{params.cortex}": {
        "cortex_summaries",
        "cortex_tables",
        "cortex_agreements",
        "cortex_pictures",
        "cortex_views",
    },
}
RULES = {path.stem: path.read_text() for path in (ROOT / "rules").glob("*.smk")}


def steps():
    return [
        (stage, module, step)
        for stage, modules in STEPS.items()
        for module, names in modules.items()
        for step in names
        if (stage, step) not in CALLED_BY_HAND and "miniatures" not in module
    ]


def shell_line(stage: str, step: str) -> str:
    text = re.sub(r'"\s*\n\s*"', "", RULES[stage])
    found = re.findall(rf"python -m neurons {stage} {step.replace('_', '-')} ([^\"]*)", text)
    assert len(found) == 1, f"{stage} {step} is called by {len(found)} rules"
    return found[0]


def test_a_stage_has_one_name_everywhere():
    for stage in STEPS:
        assert stage in RULES
        assert (ROOT / "envs" / f"{stage}.yaml").is_file()
        assert (ROOT / "neurons" / stage / "__init__.py").is_file()
        assert (ROOT / "tests" / stage).is_dir()


@pytest.mark.parametrize(
    ("stage", "module", "step"), steps(), ids=lambda value: str(value).rpartition(".")[2]
)
def test_a_rule_gives_its_step_exactly_its_parameters(stage, module, step):
    function = getattr(importlib.import_module(module), step)
    line = shell_line(stage, step)
    given = {name.replace("-", "_") for name in re.findall(r"--([a-z][a-z0-9-]*)", line)}
    for placeholder, names in GIVEN_BY_PARAMETERS.items():
        if placeholder in line:
            given |= names
    assert given == set(inspect.signature(function).parameters)


@pytest.mark.parametrize("stage", STEPS)
def test_every_rule_is_complete(stage):
    rules = re.split(r"^ *rule(?: \w+)?:", RULES[stage], flags=re.MULTILINE)[1:]
    assert rules
    for rule in rules:
        sections = set(re.findall(r"^ +(\w+):$|^ +(threads): ", rule, flags=re.MULTILINE))
        names = {name for pair in sections for name in pair if name}
        assert names >= {
            "message",
            "input",
            "output",
            "log",
            "benchmark",
            "threads",
            "resources",
            "conda",
            "shell",
        }
        assert "mem_mb" in rule and "runtime" in rule
        assert f'"../envs/{stage}.yaml"' in rule


@pytest.mark.parametrize("stage", STEPS)
def test_environments_are_pinned(stage):
    environment = yaml.safe_load((ROOT / "envs" / f"{stage}.yaml").read_text())
    pins = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if match := re.match(r"([a-z0-9-]+)==(\S+)", line):
            pins[match[1]] = match[2]
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    for requirement in pip:
        name, _, version = requirement.partition("==")
        assert pins[name.replace("_", "-")] == version, f"{requirement} differs from requirements.lock"
