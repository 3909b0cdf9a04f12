"""Names and helpers that all stages share: the checked configuration, the run table, paths, settings of a step."""

import json
import os
import shlex
from pathlib import Path

import pandas as pd
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

ROOT = Path(workflow.basedir).parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from snakemake.logging import logger

from neurons.config import load
from neurons.reconstruct.settings import parts_of
from neurons.workflow.seals import guard
from neurons.study import check_files, read_runs

# Files that are not as their step wrote them, or whose inputs changed under an unchanged time, are made again.
if workflow.is_main_process:
    for finding in guard():
        logger.warning(finding)

validate(config, f"{workflow.basedir}/schemas/config.schema.yaml", set_default=False)
CONFIG = load(config)
RUNS = read_runs(Path(CONFIG.study.runs), CONFIG.study)
if CONFIG.study.source != "simulated":
    check_files(RUNS, Path(CONFIG.study.root))
if workflow.is_main_process:
    for run, reason in CONFIG.study.exclude.items():
        print(f"Run {run} is left out (study.exclude): {reason}", file=sys.stderr)

R = f"results/{CONFIG.study.name}"
STUDY = CONFIG.study.root
RUN_OF = {
    (run["subject"], run["movie"], run["repeat"]): run
    for run in RUNS.to_dict("records")
}
SUBJECTS = list(RUNS["subject"].unique())
MOVIES = list(RUNS["movie"].unique())
TRAIN_MOVIES = list(RUNS.loc[RUNS["split"] == "train", "movie"].unique())
TEST_MOVIES = list(RUNS.loc[RUNS["split"] == "test", "movie"].unique())
VARIANTS = list(CONFIG.variants)
DERIVED = list(CONFIG.derived)
CHUNKS = list(range(CONFIG.reconstruct.chunks))

# Every job finds the package in this checkout and no package of the user's home, and the Python beside this Snakemake
# unless it has an environment of its own (whose activation puts it first).
shell.prefix(
    f"set -euo pipefail; export PYTHONNOUSERSITE=1 PYTHONPATH={shlex.quote(str(ROOT))}; "
)
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()])
)


wildcard_constraints:
    subject="|".join(map(re.escape, SUBJECTS + ["truth"])),
    movie="|".join(map(re.escape, MOVIES)),
    repeat=r"\d+",
    split="train|test",
    variant="|".join(map(re.escape, VARIANTS + DERIVED + ["oracle"])),
    chunk=r"\d+",


def settings(stage, only=None, without=(), variant=None):
    """The part of a config section that a step uses, as canonical JSON (a change of anything else reruns nothing)."""
    section = CONFIG if variant in (None, "oracle") else CONFIG.variant(variant)
    values = getattr(section, stage).model_dump(mode="json")
    kept = {
        key: value
        for key, value in values.items()
        if (only is None or key in only) and key not in without
    }
    return json.dumps(kept, sort_keys=True)


def of_variant(stage, only=None, without=()):
    """`settings` of the variant that the job's wildcards name."""
    return lambda wildcards: settings(stage, only, without, wildcards.variant)


def model(reference):
    """A model reference, as JSON."""
    return json.dumps(reference.model_dump(mode="json"), sort_keys=True)


def folder(reference):
    """The files of a model: inputs of the rules that load it (a hub id has none)."""
    place = Path(reference.path)
    return sorted(str(path) for path in (place, *place.rglob("*")) if path.is_file())


def growing(first):
    """A resource that grows with the attempt: `first`, then twice as much, and so on."""
    return lambda wildcards, attempt: first * attempt


def without_number(name):
    """The name of a rule; rules that are written once for each of several things are counted in theirs."""
    return re.sub(r"_\d+$", "", name)


def one_run(subject, movie, repeat):
    """The row of the run table for one run."""
    return RUN_OF[subject, movie, int(repeat)]


def bold_of(wildcards):
    return f"{STUDY}/{one_run(wildcards.subject, wildcards.movie, wildcards.repeat)['bold']}"


def stimulus_of(wildcards):
    return f"{STUDY}/{RUNS.loc[RUNS['movie'] == wildcards.movie, 'stimulus'].iloc[0]}"


def onset_of(wildcards):
    return float(
        one_run(wildcards.subject, wildcards.movie, wildcards.repeat)["onset_s"]
    )


def confounds_of(wildcards):
    """The confounds table of a run, if the run table has one."""
    row = one_run(wildcards.subject, wildcards.movie, wildcards.repeat)
    if pd.isna(row.get("confounds")):
        return []
    return f"{STUDY}/{row['confounds']}"


