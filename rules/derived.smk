"""Variants that are derived from the configuration: rows and seeds of the ablation table, points of learning curves.

They are trained by the rules of `pretrain` and `decouple` like every variant; those with equal settings share a model.
"""

from neurons.config import ablation_name, point_name


def brain_model_of(wildcards):
    """The brain model of a variant and subject; derived variants with equal settings share one."""
    variant = CONFIG.sharing(wildcards.variant, ("pretrain",))
    return f"{R}/pretrain/{variant}/{wildcards.subject}/model.safetensors"


def shared_start(variant, subject):
    """The backbone that a brain model starts from, if any; points of a learning curve have one together."""
    start = CONFIG.variant(variant).pretrain.start
    if start == "own":
        return []
    first = CONFIG.sharing(variant, ("pretrain",), frozenset({"training_clips"}))
    trained_for = SUBJECTS[0] if start == "all" else subject
    return f"{R}/pretrain/{first}/{trained_for}/start.safetensors"


def backbone_subjects(wildcards):
    """Subjects that a shared backbone is trained on."""
    everybody = CONFIG.variant(wildcards.variant).pretrain.start == "all"
    subjects = [name for name in SUBJECTS if everybody or name != wildcards.subject]
    if not subjects:
        raise WorkflowError(
            f"pretrain.start: others of variant {wildcards.variant}: there is no subject beside {wildcards.subject}"
        )
    return subjects


def decoupler_of(wildcards):
    """The task heads of a variant and subject; derived variants with equal settings share them."""
    variant = CONFIG.sharing(wildcards.variant, ("pretrain", "decouple"))
    return f"{R}/decouple/{variant}/{wildcards.subject}/model.safetensors"


def known_subjects(key, names):
    """The subjects that a key of the configuration names, all if it names none."""
    if unknown := [name for name in names if name not in SUBJECTS]:
        raise WorkflowError(
            f"{key} names {', '.join(unknown)}; the run table has: {', '.join(SUBJECTS)}"
        )
    return names or SUBJECTS


# The ablation table: a file of single clips' scores for each row, seed and subject. Held-out clips need no videos.
ABLATED_SUBJECTS = known_subjects("ablations.subjects", CONFIG.ablations.subjects)
ABLATION_ROWS = [
    {"row": row, "seed": seed, "subject": subject, "change": values.change}
    for row, values in CONFIG.ablations.rows.items()
    for seed in CONFIG.ablations.seeds
    for subject in ABLATED_SUBJECTS
]
# Scores of single clips, and the sections of the configuration that they depend on.
ABLATION_CLIPS = {
    "held_out": (
        f"{R}/evaluate/held_out/{{variant}}/{{subject}}/tasks.parquet",
        ("pretrain", "decouple"),
    ),
    "test": (
        f"{R}/evaluate/{{variant}}/{{subject}}/clips.parquet",
        ("pretrain", "decouple", "reconstruct"),
    ),
}


def ablated_clips(wildcards):
    """Input function: scores of single clips of every row; rows with equal settings share a model and its scores."""
    if not ABLATION_ROWS:
        raise WorkflowError(
            "ablations.rows is empty: add the rows, as in --configfile config/ablations.yaml"
        )
    pattern, sections = ABLATION_CLIPS[wildcards.split]
    variants = [
        CONFIG.sharing(ablation_name(row["row"], row["seed"]), sections)
        for row in ABLATION_ROWS
    ]
    return [
        pattern.format(variant=variant, subject=row["subject"])
        for variant, row in zip(variants, ABLATION_ROWS)
    ]


CURVE_POINTS = [
    {
        "start": start,
        "minutes": clips * CONFIG.study.clip_s / 60,
        "seed": seed,
        "subject": subject,
        "variant": point_name(start, clips, seed),
    }
    for start in CONFIG.learning_curves.starts
    for clips in CONFIG.learning_curves.clips
    for seed in CONFIG.learning_curves.seeds
    for subject in known_subjects(
        "learning_curves.subjects", CONFIG.learning_curves.subjects
    )
]


def curve_summaries(wildcards):
    """Input function: validation scores of the models of all points of the learning curves."""
    if not CURVE_POINTS:
        raise WorkflowError(
            "learning_curves.clips is empty: add numbers of clips, as in --configfile config/learning_curves.yaml"
        )
    return [
        f"{R}/pretrain/{point['variant']}/{point['subject']}/validation.json"
        for point in CURVE_POINTS
    ]
