"""report: one self-contained page of what the other stages made. Nothing is computed here that is not on the page."""


rule report_page:
    input:
        scores=f"{R}/evaluate/scores.tsv",
        clip_scores=[
            f"{R}/evaluate/{row}/{subject}/clips.parquet" for row, subject in SCORED
        ],
        alarms=f"{R}/evaluate/alarms.tsv",
        comparisons=f"{R}/evaluate/comparisons.tsv",
        kinds=[f"{R}/evaluate/{row}/{subject}/kinds.tsv" for row, subject in SCORED],
        paper_tables=[path for path in TABLES if path.endswith(".tsv")],
        figures=[
            f"{R}/evaluate/figures/{subject}_{what}.png"
            for subject in SUBJECTS
            for what in ("strips", "masks")
        ],
        videos=[
            f"{R}/reconstruct/{variant}/{subject}/videos.safetensors"
            for variant, subject in BY_BRAIN
            + ([("oracle", "truth")] if "oracle" in REFERENCES else [])
        ],
        decoded=[
            f"{R}/reconstruct/{variant}/{subject}/decoded.safetensors"
            for variant, subject in BY_BRAIN
            + ([("oracle", "truth")] if "oracle" in REFERENCES else [])
        ],
        tables=[
            f"{R}/reconstruct/{variant}/{subject}/decoded.tsv"
            for variant, subject in BY_BRAIN
            + ([("oracle", "truth")] if "oracle" in REFERENCES else [])
        ],
        controls=[
            f"{R}/reconstruct/{variant}/{subject}/control.safetensors"
            for variant, subject in BY_BRAIN
            + ([("oracle", "truth")] if "oracle" in REFERENCES else [])
        ],
        samples=[
            f"{R}/reconstruct/{variant}/{subject}/samples.tsv"
            for variant, subject in BY_BRAIN
            + ([("oracle", "truth")] if "oracle" in REFERENCES else [])
        ],
        playback=per_movie("cut/{movie}/playback.safetensors", TEST_MOVIES),
        annotation=per_movie("annotate/{movie}/annotation.parquet", TEST_MOVIES),
        sheets=per_movie("annotate/{movie}/sheet.png", TEST_MOVIES),
        clips=per_movie("cut/{movie}/clips.tsv", TEST_MOVIES),
        pretraining=[
            f"{R}/pretrain/{variant}/{subject}/training.tsv"
            for variant, subject in BY_BRAIN
        ],
        decoupling=[
            f"{R}/decouple/{variant}/{subject}/training.tsv"
            for variant, subject in BY_BRAIN
        ],
        early_looks=[
            f"{R}/decouple/{variant}/{subject}/early_look.png"
            for variant, subject in BY_BRAIN
        ],
        quality=expand(f"{R}/preprocess/{{subject}}/quality.json", subject=SUBJECTS),
        quality_pictures=expand(
            f"{R}/preprocess/{{subject}}/quality.png", subject=SUBJECTS
        ),
        cortex_summaries=on_cortex("summary.json"),
        cortex_tables=on_cortex("areas.tsv"),
        cortex_agreements=on_cortex("agreement.tsv"),
        cortex_pictures=on_cortex(
            "importance.png", "shape.png", "encoding.png", "areas.png"
        ),
        cortex_views=on_cortex("views"),
        ablations=f"{R}/evaluate/ablations/held_out.tsv" if ABLATION_ROWS else [],
        learning_curves=f"{R}/evaluate/learning_curves.png" if CURVE_POINTS else [],
    output:
        page=report(
            f"{R}/report/index.html", category="report", labels={"what": "page"}
        ),
    log:
        f"{R}/logs/report/page.log",
    benchmark:
        f"{R}/benchmarks/report/page.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        settings=settings("report"),
        cortex=lambda wildcards, input: (
            f"--cortex-summaries {input.cortex_summaries} --cortex-tables {input.cortex_tables}"
            f" --cortex-agreements {input.cortex_agreements} --cortex-pictures {input.cortex_pictures}"
            f" --cortex-views {input.cortex_views}"
            if INTERPRETED
            else ""
        ),
        derived=lambda wildcards, input: (
            (f"--ablations {input.ablations}" if input.ablations else "")
            + (
                f" --learning-curves {input.learning_curves}"
                if input.learning_curves
                else ""
            )
        ),
        study=json.dumps({"name": CONFIG.study.name, "source": CONFIG.study.source}),
    message:
        "Write the report"
    shell:
        "python -m neurons report page --scores {input.scores:q} --clip-scores {input.clip_scores:q}"
        " --alarms {input.alarms:q} --comparisons {input.comparisons:q} --kinds {input.kinds:q}"
        " --paper-tables {input.paper_tables:q} --figures {input.figures:q}"
        " --videos {input.videos:q} --decoded {input.decoded:q} --tables {input.tables:q}"
        " --controls {input.controls:q} --samples {input.samples:q} --playback {input.playback:q} --annotation {input.annotation:q}"
        " --sheets {input.sheets:q} --clips {input.clips:q} --pretraining {input.pretraining:q}"
        " --decoupling {input.decoupling:q} --early-looks {input.early_looks:q} --quality {input.quality:q}"
        " --quality-pictures {input.quality_pictures:q} {params.cortex} {params.derived}"
        " --study {params.study:q} --settings {params.settings:q} --page {output.page:q} 2> {log:q}"
