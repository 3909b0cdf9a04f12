"""embed: frozen features, computed once.

CLIP tokens and VAE latents of every frame, CLIP embeddings and token ids of every caption, CLIP tokens of the concept
names. Training and reconstruction read them memory-mapped; no frozen network runs inside a training step. A job
embeds `embed.movies_per_job` movies, since loading a model takes as long as many clips; never movies of both splits, so that
a new test movie leaves what training reads as it is.
"""

EMBEDDED_TOGETHER = [
    split[start : start + CONFIG.embed.movies_per_job]
    for split in (TRAIN_MOVIES, TEST_MOVIES)
    for start in range(0, len(split), CONFIG.embed.movies_per_job)
]

for number, movies in enumerate(EMBEDDED_TOGETHER):

    rule:
        name:
            f"embed_images_{number}"
        input:
            frames=per_movie("cut/{movie}/frames.safetensors", movies),
            model=folder(CONFIG.embed.clip),
        output:
            per_movie("embed/{movie}/image_tokens.safetensors", movies),
        log:
            f"{R}/logs/embed/images/{number}.log",
        benchmark:
            f"{R}/benchmarks/embed/images/{number}.tsv"
        conda:
            "../envs/embed.yaml"
        threads: CONFIG.compute.threads
        resources:
            mem_mb=3000,
            runtime=240,
            gpu=gpus(),
        params:
            settings=settings(
                "embed", only=["clip", "clip_sizes", "clip_input_range", "batch_size"]
            ),
            movies=movies,
            compute=COMPUTE,
        message:
            f"CLIP tokens of the frames of {', '.join(movies)}"
        shell:
            "python -m neurons embed images --movies {params.movies:q} --frames {input.frames:q} --outputs {output:q}"
            " --settings {params.settings:q} {params.compute} 2> {log:q}"

    rule:
        name:
            f"embed_latents_{number}"
        input:
            frames=per_movie("cut/{movie}/frames.safetensors", movies),
            model=folder(CONFIG.embed.vae),
        output:
            per_movie("embed/{movie}/latents.safetensors", movies),
        log:
            f"{R}/logs/embed/latents/{number}.log",
        benchmark:
            f"{R}/benchmarks/embed/latents/{number}.tsv"
        conda:
            "../envs/embed.yaml"
        threads: CONFIG.compute.threads
        resources:
            mem_mb=3000,
            runtime=240,
            gpu=gpus(),
        params:
            settings=settings("embed", only=["vae", "batch_size"]),
            movies=movies,
            compute=COMPUTE,
        message:
            f"VAE latents of the frames of {', '.join(movies)}"
        shell:
            "python -m neurons embed latents --movies {params.movies:q} --frames {input.frames:q} --outputs {output:q}"
            " --settings {params.settings:q} {params.compute} 2> {log:q}"

    rule:
        name:
            f"embed_captions_{number}"
        input:
            annotation=per_movie("annotate/{movie}/annotation.parquet", movies),
            models=folder(CONFIG.embed.clip) + folder(CONFIG.embed.language_model),
        output:
            text=per_movie("embed/{movie}/text.safetensors", movies),
            ids=per_movie("embed/{movie}/caption_ids.safetensors", movies),
        log:
            f"{R}/logs/embed/captions/{number}.log",
        benchmark:
            f"{R}/benchmarks/embed/captions/{number}.tsv"
        conda:
            "../envs/embed.yaml"
        threads: CONFIG.compute.threads
        resources:
            mem_mb=3000,
            runtime=60,
            gpu=gpus(),
        params:
            settings=settings(
                "embed",
                only=[
                    "clip",
                    "clip_sizes",
                    "language_model",
                    "caption_tokens",
                    "batch_size",
                ],
            ),
            movies=movies,
            compute=COMPUTE,
        message:
            f"CLIP embeddings and token ids of the captions of {', '.join(movies)}"
        shell:
            "python -m neurons embed captions --movies {params.movies:q} --annotation {input.annotation:q}"
            " --text {output.text:q} --ids {output.ids:q}"
            " --settings {params.settings:q} {params.compute} 2> {log:q}"


rule embed_concepts:
    input:
        model=folder(CONFIG.embed.clip),
    output:
        f"{R}/embed/concepts.safetensors",
    log:
        f"{R}/logs/embed/concepts.log",
    benchmark:
        f"{R}/benchmarks/embed/concepts.tsv"
    conda:
        "../envs/embed.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=gpus(),
    params:
        settings=settings("embed", only=["clip", "clip_sizes", "batch_size"]),
        compute=COMPUTE,
    message:
        "CLIP tokens of the concept names"
    shell:
        "python -m neurons embed concepts --settings {params.settings:q} {params.compute} --output {output:q} 2> {log:q}"
