"""reconstruct: test responses to task outputs, control images and videos.

`oracle/truth` is a pseudo variant and subject whose task outputs are the truth: what the video model allows. Clips are
divided into chunks (jobs); within a chunk a clip's folder appears when the clip is done, and a rerun does only what
is missing. `snakemake tune` compares strengths on validation clips; its result is a configuration file.
"""

RECONSTRUCTED = f"{R}/reconstruct/{{variant}}/{{subject}}"


rule reconstruct_decode:
    input:
        responses=f"{R}/preprocess/{{subject}}/test.safetensors",
        brain_model=brain_model_of,
        decoupler=decoupler_of,
        concepts=f"{R}/embed/concepts.safetensors",
    output:
        decoded=f"{RECONSTRUCTED}/decoded.safetensors",
        table=f"{RECONSTRUCTED}/decoded.tsv",
    log:
        f"{R}/logs/reconstruct/decode/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/decode/{{variant}}_{{subject}}.tsv"
    wildcard_constraints:
        variant="(?!oracle).*",
    conda:
        "../envs/reconstruct.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpus(),
    params:
        settings=of_variant(
            "reconstruct",
            only=[
                "seed",
                "prompt_caption",
                "prompt_concepts",
                "concept_threshold",
                "batch_size",
            ],
        ),
        compute=COMPUTE,
    message:
        "Decode the four tasks of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons reconstruct decode --subject {wildcards.subject} --variant {wildcards.variant}"
        " --responses {input.responses:q} --brain-model {input.brain_model:q} --decoupler {input.decoupler:q}"
        " --concepts {input.concepts:q} --settings {params.settings:q} {params.compute}"
        " --output {output.decoded:q} --table {output.table:q} 2> {log:q}"


rule reconstruct_oracle:
    input:
        annotation=per_movie("annotate/{movie}/annotation.parquet", TEST_MOVIES),
        labels=per_movie("annotate/{movie}/labels.safetensors", TEST_MOVIES),
        image_tokens=per_movie("embed/{movie}/image_tokens.safetensors", TEST_MOVIES),
        latents=per_movie("embed/{movie}/latents.safetensors", TEST_MOVIES),
        text=per_movie("embed/{movie}/text.safetensors", TEST_MOVIES),
    output:
        decoded=f"{R}/reconstruct/oracle/truth/decoded.safetensors",
        table=f"{R}/reconstruct/oracle/truth/decoded.tsv",
    log:
        f"{R}/logs/reconstruct/oracle.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/oracle.tsv"
    conda:
        "../envs/reconstruct.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=settings(
            "reconstruct",
            only=["prompt_caption", "prompt_concepts", "concept_threshold"],
        ),
    message:
        "Take the true task outputs"
    shell:
        "python -m neurons reconstruct oracle --annotation {input.annotation:q} --labels {input.labels:q}"
        " --image-tokens {input.image_tokens:q} --latents {input.latents:q} --text {input.text:q}"
        " --settings {params.settings:q} --output {output.decoded:q} --table {output.table:q} 2> {log:q}"


rule reconstruct_control:
    input:
        decoded=f"{RECONSTRUCTED}/decoded.safetensors",
        models=control_models,
    output:
        f"{RECONSTRUCTED}/control.safetensors",
    log:
        f"{R}/logs/reconstruct/control/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/control/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/reconstruct.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=720,
        gpu=gpus(),
    params:
        settings=of_variant(
            "reconstruct", only=["seed", "control", "offload", "batch_size"]
        ),
        vae=model(CONFIG.embed.vae),
        compute=COMPUTE,
    message:
        "Control images of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons reconstruct control --decoded {input.decoded:q} --settings {params.settings:q}"
        " --vae {params.vae:q} {params.compute} --output {output:q} 2> {log:q}"


