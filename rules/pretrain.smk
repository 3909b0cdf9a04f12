"""pretrain: the brain model (ridge, backbone, motion projection, text embedding).

Reads training movies only; whole training movies are held out to choose the epoch. A killed run resumes from
`checkpoints/`. With `pretrain.start` others or all, the layers after the ridge are first trained on several subjects.
"""


rule pretrain_fit:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
        text=per_movie("embed/{movie}/text.safetensors", TRAIN_MOVIES),
        released=lambda wildcards: (
            CONFIG.variant(wildcards.variant).pretrain.released or []
        ),
        start=lambda wildcards: shared_start(wildcards.variant, wildcards.subject),
    output:
        model=f"{R}/pretrain/{{variant}}/{{subject}}/model.safetensors",
        log=f"{R}/pretrain/{{variant}}/{{subject}}/training.tsv",
        summary=f"{R}/pretrain/{{variant}}/{{subject}}/validation.json",
    log:
        f"{R}/logs/pretrain/fit/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/pretrain/fit/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/pretrain.yaml"
    threads: CONFIG.compute.threads * PROCESSES
    resources:
        mem_mb=4000 * PROCESSES,
        runtime=1440,
        gpu=gpus(PROCESSES),
    params:
        settings=of_variant("pretrain"),
        validation_movies=CONFIG.study.validation_movies,
        checkpoints=f"{R}/pretrain/{{variant}}/{{subject}}/checkpoints",
        start=lambda wildcards, input: f"--start {input.start}" if input.start else "",
        training=TRAINING,
        memory=MEMORY,
    message:
        "Train the brain model of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons pretrain fit --subject {wildcards.subject} --variant {wildcards.variant}"
        " --responses {input.responses:q} --image-tokens {input.image_tokens:q} --text {input.text:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.start}"
        " {params.training}{params.memory}"
        " --checkpoints {params.checkpoints:q} --model {output.model:q} --log {output.log:q}"
        " --summary {output.summary:q} 2> {log:q}"


rule pretrain_shared:
    input:
        responses=lambda wildcards: [
            f"{R}/preprocess/{subject}/train.safetensors"
            for subject in backbone_subjects(wildcards)
        ],
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
        text=per_movie("embed/{movie}/text.safetensors", TRAIN_MOVIES),
    output:
        model=f"{R}/pretrain/{{variant}}/{{subject}}/start.safetensors",
        log=f"{R}/pretrain/{{variant}}/{{subject}}/start_training.tsv",
    log:
        f"{R}/logs/pretrain/shared/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/pretrain/shared/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/pretrain.yaml"
    threads: CONFIG.compute.threads * PROCESSES
    resources:
        mem_mb=lambda wildcards, input: (
            (2000 + 3000 * len(input.responses)) * PROCESSES
        ),
        runtime=1440,
        gpu=gpus(PROCESSES),
    params:
        subjects=backbone_subjects,
        settings=of_variant("pretrain", without=["training_clips"]),
        validation_movies=CONFIG.study.validation_movies,
        checkpoints=f"{R}/pretrain/{{variant}}/{{subject}}/checkpoints/start",
        training=TRAINING,
    message:
        "Train the backbone that {wildcards.subject} starts from, variant {wildcards.variant}"
    shell:
        "python -m neurons pretrain shared --subjects {params.subjects:q} --responses {input.responses:q}"
        " --image-tokens {input.image_tokens:q} --text {input.text:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.training}"
        " --checkpoints {params.checkpoints:q} --model {output.model:q} --log {output.log:q} 2> {log:q}"
