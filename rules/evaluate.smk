"""evaluate: scores, each with its chance level, its interval and its definition.

Networks run once over the truth and once over each set of videos; scores come from these cached features. Reference
rows: the average training video, retrieval by ridge, and the oracle. What the scores mean: a break-down by kind of
clip, a ceiling from repeats, paired comparisons, alarms. Then the tables and figures of the paper.
"""

BY_BRAIN = [(variant, subject) for variant in VARIANTS for subject in SUBJECTS]
REFERENCES = list(CONFIG.evaluate.references)
BY_REFERENCE = [
    (name, subject)
    for name in REFERENCES
    if name == "retrieval"
    for subject in SUBJECTS
] + [(name, "truth") for name in REFERENCES if name in ("mean", "oracle")]
SCORED = BY_BRAIN + BY_REFERENCE
BACKBONES = sorted(
    {
        str(path)
        for variant, subject in BY_BRAIN
        if (path := shared_start(variant, subject))
    }
)
FEATURE_KEYS = ["frame_classifier", "video_classifier", "clip", "gate", "batch_size"]
RESAMPLING_KEYS = ["seed", "bootstrap", "permutations", "block_clips"]
# The reference `mean` gives one video for all clips: that is its purpose, and no alarm.
WATCHED = [(row, subject) for row, subject in SCORED if row != "mean"]
COMPARED = [(row, subject) for row, subject in SCORED if subject != "truth"]
TABLES = [
    f"{R}/evaluate/tables/{table}.{suffix}"
    for table in ("videos", "frames", "ablations", "tasks")
    for suffix in ("tsv", "md", "tex")
] + [f"{R}/evaluate/tables/seeds.tsv"]


rule evaluate_truth:
    input:
        frames=per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES),
        models=classifiers(),
    output:
        f"{R}/evaluate/truth/features.safetensors",
    log:
        f"{R}/logs/evaluate/truth.log",
    benchmark:
        f"{R}/benchmarks/evaluate/truth.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpus(),
    params:
        settings=settings("evaluate", only=FEATURE_KEYS),
        compute=COMPUTE,
    message:
        "Features of the true test clips"
    shell:
        "python -m neurons evaluate truth --frames {input.frames:q} --settings {params.settings:q} {params.compute}"
        " --output {output:q} 2> {log:q}"


rule evaluate_mean:
    input:
        train_frames=per_movie("cut/{movie}/frames.safetensors", TRAIN_MOVIES),
        test_frames=per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES),
    output:
        f"{R}/evaluate/references/mean/truth/videos.safetensors",
    log:
        f"{R}/logs/evaluate/mean.log",
    benchmark:
        f"{R}/benchmarks/evaluate/mean.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        video_frames=CONFIG.reconstruct.video.frames,
    message:
        "Reference: the average training video"
    shell:
        "python -m neurons evaluate mean --train-frames {input.train_frames:q} --test-frames {input.test_frames:q}"
        " --video-frames {params.video_frames} --output {output:q} 2> {log:q}"


rule evaluate_retrieval:
    input:
        train=f"{R}/preprocess/{{subject}}/train.safetensors",
        test=f"{R}/preprocess/{{subject}}/test.safetensors",
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
        train_frames=per_movie("cut/{movie}/frames.safetensors", TRAIN_MOVIES),
    output:
        f"{R}/evaluate/references/retrieval/{{subject}}/videos.safetensors",
    log:
        f"{R}/logs/evaluate/retrieval/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/retrieval/{{subject}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=6000,
        runtime=60,
    params:
        validation_movies=CONFIG.study.validation_movies,
        video_frames=CONFIG.reconstruct.video.frames,
    message:
        "Reference: the nearest training clip for {wildcards.subject}"
    shell:
        "python -m neurons evaluate retrieval --subject {wildcards.subject} --train {input.train:q}"
        " --test {input.test:q} --image-tokens {input.image_tokens:q} --train-frames {input.train_frames:q}"
        " --validation-movies {params.validation_movies:q} --video-frames {params.video_frames} --output {output:q} 2> {log:q}"


rule evaluate_features:
    input:
        videos=scored_videos,
        frames=per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES),
        models=classifiers(),
    output:
        f"{R}/evaluate/{{row}}/{{subject}}/features.safetensors",
    log:
        f"{R}/logs/evaluate/features/{{row}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/features/{{row}}_{{subject}}.tsv"
    wildcard_constraints:
        row="(?!references|ceiling).*",
    conda:
        "../envs/evaluate.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpus(),
    params:
        settings=settings("evaluate", only=FEATURE_KEYS),
        compute=COMPUTE,
    message:
        "Features of the videos of {wildcards.row}, {wildcards.subject}"
    shell:
        "python -m neurons evaluate features --videos {input.videos:q} --frames {input.frames:q}"
        " --settings {params.settings:q} {params.compute} --output {output:q} 2> {log:q}"


