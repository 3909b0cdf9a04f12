"""The steps of `evaluate` about ablations: score models on held-out training clips, and put rows into one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from neurons.artifacts import InputError, TensorFile, atomic, gather, provenance, read_table, write_table
from neurons.decouple.decoding import DecodedTasks, load_decoupler, read_concept_texts
from neurons.devices import choose_device, use_threads
from neurons.evaluate.ablations import METRICS, ablation_scores, definitions, lay_out
from neurons.evaluate.comparisons import mean_over_subjects
from neurons.evaluate.embeddings import deviation_correlation, identification, ranking_precision
from neurons.evaluate.inputs import table_rows
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.strict_tasks import caption_measures, mask_measures
from neurons.evaluate.tables import markdown
from neurons.evaluate.words import first_named
from neurons.pretrain.data import Split, split_movies
from neurons.pretrain.store import brain_embeddings, check_vertices, load_brain_model

EVERYBODY = "mean"


def held_out(
    *,
    responses: Path,
    brain_model: Path,
    decoupler: Path,
    concepts: Path,
    image_tokens: list[Path],
    text: list[Path],
    latents: list[Path],
    labels: list[Path],
    annotation: list[Path],
    validation_movies: list[str],
    settings: Evaluate,
    device: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """Score what a model decodes from the held-out training clips: no video is sampled, no test file read.

    Parameters
    ----------
    responses
        Training responses of the subject.
    brain_model, decoupler
        Weights from `pretrain fit` and `decouple fit`.
    concepts
        Text tokens of the concept names.
    image_tokens, text, latents, labels, annotation
        The truth, of every training movie.
    validation_movies
        Training movies that were held out.
    settings
        Section `evaluate`: seed, mask_threshold.
    device
        auto, cpu, cuda or cuda:<index>.
    threads
        CPU threads.
    output
        Scores of single clips, a column per metric (written, Parquet).
    """
    use_threads(threads)
    file = TensorFile(responses)
    brain, facts = load_brain_model(brain_model)
    check_vertices(facts, file, brain_model)
    tasks = load_decoupler(decoupler)
    if tasks.metadata["brain_model"] != facts["content_hash"]:
        raise InputError(
            f"{decoupler} was trained on another brain model than {brain_model}; rerun `decouple fit`"
        )
    split = split_movies(file.clip_ids, validation_movies, str(responses), facts.get("training_clips"))
    ids = split.validation
    place = choose_device(device)
    mean = np.array(file["responses"], dtype=np.float32).mean(axis=1)
    tokens = brain_embeddings(
        brain.to(place), mean, file.clip_ids, ids, facts["window_tr"], where=str(responses)
    )
    tasks.model.to(place)
    decoded = tasks.decode(tokens, ids, read_concept_texts(concepts), seed=settings.seed)
    with torch.no_grad():
        video = torch.cat([brain.motion(part.to(place)).cpu() for part in tokens.split(64)]).numpy()
    true_latents, mean_latents = (
        gather(latents, "latents", clips)[0].astype(np.float32) for clips in (ids, split.train)
    )
    scores = {
        **_masks_and_captions(decoded, split, labels, annotation, settings.mask_threshold),
        "concept_ranking": ranking_precision(decoded.concepts, gather(labels, "concepts", ids)[0]),
        "latents_correlation": deviation_correlation(
            decoded.latents, true_latents, mean_latents.mean(axis=0)
        ),
        "text_2way": identification(decoded.text, gather(text, "caption", ids)[0]),
        "tokens_2way": identification(video, gather(image_tokens, "tokens", ids)[0]),
    }
    inputs: dict[str, Path | list[Path]] = {
        "responses": responses,
        "brain_model": brain_model,
        "decoupler": decoupler,
        "concepts": concepts,
        "image_tokens": image_tokens,
        "text": text,
        "latents": latents,
        "labels": labels,
        "annotation": annotation,
    }
    parameters = {"validation_movies": validation_movies, "mask_threshold": settings.mask_threshold}
    made_by = provenance("evaluate held-out", inputs, parameters, settings.seed)
    write_table(output, pd.DataFrame({"clip": ids, **scores}), made_by)


def _masks_and_captions(
    decoded: DecodedTasks,
    split: Split,
    labels: Sequence[Path],
    annotation: Sequence[Path],
    mask_threshold: float,
) -> dict[str, np.ndarray]:
    """The measures of masks and captions of protocol `strict` that are means over clips."""
    ids = split.validation
    described = table_rows(annotation, ["caption", "key_tag", "tags"], ids)
    captions = [str(caption) for caption in described["caption"]]
    nouns = [str(tag) if pd.notna(tag) else None for tag in described["key_tag"]]
    subjects = [first_named(said, tags) for said, tags in zip(captions, described["tags"], strict=True)]
    masks, training_masks = (gather(labels, "key_mask", clips)[0] for clips in (ids, split.train))
    measures = [
        *mask_measures(masks, decoded.mask, training_masks, mask_threshold),
        *caption_measures(captions, nouns, subjects, decoded.captions),
    ]
    return {item.name: item.per_clip for item in measures if item.per_clip is not None}


def ablations(
    *,
    rows: str,
    clips: list[Path],
    permutations: int,
    settings: Evaluate,
    scores: Path,
    table: Path,
    page: Path,
) -> None:
    """Put the rows of the ablation table side by side, each compared with the first on the same clips.

    Parameters
    ----------
    rows
        JSON list: for each file of `clips` its ``row``, ``seed`` and ``subject``, and in words the ``change``.
    clips
        Scores of single clips.
    permutations
        Sign flips of blocks for p.
    settings
        Section `evaluate`: seed, bootstrap, block_clips.
    scores
        A line per row, subject and metric, with the comparison (written, TSV).
    table
        A line per row, over subjects (written, TSV).
    page
        The same with definitions (written, Markdown).
    """
    described = json.loads(rows)
    found: dict[str, dict[str, list[pd.DataFrame]]] = {}
    for facts, path in zip(described, clips, strict=True):
        own = read_table(path, ["clip"])
        found.setdefault(facts["subject"], {}).setdefault(facts["row"], []).append(own)
    subjects = list(found)
    if len(subjects) > 1:
        found[EVERYBODY] = {
            row: [
                mean_over_subjects(list(tables), METRICS)
                for tables in zip(*(found[subject][row] for subject in subjects), strict=True)
            ]
            for row in found[subjects[0]]
        }
    options = settings.model_dump(mode="json", include={"seed", "bootstrap", "block_clips"})
    first = next(iter(found[subjects[0]].values()))[0]
    metrics = [name for name in METRICS if name in first]
    parts = [
        ablation_scores(by_seed, subject, metrics, permutations=permutations, **options)
        for subject, by_seed in found.items()
    ]
    made_by = provenance(
        "evaluate ablations", {"clips": clips}, {"permutations": permutations, **options}, settings.seed
    )
    write_table(scores, pd.concat(parts, ignore_index=True), made_by)
    laid_out = lay_out(parts[-1], {facts["row"]: facts["change"] for facts in described})
    write_table(table, laid_out, made_by)
    with atomic(page) as temporary:
        temporary.write_text(markdown(laid_out, "Ablations", definitions(metrics)), encoding="utf-8")
