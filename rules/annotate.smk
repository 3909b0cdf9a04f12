"""annotate: clips to captions, tags, concepts, masks and the key object.

A source gives captions and tags, another masks: tables that somebody else made (the default), or models. `annotate_describe`
asks a vision-language model, on this machine or a server, for caption, nouns and their concepts of each frame;
`annotate_segment` finds the nouns in the frames. Both are heavy, keep each result as it comes, and go on there after a crash.
`annotate_clips` is light: nouns are mapped to the 51 concepts, and the paper's rule picks the key object of each clip, with
the reason. The prompts' texts, the models' files, ids and revisions are declared, so that a change of one reruns what
depends on it; how many requests are made at once, and how patiently, are resources, whose change reruns nothing.
"""


rule annotate_describe:
    input:
        frames=f"{R}/cut/{{movie}}/frames.safetensors",
        question=prompt(CONFIG.annotate.per),
        repair=prompt("repair"),
        model=(
            folder(CONFIG.annotate.qwen.model)
            if CONFIG.annotate.backend == "qwen"
            else []
        ),
    output:
        descriptions=f"{R}/annotate/{{movie}}/descriptions.parquet",
        failures=f"{R}/annotate/{{movie}}/failures.tsv",
    log:
        f"{R}/logs/annotate/describe/{{movie}}.log",
    benchmark:
        f"{R}/benchmarks/annotate/describe/{{movie}}.tsv"
    conda:
        "../envs/annotate.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=16000,
        runtime=1440,
        gpu=(
            CONFIG.annotate.qwen.gpus * gpus()
            if CONFIG.annotate.backend == "qwen"
            else 0
        ),
        batch=CONFIG.annotate.qwen.batch_size,
        requests=CONFIG.annotate.openai.concurrency,
        timeout_s=CONFIG.annotate.openai.timeout_s,
        attempts=CONFIG.annotate.openai.attempts,
    params:
        settings=annotate_settings("backend", "per", CONFIG.annotate.backend),
        clip_s=CONFIG.study.clip_s,
        kept=f"{R}/annotate/{{movie}}/descriptions.kept.jsonl",
        compute=COMPUTE,
    message:
        "Describe the frames of {wildcards.movie}"
    shell:
        "python -m neurons annotate describe --frames {input.frames:q} --question {input.question:q}"
        " --repair {input.repair:q} --settings {params.settings:q} --clip-s {params.clip_s} --kept {params.kept:q}"
        " --descriptions {output.descriptions:q} --failures {output.failures:q} --batch-size {resources.batch}"
        " --concurrency {resources.requests} --timeout-s {resources.timeout_s} --attempts {resources.attempts}"
        " {params.compute} 2> {log:q}"


rule annotate_segment:
    input:
        clips=f"{R}/cut/{{movie}}/clips.tsv",
        frames=f"{R}/cut/{{movie}}/frames.safetensors",
        captions=caption_inputs,
        detector=(
            folder(CONFIG.annotate.grounded_sam.detector)
            if CONFIG.annotate.masks != "table"
            else []
        ),
        sam=CONFIG.annotate.grounded_sam.sam,
    output:
        masks=f"{R}/annotate/{{movie}}/masks.safetensors",
    log:
        f"{R}/logs/annotate/segment/{{movie}}.log",
    benchmark:
        f"{R}/benchmarks/annotate/segment/{{movie}}.tsv"
    conda:
        "../envs/annotate.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=16000,
        runtime=720,
        gpu=gpus(),
        batch=CONFIG.annotate.grounded_sam.batch_size,
    params:
        settings=annotate_settings("grounded_sam", "mask_size_px"),
        sources=annotation_sources("captions"),
        kept=f"{R}/annotate/{{movie}}/masks.kept.jsonl",
        device=CONFIG.compute.device,
    message:
        "Find and outline what is described in {wildcards.movie}"
    shell:
        "python -m neurons annotate segment --movie {wildcards.movie} --clips {input.clips:q} --frames {input.frames:q}"
        " --settings {params.settings:q} {params.sources} --kept {params.kept:q} --masks {output.masks:q}"
        " --batch-size {resources.batch} --device {params.device} --threads {threads} 2> {log:q}"


rule annotate_clips:
    input:
        clips=f"{R}/cut/{{movie}}/clips.tsv",
        frames=f"{R}/cut/{{movie}}/frames.safetensors",
        captions=caption_inputs,
        masks=mask_inputs,
    output:
        annotation=f"{R}/annotate/{{movie}}/annotation.parquet",
        labels=f"{R}/annotate/{{movie}}/labels.safetensors",
        tags=f"{R}/annotate/{{movie}}/tags.tsv",
        sheet=report(
            f"{R}/annotate/{{movie}}/sheet.png",
            category="annotate",
            labels={"movie": "{movie}", "what": "key objects"},
        ),
    log:
        f"{R}/logs/annotate/clips/{{movie}}.log",
    benchmark:
        f"{R}/benchmarks/annotate/clips/{{movie}}.tsv"
    conda:
        "../envs/annotate.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        settings=annotate_settings("concepts", "mask_size_px", "key_object"),
        sources=annotation_sources("captions", "masks"),
    message:
        "Annotate the clips of {wildcards.movie}"
    shell:
        "python -m neurons annotate clips --movie {wildcards.movie} --clips {input.clips:q}"
        " --frames {input.frames:q} --settings {params.settings:q} {params.sources}"
        " --annotation {output.annotation:q} --labels {output.labels:q} --tags {output.tags:q}"
        " --sheet {output.sheet:q} 2> {log:q}"
