"""interpret: which vertices and areas speak for which task, on held-out training movies.

Decoding direction: what each vertex adds to a task's evidence, and what an area's shuffling in time takes away. Encoding
direction: how well a task's output for the clip itself predicts each response. Then a table of areas by name, and maps.
Test clips are not read.
"""


rule interpret_importance:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        vertices=f"{R}/preprocess/{{subject}}/selection.parquet",
        locations=f"{R}/preprocess/{{subject}}/locations.parquet",
        brain_model=f"{R}/pretrain/{{variant}}/{{subject}}/model.safetensors",
        decoupler=f"{R}/decouple/{{variant}}/{{subject}}/model.safetensors",
        concepts=f"{R}/embed/concepts.safetensors",
        labels=per_movie("annotate/{movie}/labels.safetensors", TRAIN_MOVIES),
        latents=per_movie("embed/{movie}/latents.safetensors", TRAIN_MOVIES),
        caption_ids=per_movie("embed/{movie}/caption_ids.safetensors", TRAIN_MOVIES),
    output:
        f"{R}/interpret/{{variant}}/{{subject}}/importance.safetensors",
    log:
        f"{R}/logs/interpret/importance/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/interpret/importance/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/interpret.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=gpus(),
    params:
        settings=settings(
            "interpret",
            only=[
                "seed",
                "baselines",
                "contrasts",
                "area_shuffles",
                "minimum_vertices",
                "groups",
                "block_clips",
                "batch_size",
            ],
        ),
        validation_movies=CONFIG.study.validation_movies,
        place=PLACE,
    message:
        "Importance of the vertices of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons interpret importance --subject {wildcards.subject} --variant {wildcards.variant}"
        " --responses {input.responses:q} --vertices {input.vertices:q} --locations {input.locations:q} --brain-model {input.brain_model:q}"
        " --decoupler {input.decoupler:q} --concepts {input.concepts:q} --labels {input.labels:q}"
        " --latents {input.latents:q} --caption-ids {input.caption_ids:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.place}"
        " --output {output:q} 2> {log:q}"


rule interpret_encoding:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        vertices=f"{R}/preprocess/{{subject}}/selection.parquet",
        locations=f"{R}/preprocess/{{subject}}/locations.parquet",
        brain_model=f"{R}/pretrain/{{variant}}/{{subject}}/model.safetensors",
        decoupler=f"{R}/decouple/{{variant}}/{{subject}}/model.safetensors",
        concepts=f"{R}/embed/concepts.safetensors",
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TRAIN_MOVIES),
    output:
        f"{R}/interpret/{{variant}}/{{subject}}/encoding.safetensors",
    log:
        f"{R}/logs/interpret/encoding/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/interpret/encoding/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/interpret.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=6000,
        runtime=240,
        gpu=gpus(),
    params:
        settings=settings(
            "interpret",
            only=["minimum_vertices", "groups", "components", "batch_size"],
        ),
        validation_movies=CONFIG.study.validation_movies,
        place=PLACE,
    message:
        "Predict the responses of {wildcards.subject} from the tasks, variant {wildcards.variant}"
    shell:
        "python -m neurons interpret encoding --subject {wildcards.subject} --variant {wildcards.variant}"
        " --responses {input.responses:q} --vertices {input.vertices:q} --locations {input.locations:q} --brain-model {input.brain_model:q}"
        " --decoupler {input.decoupler:q} --concepts {input.concepts:q} --image-tokens {input.image_tokens:q}"
        " --validation-movies {params.validation_movies:q} --settings {params.settings:q} {params.place}"
        " --output {output:q} 2> {log:q}"


rule interpret_areas:
    input:
        importance=f"{R}/interpret/{{variant}}/{{subject}}/importance.safetensors",
        encoding=f"{R}/interpret/{{variant}}/{{subject}}/encoding.safetensors",
    output:
        table=report(
            f"{R}/interpret/{{variant}}/{{subject}}/areas.tsv",
            category="interpret",
            labels={"subject": "{subject}", "variant": "{variant}", "what": "areas"},
        ),
        agreement=f"{R}/interpret/{{variant}}/{{subject}}/agreement.tsv",
        summary=f"{R}/interpret/{{variant}}/{{subject}}/summary.json",
    log:
        f"{R}/logs/interpret/areas/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/interpret/areas/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/interpret.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=settings(
            "interpret", only=["seed", "bootstrap", "permutations", "block_clips"]
        ),
    message:
        "Areas that speak for the tasks: {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons interpret areas --importance {input.importance:q} --encoding {input.encoding:q}"
        " --settings {params.settings:q} --table {output.table:q} --agreement {output.agreement:q}"
        " --summary {output.summary:q} 2> {log:q}"


rule interpret_maps:
    input:
        importance=f"{R}/interpret/{{variant}}/{{subject}}/importance.safetensors",
        encoding=f"{R}/interpret/{{variant}}/{{subject}}/encoding.safetensors",
        table=f"{R}/interpret/{{variant}}/{{subject}}/areas.tsv",
        mask=grid_of_voxels,
    output:
        importance=report(
            f"{R}/interpret/{{variant}}/{{subject}}/importance.png",
            category="interpret",
            labels={
                "subject": "{subject}",
                "variant": "{variant}",
                "what": "importance",
            },
        ),
        shape=f"{R}/interpret/{{variant}}/{{subject}}/shape.png",
        encoding=f"{R}/interpret/{{variant}}/{{subject}}/encoding.png",
        areas=f"{R}/interpret/{{variant}}/{{subject}}/areas.png",
        exports=directory(f"{R}/interpret/{{variant}}/{{subject}}/exports"),
        views=directory(f"{R}/interpret/{{variant}}/{{subject}}/views"),
    log:
        f"{R}/logs/interpret/maps/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/interpret/maps/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/interpret.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=settings("interpret", only=["shown", "smoothing_steps", "views"]),
        mask=lambda wildcards, input: (
            f"--mask {shlex.quote(input.mask)}" if input.mask else ""
        ),
    message:
        "Draw the maps of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons interpret maps --importance {input.importance:q} --encoding {input.encoding:q}"
        " --table {input.table:q} --settings {params.settings:q} {params.mask}"
        " --importance-picture {output.importance:q} --shape-picture {output.shape:q}"
        " --encoding-picture {output.encoding:q} --areas-picture {output.areas:q} --exports {output.exports:q}"
        " --views {output.views:q} 2> {log:q}"
