"""The steps of `reconstruct` that choose strengths on validation clips: tune (a subject), choose (over subjects)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import yaml

from neurons.artifacts import atomic, provenance, read_table, write_json, write_table
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.embed.settings import Embed
from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.controls import control_images
from neurons.reconstruct.decode import Decoder
from neurons.reconstruct.render import Studio
from neurons.reconstruct.settings import Reconstruct
from neurons.reconstruct.validation import best, decode_validation, grid, judge, true_views
from neurons.reconstruct.video_model import VideoModel
from neurons.sections import Model

OBJECTIVE = "2-way identification by CLIP among validation clips, mean over subjects; of equal points the highest cosine"


def tune(
    *,
    subject: str,
    responses: Path,
    brain_model: Path,
    decoupler: Path,
    concepts: Path,
    image_tokens: list[Path],
    validation_movies: list[str],
    settings: Reconstruct,
    vae: Model,
    embed: Embed,
    clip_s: float,
    phase: float,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """Score a grid of strengths on validation clips of one subject; test clips are not read.

    Parameters
    ----------
    subject
        Whose responses and models; stored with the scores.
    responses
        Training responses of the subject (from `preprocess gather-train`).
    brain_model, decoupler
        Trained models (from `pretrain fit` and `decouple fit`).
    concepts
        From `embed concepts`.
    image_tokens
        CLIP tokens of the validation movies (from `embed images`).
    validation_movies
        Training movies that were held out.
    settings
        Section `reconstruct`; `tune` names the grid and the number of clips.
    vae
        The study's autoencoder.
    embed
        Section `embed`; this step uses clip and clip_input_range.
    clip_s
        Length of a clip, in s.
    phase
        Where in their intervals the cut frames lie (`cut.phase`).
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    output
        Output: table of the grid.
    """
    use_threads(threads)
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    decoder = Decoder.load(brain_model, decoupler, concepts, place)
    decoded = decode_validation(
        decoder, brain_model, responses, validation_movies, settings.tune.clips, settings, dtype
    )
    tensors = decoded.tensors
    controls = control_images(
        tensors["image_tokens"], tensors["latents"], decoded.clip_ids, settings, vae, place, dtype
    )
    work = ChunkOfClips.of(decoded, controls, settings)
    points = grid(settings.tune)
    studio = Studio(settings, vae, embed, ClipTiming(clip_s, phase), place, dtype)
    strongest = max(points, key=lambda point: point.control_scale).applied(settings).video
    model = VideoModel.load(strongest, vae, place, dtype)
    table = judge(work, true_views(image_tokens, decoded.clip_ids), points, studio, model)
    table.insert(0, "subject", subject)
    inputs: dict[str, Path | Sequence[Path]] = {
        "responses": responses,
        "brain_model": brain_model,
        "decoupler": decoupler,
        "concepts": concepts,
        "image_tokens": image_tokens,
    }
    parameters = {"settings": settings.model_dump(mode="json"), "clips": decoded.clip_ids}
    write_table(output, table, provenance("reconstruct tune", inputs, parameters, settings.seed))


def choose(*, variant: str, tables: list[Path], summary: Path, configuration: Path) -> None:
    """Choose the strengths that are best over subjects, and write them as configuration.

    Parameters
    ----------
    variant
        Whose strengths they are.
    tables
        From `tune`, one per subject.
    summary
        Output: objective, best point and the averages of all points (JSON).
    configuration
        Output: the best point as a file for `--configfile`, after the study's own.
    """
    point, means = best(pd.concat([read_table(path) for path in tables], ignore_index=True))
    made_by = provenance("reconstruct choose", {"tables": tables}, {"variant": variant})
    content = {"objective": OBJECTIVE, "best": asdict(point), "points": means.to_dict("records")}
    write_json(summary, content, made_by)
    video = {"strength": point.strength, "control_scale": point.control_scale}
    values = {"variants": {variant: {"reconstruct": {"mask_floor": point.mask_floor, "video": video}}}}
    with atomic(configuration) as temporary:
        temporary.write_text(
            f"# Chosen by `snakemake tune`: {OBJECTIVE}.\n{yaml.safe_dump(values, sort_keys=False)}"
        )
