"""annotate: clips to captions, tags, concepts, masks and the key object.

A back end gives captions, tags and masks; tags are mapped to the 51 concepts; the paper's rule picks the key object of
each clip, with the reason.
"""


rule annotate_clips:
    input:
        clips=f"{R}/cut/{{movie}}/clips.tsv",
        frames=f"{R}/cut/{{movie}}/frames.safetensors",
        tables=annotation_tables,
    output:
        annotation=f"{R}/annotate/{{movie}}/annotation.parquet",
        labels=f"{R}/annotate/{{movie}}/labels.safetensors",
        tags=f"{R}/annotate/{{movie}}/tags.tsv",
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
        settings=settings("annotate"),
        folder=CONFIG.annotate.folder,
    message:
        "Annotate the clips of {wildcards.movie}"
    shell:
        "python -m neurons annotate clips --movie {wildcards.movie} --clips {input.clips:q}"
        " --frames {input.frames:q} --folder {params.folder:q} --settings {params.settings:q}"
        " --annotation {output.annotation:q} --labels {output.labels:q} --tags {output.tags:q} 2> {log:q}"
