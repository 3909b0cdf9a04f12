"""The graph of jobs: what a configuration asks for, and what reruns after a change."""

import json

import pytest
import yaml

from tests.workflow.conftest import ROOT, new_workflow

SUBJECTS, TRAIN, TEST, TRAIN_REPEATS, TEST_REPEATS = 2, 18, 2, 2, 10
RUNS = SUBJECTS * (TRAIN * TRAIN_REPEATS + TEST * TEST_REPEATS)
MOVIES = TRAIN + TEST


def expected_jobs(variants: int, chunks: int = 2, interpreted: int = 1) -> dict[str, int]:
    by_brain = SUBJECTS * variants
    rows = by_brain + SUBJECTS + 2
    return {
        "all": 1,
        "simulate_movie": MOVIES,
        "simulate_brain": SUBJECTS,
        "simulate_run": RUNS,
        "cut_clips": MOVIES,
        "cut_playback": TEST,
        "preprocess_locations": SUBJECTS,
        "preprocess_run": RUNS,
        "preprocess_select": SUBJECTS,
        "preprocess_alignment": SUBJECTS * 2,
        "preprocess_gather_train": SUBJECTS,
        "preprocess_gather_test": SUBJECTS,
        "preprocess_quality": SUBJECTS,
        "annotate_clips": MOVIES,
        **{
            f"embed_{kind}_{number}": 1
            for kind in ("images", "latents", "captions")
            for number in range(-(-TRAIN // 10) + -(-TEST // 10))
        },
        "embed_concepts": 1,
        "pretrain_fit": by_brain,
        "decouple_fit": by_brain,
        "reconstruct_decode": by_brain,
        "reconstruct_oracle": 1,
        "reconstruct_control": by_brain + 1,
        "reconstruct_videos": (by_brain + 1) * chunks,
        "reconstruct_gather": by_brain + 1,
        "evaluate_truth": 1,
        "evaluate_mean": 1,
        "evaluate_retrieval": SUBJECTS,
        "evaluate_features": rows,
        "evaluate_scores": rows,
        "evaluate_table": 1,
        "evaluate_breakdown": rows,
        "evaluate_ceiling": SUBJECTS,
        "evaluate_compare": 1,
        "evaluate_alarms": 1,
        "evaluate_tables": 1,
        "evaluate_figures": SUBJECTS,
        **{
            f"interpret_{step}": SUBJECTS * interpreted
            for step in ("importance", "encoding", "areas", "maps")
        },
        "report_page": 1,
    }


def test_default_configuration_plans_every_job(make_workflow):
    variants = len(yaml.safe_load((ROOT / "config/config.yaml").read_text())["variants"])
    assert make_workflow().planned() == expected_jobs(variants)


def test_tuning_reads_training_runs_and_no_test_clip(make_workflow):
    jobs = make_workflow().planned("--", "tune")
    assert (jobs["reconstruct_tune"], jobs["reconstruct_choose"]) == (SUBJECTS, 1)
    assert not [
        name for name in jobs if name.startswith(("evaluate", "reconstruct_decode", "reconstruct_videos"))
    ]


def test_three_variants_share_what_they_have_in_common(make_workflow):
    workflow = make_workflow()
    path = workflow.configure(
        {
            "variants": {
                "ours": {},
                "paper": {"pretrain": {"window_tr": [0]}},
                "frame": {"pretrain": {"target": "frame"}},
            }
        }
    )
    assert workflow.planned("--configfile", str(path)) == expected_jobs(variants=3)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workflow all of whose outputs exist, recorded as made with the default configuration."""
    workflow = new_workflow(tmp_path_factory.mktemp("finished"))
    workflow.pretend_finished()
    return workflow


def test_nothing_is_done_twice(finished):
    assert finished.planned() == {}


AFTER_SCORES = {
    "evaluate_scores",
    "evaluate_table",
    "evaluate_breakdown",
    "evaluate_compare",
    "evaluate_alarms",
    "evaluate_tables",
    "evaluate_figures",
    "report_page",
    "all",
}
AFTER_VIDEOS = {"reconstruct_videos", "reconstruct_gather", "evaluate_features"} | AFTER_SCORES
AFTER_DECODE = {"reconstruct_decode", "reconstruct_control"} | AFTER_VIDEOS
AFTER_AREAS = {"interpret_areas", "interpret_maps", "report_page", "all"}
AFTER_DECOUPLE = {"decouple_fit", "interpret_importance", "interpret_encoding"} | AFTER_AREAS | AFTER_DECODE
AFTER_PRETRAIN = {"pretrain_fit"} | AFTER_DECOUPLE
AFTER_GATHER = {"preprocess_gather_train", "preprocess_gather_test", "evaluate_retrieval"} | AFTER_PRETRAIN


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"report": {"title": "Another"}}, {"report_page", "all"}),
        ({"evaluate": {"permutations": 77}}, AFTER_SCORES | {"evaluate_ceiling"}),
        ({"evaluate": {"ways": [2, 10]}}, AFTER_SCORES),
        ({"evaluate": {"published": True}}, {"evaluate_tables", "report_page", "all"}),
        ({"evaluate": {"batch_size": 9}}, {"evaluate_truth", "evaluate_features"} | AFTER_SCORES),
        ({"reconstruct": {"video": {"strength": 0.61}}}, AFTER_VIDEOS),
        ({"reconstruct": {"control": {"steps": 3}}}, {"reconstruct_control"} | AFTER_VIDEOS),
        ({"decouple": {"dropout": 0.33}}, AFTER_DECOUPLE),
        ({"pretrain": {"blocks": 1}}, AFTER_PRETRAIN),
        (
            {"preprocess": {"selection": {"alpha": 0.01}}},
            {"preprocess_select", "preprocess_alignment", "preprocess_quality", "evaluate_ceiling"}
            | AFTER_GATHER,
        ),
        (
            {"preprocess": {"detrend_order": 2}},
            {"preprocess_run", "preprocess_select", "preprocess_alignment", "preprocess_quality"}
            | {"evaluate_ceiling"}
            | AFTER_GATHER,
        ),
        ({"interpret": {"shown": "haufe"}}, {"interpret_maps", "report_page", "all"}),
        ({"interpret": {"permutations": 999}}, AFTER_AREAS),
        ({"interpret": {"components": 16}}, {"interpret_encoding"} | AFTER_AREAS),
        ({"interpret": {"area_shuffles": 2}}, {"interpret_importance"} | AFTER_AREAS),
        ({"interpret": {"variants": []}}, {"report_page", "all"}),
        ({"cut": {"playback_frames": 8}}, {"cut_playback", "report_page", "all"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_a_change_reruns_its_stage_and_what_depends_on_it(finished, change, rules):
    path = finished.configure(change)
    assert set(finished.planned("--configfile", str(path))) == rules


def test_interpretation_of_every_variant_or_of_none(make_workflow):
    workflow = make_workflow()
    for wanted, count in ((None, 2), ([], 0)):
        path = workflow.configure({"interpret": {"variants": wanted}})
        planned = workflow.planned("--configfile", str(path))
        assert planned.get("interpret_maps", 0) == SUBJECTS * count


def test_a_changed_variant_reruns_alone(finished):
    path = finished.configure({"variants": {"paper": {"decouple": {"dropout": 0.4}}}})
    planned = finished.planned("--configfile", str(path))
    assert planned["decouple_fit"] == SUBJECTS
    assert planned["reconstruct_decode"] == SUBJECTS
    assert "pretrain_fit" not in planned


def test_rows_of_the_ablation_table_share_models_and_sample_no_video(make_workflow):
    """17 rows by 3 seeds: rows that differ in later stages only are trained once."""
    rows = yaml.safe_load((ROOT / "config/ablations.yaml").read_text())["ablations"]["rows"]
    own = {name: row for name, row in rows.items() if name == "base" or {"pretrain", "decouple"} & {*row}}
    brains = {json.dumps(row.get("pretrain", {}), sort_keys=True) for row in rows.values()}
    planned = make_workflow().planned("--cores", "1", "ablations", "--configfile", "config/ablations.yaml")
    assert len(own) == len(rows) - 1
    assert planned["pretrain_fit"] == 3 * len(brains)
    assert planned["decouple_fit"] == planned["evaluate_held_out"] == 3 * len(own)
    assert planned["evaluate_ablations"] == 1
    assert not [rule for rule in planned if rule.startswith(("reconstruct", "interpret", "report"))]


def test_ablations_with_videos_score_test_clips_too(make_workflow):
    workflow = make_workflow()
    path = workflow.configure(
        {
            "ablations": {
                "subjects": ["subject1"],
                "seeds": [0, 1],
                "videos": True,
                "rows": {
                    "base": {"change": "nothing"},
                    "plain": {"change": "no emphasis", "reconstruct": {"mask_floor": 0.9}},
                },
            }
        }
    )
    planned = workflow.planned("--cores", "1", "ablations", "--configfile", str(path))
    assert planned["decouple_fit"] == planned["evaluate_held_out"] == 2
    assert planned["reconstruct_gather"] == planned["evaluate_scores"] == 4
    assert planned["evaluate_ablations"] == 2


def test_learning_curves_train_a_backbone_once_for_all_sizes(make_workflow):
    planned = make_workflow().planned(
        "--cores", "1", "learning_curves", "--configfile", "config/learning_curves.yaml"
    )
    curves = yaml.safe_load((ROOT / "config/learning_curves.yaml").read_text())["learning_curves"]
    assert planned["pretrain_shared"] == len(curves["seeds"])
    assert planned["pretrain_fit"] == len(curves["seeds"]) * len(curves["clips"]) * len(curves["starts"])
    assert "decouple_fit" not in planned


def test_the_report_takes_ablations_and_curves_in_where_they_are_configured(make_workflow):
    files = ("config/ablations.yaml", "config/learning_curves.yaml")
    planned = make_workflow().planned("--cores", "1", "--configfile", *files)
    assert planned["evaluate_ablations"] == planned["evaluate_learning_curves"] == planned["report_page"] == 1


@pytest.mark.parametrize(
    ("target", "said"), [("ablations", "ablations.rows is empty"), ("learning_curves", "clips is empty")]
)
def test_tables_without_rows_say_what_to_add(make_workflow, target, said):
    done = make_workflow().snakemake("-n", target, check=False)
    assert done.returncode != 0
    assert said in done.stdout and f"config/{target}.yaml" in done.stdout


def test_an_unknown_subject_of_the_table_is_named(make_workflow):
    workflow = make_workflow()
    path = workflow.configure({"ablations": {"subjects": ["subject1", "subject7"]}})
    done = workflow.snakemake("-n", "--configfile", str(path), check=False)
    assert done.returncode != 0
    assert "ablations.subjects names subject7; the run table has: subject1, subject2" in done.stdout


def test_a_backbone_of_others_needs_others(make_workflow):
    workflow = make_workflow()
    runs = workflow.folder / "config/runs/simulated.tsv"
    lines = runs.read_text().splitlines(keepends=True)
    runs.write_text("".join(line for line in lines if not line.startswith("subject2")))
    path = workflow.configure({"variants": {"ours": {"pretrain": {"start": "others"}}}})
    done = workflow.snakemake("-n", "--configfile", str(path), check=False)
    assert done.returncode != 0 and "there is no subject beside subject1" in done.stdout


def test_misspelt_key_stops_with_the_nearest_valid_one(make_workflow):
    workflow = make_workflow()
    path = workflow.configure({"pretrain": {"widow_tr": [0]}})
    done = workflow.snakemake("-n", "--configfile", str(path), check=False)
    assert done.returncode != 0
    assert "widow_tr" in done.stdout


def test_missing_stimulus_of_a_real_study_is_named(make_workflow):
    workflow = make_workflow()
    path = workflow.configure({"study": {"source": "files", "root": "data/elsewhere", "name": "mine"}})
    done = workflow.snakemake("-n", "--configfile", str(path), check=False)
    assert done.returncode != 0
    assert "data/elsewhere" in done.stdout
