"""preprocess: runs to responses.

Each run is freed of confounds, trimmed by the haemodynamic delay, detrended and z-scored on its own. Vertices whose
responses to the same movie agree between repeats of the training runs are kept (or what the configuration asks for); test
runs have no part in the choice. Each run is compared with the other showings of its movie and with what was on the screen:
a run that does not follow its movie stops the workflow where runs are gathered, after its lag profile is written. Released arrays take
the place of runs with `study.source: released`.
"""

if CONFIG.study.source == "released":

    rule preprocess_released_locations:
        input:
            array=array_of,
        output:
            locations=f"{R}/preprocess/{{subject}}/locations.parquet",
        log:
            f"{R}/logs/preprocess/released_locations/{{subject}}.log",
        benchmark:
            f"{R}/benchmarks/preprocess/released_locations/{{subject}}.tsv"
        conda:
            "../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        message:
            "Number the vertices of {wildcards.subject}, whose places are not published"
        shell:
            "python -m neurons preprocess released-locations --array {input.array:q}"
            " --subject {wildcards.subject} --locations {output.locations:q} 2> {log:q}"

    rule preprocess_released_run:
        input:
            array=bold_of,
            clips=f"{R}/cut/{{movie}}/clips.tsv",
        output:
            responses=f"{R}/preprocess/{{subject}}/runs/{{movie}}_{{repeat}}.safetensors",
        log:
            f"{R}/logs/preprocess/released_run/{{subject}}_{{movie}}_{{repeat}}.log",
        benchmark:
            f"{R}/benchmarks/preprocess/released_run/{{subject}}_{{movie}}_{{repeat}}.tsv"
        conda:
            "../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        params:
            first_clip=lambda wildcards: rows_of_movie(wildcards)[0],
        message:
            "Take {wildcards.subject}, {wildcards.movie}, repeat {wildcards.repeat} out of the released responses"
        shell:
            "python -m neurons preprocess released-run --array {input.array:q} --subject {wildcards.subject}"
            " --movie {wildcards.movie} --repeat {wildcards.repeat} --first-clip {params.first_clip}"
            " --clips {input.clips:q} --responses {output.responses:q} 2> {log:q}"

else:

    rule preprocess_locations:
        input:
            images=volume_images,
        output:
            locations=f"{R}/preprocess/{{subject}}/locations.parquet",
        log:
            f"{R}/logs/preprocess/locations/{{subject}}.log",
        benchmark:
            f"{R}/benchmarks/preprocess/locations/{{subject}}.tsv"
        conda:
            "../envs/preprocess.yaml"
        threads: 1
        resources:
            mem_mb=1000,
            runtime=10,
        params:
            space=CONFIG.preprocess.space,
            settings=json.dumps(
                CONFIG.preprocess.volume.model_dump(mode="json"), sort_keys=True
            ),
        message:
            "List where {wildcards.subject} was measured"
        shell:
            "python -m neurons preprocess locations --subject {wildcards.subject} --space {params.space}"
            " --settings {params.settings:q} --locations {output.locations:q} 2> {log:q}"

    rule preprocess_run:
        input:
            bold=bold_of,
            clips=f"{R}/cut/{{movie}}/clips.tsv",
            locations=f"{R}/preprocess/{{subject}}/locations.parquet",
            confounds=confounds_of,
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
            settings=settings(
                "preprocess", without=["selection", "volume", "alignment"]
            ),
            onset_s=onset_of,
            clip_s=CONFIG.study.clip_s,
            repetition_time_s=CONFIG.study.repetition_time_s,
            tail=(
                ""
                if CONFIG.study.tail_s is None
                else f"--tail-s {CONFIG.study.tail_s}"
            ),
            confounds=lambda wildcards, input: (
                f"--confounds {shlex.quote(input.confounds)}"
                if input.confounds
                else ""
            ),
        message:
            "Preprocess {wildcards.subject}, {wildcards.movie}, repeat {wildcards.repeat}"
        shell:
            "python -m neurons preprocess run --bold {input.bold:q} --subject {wildcards.subject}"
            " --movie {wildcards.movie} --repeat {wildcards.repeat} --clips {input.clips:q}"
            " --locations {input.locations:q} {params.confounds} {params.tail}"
            " --onset-s {params.onset_s} --clip-s {params.clip_s} --repetition-time-s {params.repetition_time_s}"
            " --settings {params.settings:q} --responses {output.responses:q} 2> {log:q}"


