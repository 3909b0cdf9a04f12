"""Jobs of annotation by models, and what a change of prompt, model or revision reruns."""

from __future__ import annotations

import shutil

import pytest

from tests.workflow.conftest import ROOT, Workflow, new_workflow

MOVIES = 20
BASE = {
    "annotate": {
        "backend": "openai",
        "masks": "grounded_sam",
        "prompt": "prompts",
        "openai": {"model": "served", "revision": "a"},
        "grounded_sam": {"sam": "sam.safetensors"},
    }
}
AFTER_CLIPS = {
    "annotate_clips",
    "embed_captions_0",
    "embed_captions_1",
    "decouple_fit",
    "report_page",
}
UNTOUCHED = {
    "simulate_movie",
    "cut_clips",
    "preprocess_run",
    "embed_images_0",
    "embed_latents_0",
    "embed_concepts",
}


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Workflow:
    """A workflow with annotation by models all of whose outputs exist."""
    folder = tmp_path_factory.mktemp("annotated")
    workflow = new_workflow(folder)
    (folder / "sam.safetensors").touch()
    shutil.copytree(ROOT / "neurons/annotate/prompts/1", folder / "prompts")
    workflow.pretend_finished("--configfile", str(workflow.configure(BASE)))
    return workflow


def changed(workflow: Workflow, **values: object) -> dict[str, int]:
    sections = {**BASE["annotate"], **values}
    for name in ("openai", "grounded_sam"):
        sections[name] = {**BASE["annotate"][name], **values.get(name, {})}
    path = workflow.configure({"annotate": sections})
    return workflow.planned("--configfile", str(path))


def test_each_movie_is_described_segmented_and_joined(make_workflow) -> None:
    workflow = make_workflow()
    (workflow.folder / "sam.safetensors").touch()
    shutil.copytree(ROOT / "neurons/annotate/prompts/1", workflow.folder / "prompts")
    planned = workflow.planned("--configfile", str(workflow.configure(BASE)))
    assert {name: count for name, count in planned.items() if name.startswith("annotate")} == {
        "annotate_describe": MOVIES,
        "annotate_segment": MOVIES,
        "annotate_clips": MOVIES,
    }


def test_a_prompt_that_does_not_exist_is_named(annotated: Workflow) -> None:
    path = annotated.configure({"annotate": {**BASE["annotate"], "prompt": "nowhere"}})
    done = annotated.snakemake("-n", "--configfile", str(path), check=False)
    assert done.returncode != 0
    assert "annotate.prompt: there is no nowhere/frame.txt; expected a shipped version (1)" in done.stdout


def test_nothing_is_done_twice_and_pace_is_no_reason(annotated: Workflow) -> None:
    assert changed(annotated) == {}
    assert changed(
        annotated,
        openai={"concurrency": 3, "timeout_s": 9, "attempts": 2},
        grounded_sam={"batch_size": 2},
        qwen={"batch_size": 1, "model": {"path": "elsewhere"}},
    ) == {}  # fmt: skip


@pytest.mark.parametrize("values", [{"model": "other"}, {"revision": "b"}], ids=["model", "revision"])
def test_another_captioner_annotates_anew_and_reruns_what_depends_on_it(
    annotated: Workflow, values: dict
) -> None:
    planned = changed(annotated, openai=values)
    assert planned["annotate_describe"] == planned["annotate_segment"] == planned["annotate_clips"] == MOVIES
    assert set(planned) >= AFTER_CLIPS
    assert not set(planned) & UNTOUCHED


def test_another_detector_leaves_descriptions_as_they_are(annotated: Workflow) -> None:
    planned = changed(annotated, grounded_sam={"detector": {"path": "some/detector", "revision": "c"}})
    assert planned["annotate_segment"] == planned["annotate_clips"] == MOVIES
    assert "annotate_describe" not in planned
    assert not set(planned) & UNTOUCHED


def test_the_key_object_rule_reruns_the_light_step_only(annotated: Workflow) -> None:
    planned = changed(annotated, key_object={"priority_nouns": ["boat"]})
    assert planned["annotate_clips"] == MOVIES
    assert not set(planned) & {"annotate_describe", "annotate_segment"}


def test_another_text_of_a_prompt_annotates_anew(annotated: Workflow) -> None:
    """Last, since it changes a file of the workflow."""
    prompt = annotated.folder / "prompts/frame.txt"
    prompt.write_text(prompt.read_text() + "\nBe brief.\n")
    planned = changed(annotated)
    assert planned["annotate_describe"] == planned["annotate_segment"] == planned["annotate_clips"] == MOVIES
    assert not set(planned) & UNTOUCHED