rule reconstruct_videos:
    input:
        decoded=f"{RECONSTRUCTED}/decoded.safetensors",
        table=f"{RECONSTRUCTED}/decoded.tsv",
        control=f"{RECONSTRUCTED}/control.safetensors",
        models=video_models,
        vae=folder(CONFIG.embed.vae),
        clip=folder(CONFIG.embed.clip),
    output:
        manifest=f"{RECONSTRUCTED}/chunks/{{chunk}}.tsv",
    log:
        f"{R}/logs/reconstruct/videos/{{variant}}_{{subject}}_{{chunk}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/videos/{{variant}}_{{subject}}_{{chunk}}.tsv"
    conda:
        "../envs/reconstruct.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=gpus(),
    params:
        settings=of_variant(
            "reconstruct",
            only=[
                "seed",
                "mask_space",
                "mask_floor",
                "video",
                "samples_per_clip",
                "offload",
                "batch_size",
            ],
        ),
        embed=settings("embed", only=["clip", "clip_input_range"]),
        chunks=CONFIG.reconstruct.chunks,
        clip_s=CONFIG.study.clip_s,
        phase=CONFIG.cut.phase,
        vae=model(CONFIG.embed.vae),
        clips=f"{RECONSTRUCTED}/clips",
        compute=COMPUTE,
    message:
        "Videos of {wildcards.subject}, variant {wildcards.variant}, chunk {wildcards.chunk}"
    shell:
        "python -m neurons reconstruct videos --decoded {input.decoded:q} --table {input.table:q}"
        " --control {input.control:q} --chunk {wildcards.chunk} --chunks {params.chunks}"
        " --clip-s {params.clip_s} --phase {params.phase} --settings {params.settings:q} --vae {params.vae:q}"
        " --embed {params.embed:q} {params.compute} --clips {params.clips:q} --manifest {output.manifest:q} 2> {log:q}"


rule reconstruct_gather:
    input:
        manifests=expand(
            f"{RECONSTRUCTED}/chunks/{{chunk}}.tsv", chunk=CHUNKS, allow_missing=True
        ),
        decoded=f"{RECONSTRUCTED}/decoded.safetensors",
    output:
        videos=f"{RECONSTRUCTED}/videos.safetensors",
        samples=f"{RECONSTRUCTED}/samples.tsv",
    log:
        f"{R}/logs/reconstruct/gather/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/gather/{{variant}}_{{subject}}.tsv"
    conda:
        "../envs/reconstruct.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        clips=f"{RECONSTRUCTED}/clips",
    message:
        "Gather the videos of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons reconstruct gather --manifests {input.manifests:q} --decoded {input.decoded:q}"
        " --clips {params.clips:q} --output {output.videos:q} --samples {output.samples:q} 2> {log:q}"


rule reconstruct_tune:
    input:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
        brain_model=f"{R}/pretrain/{{variant}}/{{subject}}/model.safetensors",
        decoupler=f"{R}/decouple/{{variant}}/{{subject}}/model.safetensors",
        concepts=f"{R}/embed/concepts.safetensors",
        image_tokens=per_movie(
            "embed/{movie}/image_tokens.safetensors", CONFIG.study.validation_movies
        ),
        videos=video_models,
        controls=control_models,
        clip=folder(CONFIG.embed.clip),
    output:
        f"{RECONSTRUCTED}/tuning.tsv",
    log:
        f"{R}/logs/reconstruct/tune/{{variant}}_{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/tune/{{variant}}_{{subject}}.tsv"
    wildcard_constraints:
        variant="(?!oracle).*",
    conda:
        "../envs/reconstruct.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=4000,
        runtime=1440,
        gpu=gpus(),
    params:
        settings=of_variant("reconstruct", without=["chunks", "samples_per_clip"]),
        validation_movies=CONFIG.study.validation_movies,
        vae=model(CONFIG.embed.vae),
        embed=settings("embed", only=["clip", "clip_input_range"]),
        clip_s=CONFIG.study.clip_s,
        phase=CONFIG.cut.phase,
        compute=COMPUTE,
    message:
        "Strengths on validation clips of {wildcards.subject}, variant {wildcards.variant}"
    shell:
        "python -m neurons reconstruct tune --subject {wildcards.subject} --responses {input.responses:q}"
        " --brain-model {input.brain_model:q} --decoupler {input.decoupler:q} --concepts {input.concepts:q}"
        " --image-tokens {input.image_tokens:q} --validation-movies {params.validation_movies:q}"
        " --settings {params.settings:q} --vae {params.vae:q} --embed {params.embed:q} --clip-s {params.clip_s}"
        " --phase {params.phase} {params.compute} --output {output:q} 2> {log:q}"


rule reconstruct_choose:
    input:
        expand(f"{RECONSTRUCTED}/tuning.tsv", subject=SUBJECTS, allow_missing=True),
    output:
        summary=f"{R}/reconstruct/{{variant}}/tuned.json",
        configuration=f"{R}/reconstruct/{{variant}}/tuned.yaml",
    log:
        f"{R}/logs/reconstruct/choose/{{variant}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct/choose/{{variant}}.tsv"
    conda:
        "../envs/reconstruct.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    message:
        "Best strengths, variant {wildcards.variant}"
    shell:
        "python -m neurons reconstruct choose --variant {wildcards.variant} --tables {input:q}"
        " --summary {output.summary:q} --configuration {output.configuration:q} 2> {log:q}"
