"""What reruns after a change: the generated document is current, and Snakemake's own dry runs agree with it."""

import re

import pytest
import yaml

from neurons.config import Config, fields
from neurons.workflow import reruns
from neurons.workflow.plan import Plan, plan
from neurons.workflow.rerun_changes import Change, key_changes, run_table, study_changes, write_runs
from neurons.workflow.reruns import Consequence, compare, consequences, rows
from tests.workflow.conftest import ROOT, WITH


def test_the_document_is_as_the_command_writes_it(monkeypatch):
    monkeypatch.chdir(ROOT)
    current = reruns.DOCUMENT.read_text()
    assert reruns.document_text(current) == current, "run `make docs`"


def test_every_key_has_a_row():
    document = (ROOT / reruns.DOCUMENT).read_text()
    for name, section in Config.model_fields.items():
        if name != "variants":
            for key, _ in fields(section.annotation, f"{name}."):
                assert f"`{key}`" in document


KEYS = (
    "study.repetition_time_s",
    "simulate.subjects",
    "cut.phase",
    "annotate.mask_size_px",
    "embed.vae.revision",
    "decouple.optimiser.epochs",
    "reconstruct.control.steps",
    "evaluate.references",
    "compute.precision",
)


def dry_run(workflow, *arguments: str) -> set[str]:
    return {re.sub(r"_\d+$", "", rule) for rule in workflow.planned(*arguments)}


@pytest.mark.parametrize("key", KEYS)
def test_a_dry_run_agrees_with_the_table(small_finished, key):
    workflow, base = small_finished
    (change,) = [change for change in key_changes(base) if change.name == key]
    found = consequences([change], base, workflow.folder)[key]
    assert isinstance(found, Consequence)
    (workflow.folder / "changed.yaml").write_text(yaml.safe_dump(change.candidates[0]))
    assert dry_run(workflow, *WITH, "changed.yaml") == {*found.first, *found.then}


def test_without_a_change_nothing_reruns(small_finished):
    workflow, base = small_finished
    assert dry_run(workflow, *WITH, "base.yaml") == set()
    assert consequences([Change("nothing", (base,))], base, workflow.folder)["nothing"] == Consequence((), ())


def test_a_new_subject_runs_only_its_own_jobs_and_what_compares_subjects(small_finished):
    workflow, base = small_finished
    (change,) = [change for change in study_changes(base) if change.name == "one more subject"]
    before = plan(base, workflow.folder)
    write_runs(workflow.folder / base["study"]["runs"], change.runs)
    try:
        after = plan(base, workflow.folder)
        planned = dry_run(workflow, *WITH, "base.yaml")
    finally:
        write_runs(workflow.folder / base["study"]["runs"], run_table())
    found = compare(before, after)
    assert planned == {*found.first, *found.then}
    again = {job for job, facts in after.jobs.items() if before.jobs.get(job) != facts}
    # Per-subject jobs of other subjects are not among them.
    assert not {
        job for job in again if re.search(r"subject[12]/|subject[12]_", job) and "evaluate/figures" not in job
    }
    assert any("subject3" in job for job in again)


def test_compare_follows_what_is_made_from_what_changed():
    rules = {"a": "one", "b": "two", "c": "three", "d": "four"}
    followers = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset(), "d": frozenset()}
    before = Plan({"a": "1", "b": "1", "c": "1", "d": "1"}, rules, followers, {})
    after = Plan({"a": "2", "b": "1", "c": "1", "d": "1"}, rules, followers, {})
    assert compare(before, after) == Consequence(("one",), ("two", "three"))


def test_rows_join_keys_and_name_whole_stages():
    whole, part = Consequence(("cut_clips",), ("embed_a", "embed_b")), Consequence(("embed_a",), ())
    lines = list(rows({"a.x": whole, "a.y": whole, "b.z": part, "c.q": "why"}))
    assert lines[0] == "| `a.x`, `a.y` | cut_clips | **embed** |"
    assert lines[1] == "| `b.z` | embed_a | nothing |"
    assert "not alone" in lines[2]
