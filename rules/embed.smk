"""embed: frozen features, computed once.

CLIP tokens and VAE latents of every frame, CLIP embeddings and token ids of every caption, CLIP tokens of the concept
names. Training and reconstruction read them memory-mapped; no frozen network runs inside a training step.
"""


rule embed_images:
    input:
        frames=f"{R}/cut/{{movie}}/frames.safetensors",
        model=folder(CONFIG.embed.clip),
    output:
        f"{R}/embed/{{movie}}/image_tokens.safetensors",
    log:
        f"{R}/logs/embed/images/{{movie}}.log",
    benchmark:
        f"{R}/benchmarks/embed/images/{{movie}}.tsv"
    conda:
        "../envs/embed.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=gpus(),
    params:
        settings=settings("embed", only=["clip", "clip_input_range", "batch_size"]),
        compute=COMPUTE,
    message:
        "CLIP tokens of the frames of {wildcards.movie}"
    shell:
        "python -m neurons embed images --movie {wildcards.movie} --frames {input.frames:q}"
        " --settings {params.settings:q} {params.compute} --output {output:q} 2> {log:q}"


rule embed_latents:
    input:
        frames=f"{R}/cut/{{movie}}/frames.safetensors",
        model=folder(CONFIG.embed.vae),
    output:
        f"{R}/embed/{{movie}}/latents.safetensors",
    log:
        f"{R}/logs/embed/latents/{{movie}}.log",
    benchmark:
        f"{R}/benchmarks/embed/latents/{{movie}}.tsv"
    conda:
        "../envs/embed.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=3000,
        runtime=120,
        gpu=gpus(),
    params:
        settings=settings("embed", only=["vae", "batch_size"]),
        compute=COMPUTE,
    message:
        "VAE latents of the frames of {wildcards.movie}"
    shell:
        "python -m neurons embed latents --movie {wildcards.movie} --frames {input.frames:q}"
        " --settings {params.settings:q} {params.compute} --output {output:q} 2> {log:q}"


rule embed_captions:
    input:
        annotation=f"{R}/annotate/{{movie}}/annotation.parquet",
        models=folder(CONFIG.embed.clip) + folder(CONFIG.embed.language_model),
    output:
        text=f"{R}/embed/{{movie}}/text.safetensors",
        ids=f"{R}/embed/{{movie}}/caption_ids.safetensors",
    log:
        f"{R}/logs/embed/captions/{{movie}}.log",
    benchmark:
        f"{R}/benchmarks/embed/captions/{{movie}}.tsv"
    conda:
        "../envs/embed.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=3000,
        runtime=60,
        gpu=gpus(),
    params:
        settings=settings(
            "embed", only=["clip", "language_model", "caption_tokens", "batch_size"]
        ),
        compute=COMPUTE,
    message:
        "CLIP embeddings and token ids of the captions of {wildcards.movie}"
    shell:
        "python -m neurons embed captions --movie {wildcards.movie} --annotation {input.annotation:q}"
        " --settings {params.settings:q} {params.compute} --text {output.text:q} --ids {output.ids:q} 2> {log:q}"


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
        settings=settings("embed", only=["clip", "batch_size"]),
        compute=COMPUTE,
    message:
        "CLIP tokens of the concept names"
    shell:
        "python -m neurons embed concepts --settings {params.settings:q} {params.compute} --output {output:q} 2> {log:q}"
