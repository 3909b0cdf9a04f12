"""cut: movies to clips.

One sequential decode per movie. Frames are chosen by presentation time, never by counting, and resized once to the
size that the models see. Test movies also keep the frames that the report plays.
With `study.source: released` the frames are rows of a published array, and nothing is decoded.
"""

if CONFIG.study.source == "released":

    rule cut_released:
        input:
            array=stimulus_of,
        output:
            frames=f"{R}/cut/{{movie}}/frames.safetensors",
            clips=f"{R}/cut/{{movie}}/clips.tsv",
            facts=f"{R}/cut/{{movie}}/video.json",
        log:
            f"{R}/logs/cut/released/{{movie}}.log",
        benchmark:
            f"{R}/benchmarks/cut/released/{{movie}}.tsv"
        conda:
            "../envs/cut.yaml"
        threads: 1
        resources:
            mem_mb=6000,
            runtime=30,
        params:
            settings=settings("cut", only=["frames_per_clip", "phase", "frame_size_px"]),
            clip_s=CONFIG.study.clip_s,
            first_clip=lambda wildcards: rows_of_movie(wildcards)[0],
            number=lambda wildcards: rows_of_movie(wildcards)[1],
        message:
            "Take the clips of {wildcards.movie} out of the released frames"
        shell:
            "python -m neurons cut released --array {input.array:q} --movie {wildcards.movie}"
            " --first-clip {params.first_clip} --count {params.number} --clip-s {params.clip_s}"
            " --settings {params.settings:q} --frames {output.frames:q} --clips {output.clips:q}"
            " --facts {output.facts:q} 2> {log:q}"

    rule cut_released_playback:
        input:
            frames=f"{R}/cut/{{movie}}/frames.safetensors",
        output:
            playback=f"{R}/cut/{{movie}}/playback.safetensors",
        log:
            f"{R}/logs/cut/released_playback/{{movie}}.log",
        benchmark:
            f"{R}/benchmarks/cut/released_playback/{{movie}}.tsv"
        conda:
            "../envs/cut.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=30,
        message:
            "Keep the frames of {wildcards.movie} that the report plays"
        shell:
            "python -m neurons cut released-playback --frames {input.frames:q} --playback {output.playback:q}"
            " 2> {log:q}"

else:

    rule cut_clips:
        input:
            video=stimulus_of,
        output:
            frames=f"{R}/cut/{{movie}}/frames.safetensors",
            clips=f"{R}/cut/{{movie}}/clips.tsv",
            facts=f"{R}/cut/{{movie}}/video.json",
        log:
            f"{R}/logs/cut/clips/{{movie}}.log",
        benchmark:
            f"{R}/benchmarks/cut/clips/{{movie}}.tsv"
        conda:
            "../envs/cut.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            settings=settings("cut", without=["playback_frames"]),
            clip_s=CONFIG.study.clip_s,
        message:
            "Cut {wildcards.movie} into clips"
        shell:
            "python -m neurons cut clips --movie {wildcards.movie} --video {input.video:q} --clip-s {params.clip_s}"
            " --settings {params.settings:q} --frames {output.frames:q} --clips {output.clips:q}"
            " --facts {output.facts:q} 2> {log:q}"

    rule cut_playback:
        input:
            video=stimulus_of,
        output:
            playback=f"{R}/cut/{{movie}}/playback.safetensors",
        log:
            f"{R}/logs/cut/playback/{{movie}}.log",
        benchmark:
            f"{R}/benchmarks/cut/playback/{{movie}}.tsv"
        conda:
            "../envs/cut.yaml"
        threads: 1
        resources:
            mem_mb=2000,
            runtime=60,
        params:
            settings=settings("cut", only=["playback_frames", "frame_size_px", "fit"]),
            clip_s=CONFIG.study.clip_s,
        message:
            "Keep the frames of {wildcards.movie} that the report plays"
        shell:
            "python -m neurons cut playback --movie {wildcards.movie} --video {input.video:q} --clip-s {params.clip_s}"
            " --settings {params.settings:q} --playback {output.playback:q} 2> {log:q}"