def left_out_of(wildcards):
    """Runs of a subject that the configuration leaves out, with the reasons, as an option of a command."""
    texts = [
        shlex.quote(f"{run}: {reason}")
        for run, reason in CONFIG.study.exclude.items()
        if run.split("/")[0] == wildcards.subject
    ]
    return f"--left-out {' '.join(texts)}" if texts else ""


def rows_of_movie(wildcards):
    """Where the clips of a movie are in released arrays: the first row, and how many."""
    row = RUNS[RUNS["movie"] == wildcards.movie].iloc[0]
    return int(row["first_clip"]), int(row["clips"])


def array_of(wildcards):
    """A released array of a subject's responses."""
    return f"{STUDY}/{RUNS.loc[RUNS['subject'] == wildcards.subject, 'bold'].iloc[0]}"


def volume_images(wildcards):
    """Mask, atlas and names of areas of volumetric runs."""
    volume = CONFIG.preprocess.volume
    named = (volume.mask, volume.atlas, volume.labels)
    return [
        path.format(subject=wildcards.subject) for path in named if path is not None
    ]


def grid_of_voxels(wildcards):
    """The image whose grid the voxels of a volumetric study are counted in; none for other studies."""
    images = volume_images(wildcards) if CONFIG.preprocess.space == "volume" else []
    return images[0] if images else []


def alignment_settings():
    """What the alignment check uses of section `preprocess`; what happens to a bad run is decided later."""
    kept = {
        "detrend_order": CONFIG.preprocess.detrend_order,
        "alignment": {"lags": CONFIG.preprocess.alignment.lags},
    }
    return json.dumps(kept, sort_keys=True)


def runs_of(split=None):
    """Input function: preprocessed runs of a subject, of one split or of both, in the order of the run table."""

    def paths(wildcards):
        rows = RUNS[RUNS["subject"] == wildcards.subject]
        if split is not None:
            rows = rows[rows["split"] == split]
        return [
            f"{R}/preprocess/{row.subject}/runs/{row.movie}_{row.repeat}.safetensors"
            for row in rows.itertuples()
        ]

    return paths


def judged_test_runs(wildcards):
    """Runs that only the judgement of test runs reads."""
    return runs_of("test")(wildcards) if wildcards.split == "test" else []


def judged_frames(wildcards):
    """Frames of the movies whose runs are judged, and of those that are learnt from."""
    movies = TRAIN_MOVIES if wildcards.split == "train" else MOVIES
    return per_movie("cut/{movie}/frames.safetensors", movies)


def per_movie(pattern, movies):
    """One path per movie."""
    return expand(f"{R}/{pattern}", movie=movies)


def gpus(processes=1):
    """GPUs that a job with a model asks for, one for each process: none if `compute.device` is cpu."""
    return 0 if CONFIG.compute.device == "cpu" else processes


def simulated_subject(wildcards, only):
    """Settings of one subject alone: another subject's signal, or a new row of the run table, reruns nothing here."""
    values = CONFIG.simulate.model_dump(mode="json")
    subjects = {
        name: value
        for name, value in values["subjects"].items()
        if name == wildcards.subject
    }
    return json.dumps(
        {**{key: values[key] for key in only}, "subjects": subjects}, sort_keys=True
    )


def movie_settings(wildcards):
    """Settings of one movie alone: the length of movies of the other split has no part in it."""
    other = "test_movie_s" if split_of(wildcards) == "train" else "train_movie_s"
    return settings("simulate", without=["subjects", other])


def split_of(wildcards):
    """Whether a movie is a training or a test movie (recorded, so that a change renders it again)."""
    return RUNS.loc[RUNS["movie"] == wildcards.movie, "split"].iloc[0]


def caption_inputs(wildcards):
    """Files that the captions and tags of a movie come from."""
    if CONFIG.annotate.backend != "table":
        return [f"{R}/annotate/{wildcards.movie}/descriptions.parquet"]
    return [f"{CONFIG.annotate.folder}/{wildcards.movie}_captions.tsv"]


def mask_inputs(wildcards):
    """Files that the masks of a movie come from: a tensor file, or a folder of pictures, or the step `segment`."""
    if CONFIG.annotate.masks != "table":
        return [f"{R}/annotate/{wildcards.movie}/masks.safetensors"]
    start = f"{CONFIG.annotate.folder}/{wildcards.movie}"
    pictures = sorted(str(path) for path in Path(f"{start}_masks").glob("*.png"))
    return [f"{start}_instances.tsv", *(pictures or [f"{start}_masks.safetensors"])]


