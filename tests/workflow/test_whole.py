"""The whole workflow on a tiny study: it ends, a brain without signal decodes nothing, and kills change nothing."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from neurons.artifacts import TensorFile, read_table
from neurons.workflow.plan import plan
from tests.workflow.conftest import ROOT

pytestmark = pytest.mark.slow


def test_every_declared_artifact_exists_and_a_second_run_does_nothing(harness, calm):
    again = subprocess.run(
        harness.command("--cores", "1"),
        cwd=calm,
        env=harness.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Nothing to be done" in again.stdout + again.stderr
    page = (calm / "results/tiny/report/index.html").read_text()
    assert "Simulated study" in page


def test_no_training_step_reads_a_test_file(calm):
    for stage in ("pretrain", "decouple"):
        text = (ROOT / "rules" / f"{stage}.smk").read_text()
        assert "TEST_MOVIES" not in text and "test.safetensors" not in text
    for stage in ("pretrain", "decouple"):
        made_by = TensorFile(calm / f"results/tiny/{stage}/ours/subject1/model.safetensors").metadata[
            "provenance"
        ]
        test_hashes = {
            TensorFile(path).metadata["content_hash"]
            for path in calm.glob("results/tiny/*/test1/*.safetensors")
        } | {TensorFile(calm / "results/tiny/preprocess/subject1/test.safetensors").metadata["content_hash"]}
        read = {value for files in made_by["inputs"].values() for value in files.values()}
        assert read and not read & test_hashes


AUDITED = """
import json, sys
opened = []
def note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(arguments[0])
sys.addaudithook(note)
from neurons.cli import main
sys.argv = ["neurons", *json.loads(sys.stdin.read())]
main()
json.dump(opened, open("opened.json", "w"))
"""


@pytest.mark.parametrize("stage", ["pretrain", "decouple"])
def test_training_opens_no_test_file_and_needs_none(calm, stage, tmp_path):
    """A step runs again where nothing but the files of its command exist, watched: same model, no test file opened."""
    test_movies = {path.name for path in calm.glob("results/tiny/cut/test*")}
    assert test_movies
    jobs = plan(yaml.safe_load((calm / "config/config.yaml").read_text()), calm)
    commands = [command for job, command in jobs.commands.items() if jobs.rules[job].startswith(f"{stage}_")]
    assert commands
    for number, command in enumerate(commands):
        words = shlex.split(command.partition("python -m neurons ")[2].partition(" 2> ")[0])
        paths = [Path(word) for word in words if word.startswith(("results/", "resources/"))]
        given = [
            path for path in paths if (calm / path).is_file() and f"results/tiny/{stage}" not in str(path)
        ]
        folder = tmp_path / str(number)
        for path in given:
            assert not test_movies & set(path.parts) and path.name != "test.safetensors", path
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(calm / path, folder / path)
        for name in ("neurons", "resources"):
            (folder / name).symlink_to(ROOT / name)
        subprocess.run(
            [sys.executable, "-c", AUDITED], cwd=folder, input=json.dumps(words), text=True, check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        opened = {Path(path) for path in json.loads((folder / "opened.json").read_text())}
        known = {path.name for path in opened}
        assert "train.safetensors" in known, "the audit sees nothing"
        assert (
            not [path for path in opened if test_movies & set(path.parts)] and "test.safetensors" not in known
        )
        (made,) = folder.glob(f"results/tiny/{stage}/*/*/model.safetensors")
        hashes = {
            TensorFile(path).metadata["content_hash"] for path in (made, calm / made.relative_to(folder))
        }
        assert len(hashes) == 1


def test_without_signal_nothing_is_decoded(calm):
    scores = read_table(calm / "results/tiny/evaluate/scores.tsv")
    brain = scores[(scores["variant"] == "ours") & scores["p"].notna()]
    assert len(brain) >= 8
    # About one in a hundred of these would be below .01 by chance, were they independent.
    significant = brain[brain["p"] < 0.01]
    assert len(significant) <= 1, significant[["metric", "value", "permutation_mean", "p"]].to_string()
    video = brain.set_index("metric").loc["video_2way_gt1"]
    assert video["low"] <= video["permutation_mean"] <= video["high"]


def test_the_oracle_is_far_above_the_empty_brain(calm):
    scores = read_table(calm / "results/tiny/evaluate/scores.tsv").set_index(["variant", "metric"])["value"]
    assert scores["oracle", "video_2way_gt1"] > scores["ours", "video_2way_gt1"] + 0.2


def test_kills_at_random_moments_change_no_artifact(harness, calm, tmp_path):
    folder = tmp_path / "disturbed"
    harness.prepare(folder)
    hit = harness.disturb(folder, kills=4, seed=1, longest_s=30.0)
    assert hit["pretrain"] == hit["decouple"] == 1
    expected, found = harness.artifacts(calm), harness.artifacts(folder)
    assert expected.keys() == found.keys()
    different = [path for path in expected if expected[path] != found[path]]
    assert different == []
    assert np.isfinite(read_table(folder / "results/tiny/evaluate/scores.tsv")["value"].dropna()).all()