rule evaluate_scores:
    input:
        features=f"{R}/evaluate/{{row}}/{{subject}}/features.safetensors",
        truth=f"{R}/evaluate/truth/features.safetensors",
        videos=scored_videos,
        frames=per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES),
        labels=per_movie("annotate/{movie}/labels.safetensors", TEST_MOVIES),
        annotation=per_movie("annotate/{movie}/annotation.parquet", TEST_MOVIES),
        train_labels=per_movie("annotate/{movie}/labels.safetensors", TRAIN_MOVIES),
        decoded=task_outputs("decoded.safetensors"),
        table=task_outputs("decoded.tsv"),
    output:
        scores=f"{R}/evaluate/{{row}}/{{subject}}/scores.tsv",
        clips=f"{R}/evaluate/{{row}}/{{subject}}/clips.parquet",
    log:
        f"{R}/logs/evaluate/scores/{{row}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/scores/{{row}}_{{subject}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        settings=settings(
            "evaluate", without=[*FEATURE_KEYS, "references", "published"]
        ),
        tasks=lambda wildcards, input: (
            f"--decoded {input.decoded} --table {input.table}" if input.decoded else ""
        ),
    message:
        "Score {wildcards.row}, {wildcards.subject}"
    shell:
        "python -m neurons evaluate scores --variant {wildcards.row} --subject {wildcards.subject}"
        " --features {input.features:q} --truth {input.truth:q} --videos {input.videos:q} --frames {input.frames:q}"
        " --labels {input.labels:q} --annotation {input.annotation:q} --train-labels {input.train_labels:q}"
        " {params.tasks} --settings {params.settings:q} --scores {output.scores:q} --clips {output.clips:q} 2> {log:q}"


rule evaluate_table:
    input:
        scores=[f"{R}/evaluate/{row}/{subject}/scores.tsv" for row, subject in SCORED]
        + expand(f"{R}/evaluate/ceiling/{{subject}}/scores.tsv", subject=SUBJECTS),
    output:
        table=report(
            f"{R}/evaluate/scores.tsv",
            category="evaluate",
            labels={"what": "all scores"},
        ),
        json=f"{R}/evaluate/scores.json",
    log:
        f"{R}/logs/evaluate/table.log",
    benchmark:
        f"{R}/benchmarks/evaluate/table.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Put all scores in one table"
    shell:
        "python -m neurons evaluate table --scores {input.scores:q} --output {output.table:q} --json {output.json:q} 2> {log:q}"


rule evaluate_breakdown:
    input:
        clips=f"{R}/evaluate/{{row}}/{{subject}}/clips.parquet",
        labels=per_movie("annotate/{movie}/labels.safetensors", TEST_MOVIES),
        annotation=per_movie("annotate/{movie}/annotation.parquet", TEST_MOVIES),
        clip_tables=per_movie("cut/{movie}/clips.tsv", TEST_MOVIES),
        decoded=task_outputs("decoded.safetensors"),
    output:
        kinds=f"{R}/evaluate/{{row}}/{{subject}}/kinds.tsv",
        concepts=f"{R}/evaluate/{{row}}/{{subject}}/concepts.tsv",
    log:
        f"{R}/logs/evaluate/breakdown/{{row}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/breakdown/{{row}}_{{subject}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=settings("evaluate", only=[*RESAMPLING_KEYS, "concept_threshold"]),
        decoded=lambda wildcards, input: (
            f"--decoded {input.decoded}" if input.decoded else ""
        ),
    message:
        "Break down the scores of {wildcards.row}, {wildcards.subject}"
    shell:
        "python -m neurons evaluate breakdown --clips {input.clips:q} --labels {input.labels:q}"
        " --annotation {input.annotation:q} --clip-tables {input.clip_tables:q} {params.decoded}"
        " --settings {params.settings:q} --kinds {output.kinds:q} --concepts {output.concepts:q} 2> {log:q}"


rule evaluate_ceiling:
    input:
        runs=runs_of("test"),
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
    output:
        f"{R}/evaluate/ceiling/{{subject}}/scores.tsv",
    log:
        f"{R}/logs/evaluate/ceiling/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/ceiling/{{subject}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=settings("evaluate", only=[*RESAMPLING_KEYS, "retrieval_pool"]),
    message:
        "Ceiling from the repeats of {wildcards.subject}"
    shell:
        "python -m neurons evaluate ceiling --subject {wildcards.subject} --runs {input.runs:q}"
        " --selection {input.selection:q} --settings {params.settings:q} --scores {output:q} 2> {log:q}"


