"""simulate: a study on disk, in the very file formats of a real one, with an answer that is known.

The run table says which runs exist. Each movie is rendered with its annotation tables and its truth; each subject gets
a cortex; each run is the forward model of that cortex for that movie. With `study.source: files` none of these rules
exists, and the same paths must lie under `study.root`.
"""

if CONFIG.study.source == "simulated":

    rule simulate_movie:
        input:
            runs=ancient(CONFIG.study.runs),
        output:
            video=f"{STUDY}/stimuli/{{movie}}.mp4",
            captions=f"{R}/simulate/annotations/{{movie}}_captions.tsv",
            instances=f"{R}/simulate/annotations/{{movie}}_instances.tsv",
            masks=f"{R}/simulate/annotations/{{movie}}_masks.safetensors",
            scenes=f"{R}/simulate/truth/{{movie}}_scenes.parquet",
        log:
            f"{R}/logs/simulate/movie/{{movie}}.log",
        benchmark:
            f"{R}/benchmarks/simulate/movie/{{movie}}.tsv"
        conda:
            "../envs/simulate.yaml"
        threads: 1
        resources:
            mem_mb=1500,
            runtime=30,
        params:
            settings=movie_settings,
            split=split_of,
        message:
            "Render the movie {wildcards.movie}"
        shell:
            "python -m neurons simulate movie --runs {input.runs:q} --movie {wildcards.movie}"
            " --settings {params.settings:q} --video {output.video:q} --captions {output.captions:q}"
            " --instances {output.instances:q} --masks {output.masks:q} --scenes {output.scenes:q} 2> {log:q}"

    rule simulate_brain:
        input:
            runs=ancient(CONFIG.study.runs),
        output:
            vertices=f"{R}/simulate/truth/{{subject}}_vertices.parquet",
        log:
            f"{R}/logs/simulate/brain/{{subject}}.log",
        benchmark:
            f"{R}/benchmarks/simulate/brain/{{subject}}.tsv"
        conda:
            "../envs/simulate.yaml"
        threads: 1
        resources:
            mem_mb=1500,
            runtime=30,
        params:
            settings=lambda wildcards: simulated_subject(wildcards, ["seed"]),
        message:
            "Lay out the cortex of {wildcards.subject}"
        shell:
            "python -m neurons simulate brain --runs {input.runs:q} --subject {wildcards.subject}"
            " --settings {params.settings:q} --vertices {output.vertices:q} 2> {log:q}"

    rule simulate_run:
        input:
            runs=ancient(CONFIG.study.runs),
            scenes=f"{R}/simulate/truth/{{movie}}_scenes.parquet",
            vertices=f"{R}/simulate/truth/{{subject}}_vertices.parquet",
        output:
            bold=f"{STUDY}/{{subject}}/fmri/{{movie}}/cifti/{{movie}}_{{repeat}}_Atlas.dtseries.nii",
        log:
            f"{R}/logs/simulate/run/{{subject}}_{{movie}}_{{repeat}}.log",
        benchmark:
            f"{R}/benchmarks/simulate/run/{{subject}}_{{movie}}_{{repeat}}.tsv"
        conda:
            "../envs/simulate.yaml"
        threads: 1
        resources:
            mem_mb=3000,
            runtime=30,
        params:
            settings=lambda wildcards: simulated_subject(wildcards, ["seed", "faults"]),
            onset_s=onset_of,
            repetition_time_s=CONFIG.study.repetition_time_s,
        message:
            "Scan {wildcards.subject} watching {wildcards.movie}, repeat {wildcards.repeat}"
        shell:
            "python -m neurons simulate run --runs {input.runs:q} --subject {wildcards.subject}"
            " --movie {wildcards.movie} --repeat {wildcards.repeat} --scenes {input.scenes:q}"
            " --vertices {input.vertices:q} --repetition-time-s {params.repetition_time_s}"
            " --settings {params.settings:q} --bold {output.bold:q} 2> {log:q}"