def annotation_sources(*sources):
    """Options that say where captions and masks are: the folder of the `table` back ends, or what steps wrote."""
    made = {
        "captions": (CONFIG.annotate.backend, "--descriptions"),
        "masks": (CONFIG.annotate.masks, "--masks"),
    }

    def options(wildcards, input):
        given = [
            f"{made[source][1]} {shlex.quote(str(input[source]))}"
            for source in sources
            if made[source][0] != "table"
        ]
        if len(given) < len(sources):
            given.append(f"--folder {shlex.quote(CONFIG.annotate.folder)}")
        return " ".join(given)

    return options


def prompt(name):
    """A prompt: shipped, by its version, or in a folder of the user's own."""
    shipped = ROOT / "neurons/annotate/prompts" / CONFIG.annotate.prompt
    base = shipped if shipped.is_dir() else Path(CONFIG.annotate.prompt)
    path = os.path.relpath(base / f"{name}.txt")
    if CONFIG.annotate.backend != "table" and not os.path.isfile(path):
        versions = ", ".join(sorted(os.listdir(shipped.parent)))
        raise WorkflowError(
            f"annotate.prompt: there is no {path}; expected a shipped version ({versions}), or a folder with frame.txt, "
            "clip.txt and repair.txt"
        )
    return path


def annotate_settings(*keys):
    """Settings of the models of `annotate` that decide results; those that decide only their pace are resources."""
    pace = {"batch_size", "gpus", "concurrency", "timeout_s", "attempts"}
    values = json.loads(settings("annotate", only=keys))
    return json.dumps(
        {
            key: (
                {k: v for k, v in value.items() if k not in pace}
                if isinstance(value, dict)
                else value
            )
            for key, value in values.items()
        },
        sort_keys=True,
    )


def reconstruction_of(wildcards):
    """Section `reconstruct` of the variant that a job's wildcards name; the oracle has no overrides."""
    return (
        CONFIG.reconstruct
        if wildcards.variant == "oracle"
        else CONFIG.variant(wildcards.variant).reconstruct
    )


def video_models(wildcards):
    """Files of the models that make videos."""
    parts = parts_of(reconstruction_of(wildcards).video)
    return sorted({path for part in parts for path in folder(part)})


def control_models(wildcards):
    """Files of the models that make control images."""
    control = reconstruction_of(wildcards).control
    return folder(control.unclip) + folder(control.vae or CONFIG.embed.vae)


def videos_of(row, subject):
    """Where the videos of a row of the score table lie."""
    stage = "evaluate/references" if row in ("mean", "retrieval") else "reconstruct"
    return f"{R}/{stage}/{row}/{subject}/videos.safetensors"


def scored_videos(wildcards):
    """Input function: the videos of the row that a job's wildcards name."""
    return videos_of(wildcards.row, wildcards.subject)


def task_outputs(name):
    """Input function: the task outputs of a row; the references without a brain model have none."""

    def path(wildcards):
        if wildcards.row in ("mean", "retrieval"):
            return []
        return f"{R}/reconstruct/{wildcards.row}/{wildcards.subject}/{name}"

    return path


def classifiers():
    """Files of the networks that judge videos."""
    evaluate = CONFIG.evaluate
    return [
        path
        for part in (
            evaluate.frame_classifier,
            evaluate.video_classifier,
            evaluate.clip,
            evaluate.gate,
        )
        if part is not None
        for path in folder(part)
    ]


COMPUTE = f"--device {CONFIG.compute.device} --precision {CONFIG.compute.precision} --threads {CONFIG.compute.threads}"
PROCESSES = CONFIG.compute.processes
TRAINING = f"{COMPUTE} --processes {PROCESSES}"
MEMORY = " --low-memory" if CONFIG.compute.low_memory else ""
PLACE = f"--device {CONFIG.compute.device} --threads {CONFIG.compute.threads}"
INTERPRETED = (
    VARIANTS if CONFIG.interpret.variants is None else CONFIG.interpret.variants
)


def on_cortex(*names):
    """Files of these names, of every interpreted variant and subject (none if the stage `interpret` is not to run)."""
    return [
        f"{R}/interpret/{variant}/{subject}/{name}"
        for variant in INTERPRETED
        for subject in SUBJECTS
        for name in names
    ]