rule preprocess_select:
    input:
        runs=runs_of("train"),
        frames=per_movie("cut/{movie}/frames.safetensors", TRAIN_MOVIES),
        locations=f"{R}/preprocess/{{subject}}/locations.parquet",
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
        settings=settings("preprocess", only=["selection", "detrend_order"]),
    message:
        "Select vertices of {wildcards.subject} by training runs"
    shell:
        "python -m neurons preprocess select --subject {wildcards.subject} --runs {input.runs:q}"
        " --frames {input.frames:q} --locations {input.locations:q}"
        " --settings {params.settings:q} --selection {output.selection:q} 2> {log:q}"


rule preprocess_alignment:
    input:
        train_runs=runs_of("train"),
        test_runs=judged_test_runs,
        frames=judged_frames,
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
    output:
        table=report(
            f"{R}/preprocess/{{subject}}/alignment_{{split}}.tsv",
            category="preprocess",
            labels={"subject": "{subject}", "what": "lag profiles, {split}"},
        ),
    log:
        f"{R}/logs/preprocess/alignment/{{subject}}_{{split}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/alignment/{{subject}}_{{split}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        clip_s=CONFIG.study.clip_s,
        settings=alignment_settings(),
        test_runs=lambda wildcards, input: (
            f"--test-runs {' '.join(map(shlex.quote, input.test_runs))}"
            if input.test_runs
            else ""
        ),
    message:
        "Ask whether the {wildcards.split} runs of {wildcards.subject} follow their movies"
    shell:
        "python -m neurons preprocess alignment --subject {wildcards.subject} --split {wildcards.split}"
        " --train-runs {input.train_runs:q} {params.test_runs} --frames {input.frames:q}"
        " --selection {input.selection:q} --clip-s {params.clip_s}"
        " --settings {params.settings:q} --table {output.table:q} 2> {log:q}"


rule preprocess_gather_train:
    input:
        runs=runs_of("train"),
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
        alignment=f"{R}/preprocess/{{subject}}/alignment_train.tsv",
    output:
        responses=f"{R}/preprocess/{{subject}}/train.safetensors",
    log:
        f"{R}/logs/preprocess/gather_train/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/gather_train/{{subject}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        action=CONFIG.preprocess.alignment.action,
    message:
        "Gather the training responses of {wildcards.subject}"
    shell:
        "python -m neurons preprocess gather-train --subject {wildcards.subject} --runs {input.runs:q}"
        " --selection {input.selection:q} --alignment {input.alignment:q} --action {params.action}"
        " --responses {output.responses:q} 2> {log:q}"


rule preprocess_gather_test:
    input:
        runs=runs_of("test"),
        train_runs=runs_of("train"),
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
        alignment=f"{R}/preprocess/{{subject}}/alignment_test.tsv",
    output:
        responses=f"{R}/preprocess/{{subject}}/test.safetensors",
    log:
        f"{R}/logs/preprocess/gather_test/{{subject}}.log",
    benchmark:
        f"{R}/benchmarks/preprocess/gather_test/{{subject}}.tsv"
    conda:
        "../envs/preprocess.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        action=CONFIG.preprocess.alignment.action,
    message:
        "Average the test responses of {wildcards.subject}"
    shell:
        "python -m neurons preprocess gather-test --subject {wildcards.subject} --runs {input.runs:q}"
        " --train-runs {input.train_runs:q} --selection {input.selection:q} --alignment {input.alignment:q}"
        " --action {params.action} --responses {output.responses:q} 2> {log:q}"


rule preprocess_quality:
    input:
        runs=runs_of(),
        selection=f"{R}/preprocess/{{subject}}/selection.parquet",
        alignment=expand(
            f"{R}/preprocess/{{{{subject}}}}/alignment_{{split}}.tsv",
            split=["train", "test"],
        ),
        locations=f"{R}/preprocess/{{subject}}/locations.parquet",
    output:
        table=report(
            f"{R}/preprocess/{{subject}}/quality.tsv",
            category="preprocess",
            labels={"subject": "{subject}", "what": "runs"},
        ),
        areas=report(
            f"{R}/preprocess/{{subject}}/areas.tsv",
            category="preprocess",
            labels={"subject": "{subject}", "what": "areas"},
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
    params:
        left_out=left_out_of,
    message:
        "Judge the runs of {wildcards.subject}"
    shell:
        "python -m neurons preprocess quality --subject {wildcards.subject} --runs {input.runs:q}"
        " --selection {input.selection:q} --alignment {input.alignment:q} --locations {input.locations:q}"
        " {params.left_out} --table {output.table:q} --areas {output.areas:q} --summary {output.summary:q}"
        " --picture {output.picture:q} 2> {log:q}"
