"""decouple: the four task heads (segmentation, concepts, description, blurry video) and the prior.

The brain model is frozen; task weights rise and fall one after another. Reads training movies only.
"""


rule decouple_fit:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        brain_model=brain_model_of,
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
        text=per_movie("embed/{movie}/text.safetensors", TRAIN_MOVIES),
        latents=per_movie("embed/{movie}/latents.safetensors", TRAIN_MOVIES),
        caption_ids=per_movie("embed/{movie}/caption_ids.safetensors", TRAIN_MOVIES),
        labels=per_movie("annotate/{movie}/labels.safetensors", TRAIN_MOVIES),
        annotation=per_movie("annotate/{movie}/annotation.parquet", TRAIN_MOVIES),
        frames=per_movie("cut/{movie}/frames.safetensors", TRAIN_MOVIES),
        concepts=f"{R}/embed/concepts.safetensors",
        models=lambda wildcards: folder(
            CONFIG.variant(wildcards.variant).decouple.language_model
        )
        + folder(CONFIG.embed.vae),
        released=lambda wildcards: (
            CONFIG.variant(wildcards.variant).decouple.released_prior or []
        ),
    output:
        model=f"{R}/decouple/{{variant}}/{{subject}}/model.safetensors",
        log=f"{R}/decouple/{{variant}}/{{subject}}/training.tsv",
        summary=f"{R}/decouple/{{variant}}/{{subject}}/validation.json",
        picture=report(
            f"{R}/decouple/{{variant}}/{{subject}}/early_look.png",
            category="decouple",
            labels={"subject": "{subject}", "variant": "{variant}"},
        ),
    log:
        f"{R}/logs/decouple/fit/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/decouple/fit/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/decouple.yaml"
    threads: CONFIG.compute.threads * PROCESSES
    resources:
        mem_mb=4000 * PROCESSES,
        runtime=1440,
        gpu=gpus(PROCESSES),
    params:
        settings=of_variant("decouple"),
        vae=model(CONFIG.embed.vae),
        validation_movies=CONFIG.study.validation_movies,
        checkpoints=f"{R}/decouple/{{variant}}/{{subject}}/checkpoints",
        training=TRAINING,
        memory=MEMORY,
    message:
        "Train the task heads of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons decouple fit --subject {wildcards.subject} --variant {wildcards.variant}"
        " --responses {input.responses:q} --brain-model {input.brain_model:q}"
        " --image-tokens {input.image_tokens:q} --text {input.text:q} --latents {input.latents:q}"
        " --caption-ids {input.caption_ids:q} --labels {input.labels:q} --annotation {input.annotation:q}"
        " --frames {input.frames:q} --concepts {input.concepts:q} --vae {params.vae:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.training}{params.memory}"
        " --checkpoints {params.checkpoints:q} --model {output.model:q} --log {output.log:q}"
        " --summary {output.summary:q} --picture {output.picture:q} 2> {log:q}"