rule evaluate_compare:
    input:
        clips=[
            f"{R}/evaluate/{row}/{subject}/clips.parquet" for row, subject in COMPARED
        ],
    output:
        f"{R}/evaluate/comparisons.tsv",
    log:
        f"{R}/logs/evaluate/compare.log",
    benchmark:
        f"{R}/benchmarks/evaluate/compare.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        rows=[f"{row}/{subject}" for row, subject in COMPARED],
        settings=settings("evaluate", only=RESAMPLING_KEYS),
    message:
        "Compare variants clip by clip"
    shell:
        "python -m neurons evaluate compare --rows {params.rows:q} --clips {input.clips:q}"
        " --settings {params.settings:q} --output {output:q} 2> {log:q}"


rule evaluate_alarms:
    input:
        videos=[videos_of(row, subject) for row, subject in WATCHED],
        scores=f"{R}/evaluate/scores.tsv",
        frames=per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES),
        train_frames=per_movie("cut/{movie}/frames.safetensors", TRAIN_MOVIES),
        clip_tables=per_movie("cut/{movie}/clips.tsv", TEST_MOVIES),
        models=[
            f"{R}/{stage}/{variant}/{subject}/model.safetensors"
            for variant, subject in BY_BRAIN
            for stage in ("pretrain", "decouple")
        ],
        trained_from=expand(
            f"{R}/preprocess/{{subject}}/train.safetensors", subject=SUBJECTS
        )
        + BACKBONES,
        test_files=expand(
            f"{R}/preprocess/{{subject}}/test.safetensors", subject=SUBJECTS
        )
        + per_movie("annotate/{movie}/labels.safetensors", TEST_MOVIES)
        + per_movie("annotate/{movie}/annotation.parquet", TEST_MOVIES)
        + per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES)
        + [
            f"{R}/preprocess/{run.subject}/runs/{run.movie}_{run.repeat}.safetensors"
            for run in RUNS[RUNS["split"] == "test"].itertuples()
        ],
    output:
        f"{R}/evaluate/alarms.tsv",
    log:
        f"{R}/logs/evaluate/alarms.log",
    benchmark:
        f"{R}/benchmarks/evaluate/alarms.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        rows=[f"{row}/{subject}" for row, subject in WATCHED],
    message:
        "Look for leaks, collapse and scores too good to be true"
    shell:
        "python -m neurons evaluate alarms --rows {params.rows:q} --videos {input.videos:q} --scores {input.scores:q}"
        " --frames {input.frames:q} --train-frames {input.train_frames:q} --clip-tables {input.clip_tables:q}"
        " --models {input.models:q} --trained-from {input.trained_from:q} --test-files {input.test_files:q}"
        " --output {output:q} 2> {log:q}"


rule evaluate_tables:
    input:
        scores=f"{R}/evaluate/scores.tsv",
    output:
        TABLES,
    log:
        f"{R}/logs/evaluate/tables.log",
    benchmark:
        f"{R}/benchmarks/evaluate/tables.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        variants=VARIANTS,
        seeds=json.dumps(CONFIG.seeds()),
        published="--published" if CONFIG.evaluate.published else "",
        folder=lambda wildcards, output: str(Path(output[0]).parent),
    message:
        "Write the tables of the paper"
    shell:
        "python -m neurons evaluate tables --scores {input.scores:q} --variants {params.variants:q}"
        " --seeds {params.seeds:q} {params.published} --folder {params.folder:q} 2> {log:q}"


