"""preprocess: runs to responses.

Each run is trimmed by the haemodynamic delay, detrended and z-scored on its own. Vertices whose responses to the same
movie agree between repeats of the training runs are kept; test runs have no part in the choice.
"""


rule preprocess_run:
    input:
        bold=bold_of,
        clips=f"{R}/cut/{{movie}}/clips.tsv",
    output:
        responses=f"{R}/preprocess/{{subject}}/runs/{{movie}}_{{repeat}}.safetensors",
    log:
        f"{R}/logs/preprocess/run/{{subject}}_{{movie}}_{{repeat}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/run/{{subject}}_{{movie}}_{{repeat}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=settings("preprocess", without=["selection"]),
        onset_s=onset_of,
        clip_s=CONFIG.study.clip_s,
        repetition_time_s=CONFIG.study.repetition_time_s,
    message:
        "Preprocess {wildcards.subject}, {wildcards.movie}, repeat {wildcards.repeat}"
    shell:
        "python -m neurons preprocess run --bold {input.bold:q} --subject {wildcards.subject}"
        " --movie {wildcards.movie} --repeat {wildcards.repeat} --clips {input.clips:q}"
        " --onset-s {params.onset_s} --clip-s {params.clip_s} --repetition-time-s {params.repetition_time_s}"
        " --settings {params.settings:q} --responses {output.responses:q} 2> {log:q}"


rule preprocess_select:
    input:
        runs=runs_of("train"),
    output:
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
    log:
        f"{R}/logs/preprocess/select/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/select/{{subject}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        settings=json.dumps(
            CONFIG.preprocess.selection.model_dump(mode="json"), sort_keys=True
        ),
    message:
        "Select vertices of {wildcards.subject} by the agreement of training repeats"
    shell:
        "python -m neurons preprocess select --subject {wildcards.subject} --runs {input.runs:q}"
        " --settings {params.settings:q} --selection {output.selection:q} 2> {log:q}"


rule preprocess_gather:
    input:
        train_runs=runs_of("train"),
        test_runs=runs_of("test"),
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
    output:
        train=f"{R}/preprocess/{{subject}}/train.safetensors",
        test=f"{R}/preprocess/{{subject}}/test.safetensors",
    log:
        f"{R}/logs/preprocess/gather/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/gather/{{subject}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    message:
        "Gather the responses of {wildcards.subject}"
    shell:
        "python -m neurons preprocess gather --subject {wildcards.subject} --train-runs {input.train_runs:q}"
        " --test-runs {input.test_runs:q} --selection {input.selection:q} --train {output.train:q}"
        " --test {output.test:q} 2> {log:q}"


rule preprocess_quality:
    input:
        runs=runs_of(),
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
    output:
        table=report(
            f"{R}/preprocess/{{subject}}/quality.tsv",
            category="preprocess",
            labels={"subject": "{subject}", "what": "runs"},
        ),
        summary=f"{R}/preprocess/{{subject}}/quality.json",
        picture=report(
            f"{R}/preprocess/{{subject}}/quality.png",
            category="preprocess",
            labels={"subject": "{subject}", "what": "inter-repeat correlation"},
        ),
    log:
        f"{R}/logs/preprocess/quality/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/quality/{{subject}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    message:
        "Judge the runs of {wildcards.subject}"
    shell:
        "python -m neurons preprocess quality --subject {wildcards.subject} --runs {input.runs:q}"
        " --selection {input.selection:q} --table {output.table:q} --summary {output.summary:q}"
        " --picture {output.picture:q} 2> {log:q}"
