"""evaluate: scores, each with its chance level, its interval and its definition.

Networks run once over the truth and once over each set of videos; scores come from these cached features. Reference
rows: the average training video, retrieval by ridge, and the oracle.
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
FEATURE_KEYS = ["frame_classifier", "video_classifier", "clip", "batch_size"]


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
        row="(?!references).*",
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
        settings=settings("evaluate", without=[*FEATURE_KEYS, "references"]),
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
        scores=[f"{R}/evaluate/{row}/{subject}/scores.tsv" for row, subject in SCORED],
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