rule evaluate_figures:
    input:
        videos=lambda wildcards: [
            videos_of(row, subject)
            for row, subject in SCORED
            if subject in (wildcards.subject, "truth")
        ],
        decoded=expand(
            f"{R}/reconstruct/{{variant}}/{{{{subject}}}}/decoded.safetensors",
            variant=VARIANTS,
        ),
        tables=expand(
            f"{R}/reconstruct/{{variant}}/{{{{subject}}}}/decoded.tsv",
            variant=VARIANTS,
        ),
        controls=expand(
            f"{R}/reconstruct/{{variant}}/{{{{subject}}}}/control.safetensors",
            variant=VARIANTS,
        ),
        clips=f"{R}/evaluate/{VARIANTS[0]}/{{subject}}/clips.parquet",
        frames=per_movie("cut/{movie}/frames.safetensors", TEST_MOVIES),
        labels=per_movie("annotate/{movie}/labels.safetensors", TEST_MOVIES),
    output:
        strips=report(
            f"{R}/evaluate/figures/{{subject}}_strips.png",
            category="evaluate",
            labels={"what": "side by side", "subject": "{subject}"},
        ),
        masks=report(
            f"{R}/evaluate/figures/{{subject}}_masks.png",
            category="evaluate",
            labels={"what": "masks", "subject": "{subject}"},
        ),
    log:
        f"{R}/logs/evaluate/figures/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/figures/{{subject}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        rows=lambda wildcards: [
            row for row, subject in SCORED if subject in (wildcards.subject, "truth")
        ],
        variants=VARIANTS,
    message:
        "Figures of {wildcards.subject}"
    shell:
        "python -m neurons evaluate figures --subject {wildcards.subject} --rows {params.rows:q}"
        " --videos {input.videos:q} --variants {params.variants:q} --decoded {input.decoded:q}"
        " --tables {input.tables:q} --controls {input.controls:q} --clips {input.clips:q} --frames {input.frames:q}"
        " --labels {input.labels:q} --strips-picture {output.strips:q} --masks-picture {output.masks:q} 2> {log:q}"


rule evaluate_held_out:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        brain_model=brain_model_of,
        decoupler=decoupler_of,
        concepts=f"{R}/embed/concepts.safetensors",
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
        text=per_movie("embed/{movie}/text.safetensors", TRAIN_MOVIES),
        latents=per_movie("embed/{movie}/latents.safetensors", TRAIN_MOVIES),
        labels=per_movie("annotate/{movie}/labels.safetensors", TRAIN_MOVIES),
        annotation=per_movie("annotate/{movie}/annotation.parquet", TRAIN_MOVIES),
    output:
        f"{R}/evaluate/held_out/{{variant}}/{{subject}}/tasks.parquet",
    log:
        f"{R}/logs/evaluate/held_out/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/held_out/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=gpus(),
    params:
        validation_movies=CONFIG.study.validation_movies,
        settings=settings("evaluate", only=["seed", "mask_threshold"]),
        place=PLACE,
    message:
        "Score what {wildcards.variant} decodes from the held-out training clips of {wildcards.subject}"
    shell:
        "python -m neurons evaluate held-out --responses {input.responses:q} --brain-model {input.brain_model:q}"
        " --decoupler {input.decoupler:q} --concepts {input.concepts:q} --image-tokens {input.image_tokens:q}"
        " --text {input.text:q} --latents {input.latents:q} --labels {input.labels:q} --annotation {input.annotation:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.place}"
        " --output {output:q} 2> {log:q}"


rule evaluate_ablations:
    input:
        clips=ablated_clips,
    output:
        scores=f"{R}/evaluate/ablations/{{split}}_scores.tsv",
        table=f"{R}/evaluate/ablations/{{split}}.tsv",
        page=f"{R}/evaluate/ablations/{{split}}.md",
    log:
        f"{R}/logs/evaluate/ablations/{{split}}.log",
    benchmark:
        f"{R}/benchmarks/evaluate/ablations/{{split}}.tsv"
    wildcard_constraints:
        split="held_out|test",
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        rows=json.dumps(ABLATION_ROWS),
        permutations=CONFIG.ablations.permutations,
        settings=settings("evaluate", only=["seed", "bootstrap", "block_clips"]),
    message:
        "Compare the rows of the ablation table, {wildcards.split} clips"
    shell:
        "python -m neurons evaluate ablations --rows {params.rows:q} --clips {input.clips:q}"
        " --permutations {params.permutations} --settings {params.settings:q} --scores {output.scores:q}"
        " --table {output.table:q} --page {output.page:q} 2> {log:q}"


rule evaluate_learning_curves:
    input:
        summaries=curve_summaries,
    output:
        scores=f"{R}/evaluate/learning_curves.tsv",
        picture=report(
            f"{R}/evaluate/learning_curves.png",
            category="evaluate",
            labels={"what": "learning curves"},
        ),
    log:
        f"{R}/logs/evaluate/learning_curves.log",
    benchmark:
        f"{R}/benchmarks/evaluate/learning_curves.tsv"
    conda:
        "../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        points=json.dumps(CURVE_POINTS),
    message:
        "Draw learning curves"
    shell:
        "python -m neurons evaluate learning-curves --points {params.points:q} --summaries {input.summaries:q}"
        " --scores {output.scores:q} --picture {output.picture:q} 2> {log:q}"
