"""``neurons status``: Snakemake's judgement in plain words."""

import io
import subprocess
import sys

import pytest
import yaml
from rich.console import Console

from neurons.artifacts import InputError
from neurons.workflow.status import Output, read_summary, show
from tests.workflow.conftest import ROOT, benchmark

HEADER = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan"


def line(path, rule, state, plan):
    return f"{path}\t-\t{rule}\t-\t{state}\t{plan}"


def test_states_and_plans_become_three_kinds():
    text = "\n".join(
        [
            "Building DAG of jobs...",
            HEADER,
            line("a", "cut_clips", "ok", "no update"),
            line("b", "cut_clips", "missing", "update pending"),
            line("c", "cut_clips", "missing", "no update"),
            line("d", "embed_images_0", "params changed", "update pending"),
            line("e", "embed_images_0", "ok", "update pending"),
        ]
    )
    outputs = read_summary(text)
    assert [output.kind for output in outputs] == ["done", "missing", "missing", "stale", "stale"]
    assert "a setting" in outputs[3].why and "made again first" in outputs[4].why
    assert "what was made from it is up to date" in outputs[2].why
    assert outputs[3].stage == "embed"


def test_text_without_a_summary_is_passed_on():
    with pytest.raises(InputError, match="the run table is wrong"):
        read_summary("the run table is wrong")


def test_the_table_has_a_row_per_stage_in_order_and_the_reasons_below():
    outputs = [
        Output("r/index.html", "report_page", "missing", "not made yet"),
        Output("c/clips.tsv", "cut_clips", "done", ""),
    ]
    console = Console(file=io.StringIO(), width=100)
    show(outputs, ["x is cut short"], ["cut", "report"], console)
    text = console.file.getvalue()
    assert text.index("cut") < text.index("report")
    assert "1 missing: not made yet." in text and "x is cut short" in text


def status(folder, *options):
    done = subprocess.run(
        [sys.executable, "-m", "neurons", "status", *options],
        cwd=folder, env=benchmark("kill_and_resume").environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_on_a_finished_study_and_after_a_change(small_finished):
    workflow, base = small_finished
    folder = workflow.folder
    whole = (folder / "config/config.yaml").read_text()
    (folder / "config/config.yaml").write_text(yaml.safe_dump(base))
    try:
        code, text, _ = status(folder)
        assert code == 0 and "Everything is done" in text
        code, text, _ = status(folder, "--config", 'report={"title": "Another"}')
        assert code == 0
        assert "1 stale: a setting that it depends on changed" in text and "report_page" in text
        code, _, problem = status(folder, "--config", 'report={"tittle": "Another"}')
        assert code == 1 and "tittle" in problem and "Traceback" not in problem
    finally:
        (folder / "config/config.yaml").write_text(whole)


def test_it_is_a_command_and_no_stage():
    done = subprocess.run(
        [sys.executable, "-m", "neurons", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "status" in done.stdout
