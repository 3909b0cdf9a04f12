"""pretrain: the brain model (ridge, backbone, motion projection, text embedding).

Reads training movies only; whole training movies are held out to choose the epoch. A killed run resumes from
`checkpoints/`.
"""


rule pretrain_fit:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
        text=per_movie("embed/{movie}/text.safetensors", TRAIN_MOVIES),
        released=lambda wildcards: (
            CONFIG.variant(wildcards.variant).pretrain.released or []
        ),
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
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=gpus(),
    params:
        settings=of_variant("pretrain"),
        validation_movies=CONFIG.study.validation_movies,
        checkpoints=f"{R}/pretrain/{{variant}}/{{subject}}/checkpoints",
        compute=COMPUTE,
        memory=MEMORY,
    message:
        "Train the brain model of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons pretrain fit --subject {wildcards.subject} --variant {wildcards.variant}"
        " --responses {input.responses:q} --image-tokens {input.image_tokens:q} --text {input.text:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.compute}{params.memory}"
        " --checkpoints {params.checkpoints:q} --model {output.model:q} --log {output.log:q}"
        " --summary {output.summary:q} 2> {log:q}"
