"""Real studies, as skeletons: the whole graph is planned from the index of each kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from neurons.preprocess.index_steps import index_bids, index_cc2017, index_released
from tests.preprocess.test_cc2017 import skeleton
from tests.workflow.conftest import Workflow

QUALITY = [f"results/cc2017/preprocess/subject{number}/quality.json" for number in (1, 3)]
ANNOTATION = ("captions.tsv", "instances.tsv", "masks.safetensors")


def annotate(folder: Path, movies: list[str]) -> None:
    """Empty annotation tables, which a dry run wants to see."""
    folder.mkdir(parents=True)
    for movie in movies:
        for name in ANNOTATION:
            (folder / f"{movie}_{name}").touch()


TRAIN = [f"seg{number}" for number in range(1, 19)]
TEST = [f"test{number}" for number in range(1, 6)]


@pytest.fixture
def workflow(make_workflow) -> Workflow:
    return make_workflow()


def test_cc2017_of_three_subjects(workflow: Workflow) -> None:
    skeleton(workflow.folder / "data/cc2017/video_fmri_dataset")
    annotate(workflow.folder / "data/cc2017/annotations", TRAIN + TEST)
    index_cc2017(workflow.folder / "data/cc2017", runs=workflow.folder / "config/runs/cc2017.tsv")
    planned = workflow.planned("--configfile", "config/cc2017.yaml")
    assert planned["preprocess_run"] == 3 * 86 - 1
    shown = workflow.snakemake("-n", "-p", "--configfile", "config/cc2017.yaml", "--", *QUALITY).stdout
    assert "Run subject3/test2/9 is left out (study.exclude): recorded about 10 s behind" in shown
    assert "--left-out 'subject3/test2/9: recorded about 10 s behind" in shown
    assert (
        planned["cut_clips"] == 23
        and planned["preprocess_gather_train"] == planned["preprocess_gather_test"] == 3
    )
    assert planned["pretrain_fit"] == 2 * 3 and planned["report_page"] == 1
    assert not [rule for rule in planned if rule.startswith("simulate")]


def test_missing_files_of_a_study_are_listed_before_anything_runs(workflow: Workflow) -> None:
    root = skeleton(workflow.folder / "data/cc2017/video_fmri_dataset")
    annotate(workflow.folder / "data/cc2017/annotations", TRAIN + TEST)
    index_cc2017(workflow.folder / "data/cc2017", runs=workflow.folder / "config/runs/cc2017.tsv")
    shutil.rmtree(root / "subject2/fmri/seg4")
    (root / "stimuli/seg9.mp4").unlink()
    done = workflow.snakemake("-n", "--configfile", "config/cc2017.yaml", check=False)
    assert done.returncode != 0
    assert "3 files of the run table are not below" in done.stdout
    assert (
        "seg4_1_Atlas.dtseries.nii, subject2" in done.stdout and "- movies: stimuli/seg9.mp4" in done.stdout
    )


def test_a_study_in_bids(workflow: Workflow) -> None:
    root = workflow.folder / "data/own-study"
    for subject in ("01", "02"):
        raw, derived = root / f"sub-{subject}/func", root / f"derivatives/fmriprep/sub-{subject}/func"
        raw.mkdir(parents=True)
        derived.mkdir(parents=True)
        for number, movies in enumerate((["seg17", "seg18"], ["seg1", "test1"], ["test1", "test2"]), start=1):
            stem = f"sub-{subject}_task-movie_run-{number}"
            rows = "".join(f"{10 + 100 * k}\t90\t{movie}.mp4\n" for k, movie in enumerate(movies))
            (raw / f"{stem}_events.tsv").write_text("onset\tduration\tstim_file\n" + rows)
            (derived / f"{stem}_desc-confounds_timeseries.tsv").touch()
            name = f"{stem}_space-fsLR_den-91k_bold"
            (derived / f"{name}.dtseries.nii").touch()
            (derived / f"{name}.json").write_text(json.dumps({"RepetitionTime": 2.0}))
    (root / "stimuli").mkdir()
    movies = ["seg1", "seg17", "seg18", "test1", "test2"]
    for movie in movies:
        (root / f"stimuli/{movie}.mp4").touch()
    annotate(workflow.folder / "results/simulated/simulate/annotations", movies)
    index_bids(root, test_movies=["test1", "test2"], runs=workflow.folder / "config/runs/own-study.tsv")
    planned = workflow.planned("--configfile", "config/own-study.yaml")
    assert planned["preprocess_run"] == 12 and planned["preprocess_locations"] == 2
    shown = workflow.snakemake("-n", "-p", "--configfile", "config/own-study.yaml").stdout
    assert (
        "--confounds data/own-study/derivatives/fmriprep/sub-01/func/sub-01_task-movie_run-2_desc-confounds"
        in shown
    )
    assert "--movie test1 --repeat 2" in shown and "--onset-s -110.0" in shown and "--tail-s" not in shown


def test_released_arrays(workflow: Workflow) -> None:
    root = workflow.folder / "data/released"
    root.mkdir(parents=True)
    for split, movies in (("train", TRAIN), ("test", TEST)):
        clips, repeats = 2 * len(movies), {"train": 2, "test": 10}[split]
        torch.save(torch.zeros(clips, 6, 3, 4, 4), root / f"GT_{split}_3fps.pt")
        for subject in (1, 2, 3):
            torch.save(torch.zeros(clips, repeats, 3), root / f"subj0{subject}_{split}_fmri.pt")
    annotate(root / "annotations", TRAIN + TEST)
    index_released(root, runs=workflow.folder / "config/runs/released.tsv")
    planned = workflow.planned("--configfile", "config/cc2017.yaml", "config/released.yaml")
    assert planned["preprocess_released_run"] == 3 * 86 - 1 and planned["cut_released"] == 23
    assert planned["preprocess_released_locations"] == 3 and planned["cut_released_playback"] == 5
    assert "preprocess_run" not in planned and "cut_clips" not in planned
