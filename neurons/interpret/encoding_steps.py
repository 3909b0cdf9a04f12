"""The step of the encoding direction: the tasks' outputs predict the responses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import InputError, provenance, split_clip_id, write_tensors
from neurons.console import logger
from neurons.decouple.data import read_columns
from neurons.decouple.decoding import ConceptTexts, read_concept_texts
from neurons.devices import choose_device, use_threads
from neurons.interpret.encoding import (
    correlation_terms,
    encode,
    lagged,
    noise_ceiling,
    unique_terms,
)
from neurons.interpret.models import Trained, load_trained
from neurons.interpret.outputs import all_outputs, principal_components
from neurons.interpret.regions import find_regions
from neurons.interpret.settings import Interpret
from neurons.interpret.space import read_space
from neurons.interpret.tasks import TASKS

LOWEST_CEILING = 0.1
"""Below this ceiling a vertex is not normalised (0): there is next to nothing to explain."""

USED = {"minimum_vertices", "groups", "components", "batch_size"}
"""Settings that decide the result."""


def encoding(
    *,
    subject: str,
    variant: str,
    responses: Path,
    vertices: Path,
    locations: Path,
    brain_model: Path,
    decoupler: Path,
    concepts: Path,
    image_tokens: list[Path],
    validation_movies: list[str],
    settings: Interpret,
    device: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """How well each task's output for a clip predicts the response of each vertex, on held-out training movies.

    Parameters
    ----------
    subject, variant
        Whose models; stored with the result.
    responses
        Training responses of the subject (from `preprocess gather-train`).
    vertices
        Table of the subject's vertices (from `preprocess select`).
    locations
        Where they lie (from `preprocess locations`).
    brain_model, decoupler
        Trained models (from `pretrain fit` and `decouple fit`).
    concepts
        Text tokens of the concept names (from `embed concepts`).
    image_tokens
        CLIP tokens of every training movie (from `embed images`).
    validation_movies
        Training movies that were held out.
    settings
        Section `interpret` of the configuration.
    device
        auto, cpu, cuda or cuda:<index>; of the heads.
    threads
        CPU threads.
    output
        Output: `encoding`, `unique` (tasks, vertices) and their `_series` (tasks, clips, regions), `full` (R2 of all
        tasks together), `ceiling` and `encoding_normalised` (correlation over ceiling) of vertices.
    """
    use_threads(threads)
    place = choose_device(device)
    trained = load_trained(responses, brain_model, decoupler, validation_movies, place)
    if trained.responses.repeats < 2:
        raise InputError(
            f"{responses} has one repeat per clip; the noise ceiling needs two. Leave the variant out of interpret.variants."
        )
    features = _features(trained, image_tokens, concepts, settings, place)
    values = trained.responses.values.numpy()
    means = values[trained.train].mean(axis=1)
    measured = values[trained.held_out].mean(axis=1)
    groups = np.array([split_clip_id(clip)[0] for clip in trained.split.train])
    if len(set(groups)) < 2:
        raise InputError(
            f"{responses} has one training movie beside the held-out ones; penalties are chosen by leaving out movies, "
            "which needs two. Hold out fewer (study.validation_movies), or leave the variant out of interpret.variants."
        )
    predictions = encode(features, means, groups, trained.train, trained.held_out)
    ceiling = noise_ceiling(values[trained.train])
    space = read_space(vertices, locations, responses)
    regions = find_regions(space, settings.groups, settings.minimum_vertices)
    found: dict[str, list[np.ndarray]] = {"encoding": [], "unique": []}
    series: dict[str, list[np.ndarray]] = {"encoding": [], "unique": []}
    for alone, without in zip(predictions.alone, predictions.without, strict=True):
        terms = {
            "encoding": correlation_terms(alone, measured),
            "unique": unique_terms(predictions.full, without, measured),
        }
        for name, by_clip in terms.items():
            found[name].append(by_clip.mean(axis=0))
            series[name].append(regions.means(by_clip))
    full = unique_terms(predictions.full, measured.mean(axis=0) + np.zeros_like(measured), measured)
    tensors = {name: np.stack(parts).astype(np.float32) for name, parts in found.items()}
    tensors |= {f"{name}_series": np.stack(parts).astype(np.float32) for name, parts in series.items()}
    tensors |= {"vertex": space.vertex, "full": full.mean(axis=0), "ceiling": ceiling.astype(np.float32)}
    tensors["encoding_normalised"] = np.divide(
        tensors["encoding"], ceiling, out=np.zeros_like(tensors["encoding"]), where=ceiling > LOWEST_CEILING
    )
    tensors |= {"region_ceiling": regions.means(ceiling), "region_reliability": regions.means(ceiling**2)}
    logger.info(
        "all tasks together explain %.3f of the variance (median over vertices)",
        np.median(full.mean(axis=0)),
    )
    inputs = {
        "responses": responses,
        "vertices": vertices,
        "locations": locations,
        "brain_model": brain_model,
    }
    made_by = provenance(
        "interpret encoding",
        {**inputs, "decoupler": decoupler, "image_tokens": image_tokens},
        {**settings.model_dump(mode="json", include=USED), "subject": subject, "variant": variant},
    )
    write_tensors(
        output,
        tensors,
        made_by,
        subject=subject,
        variant=variant,
        tasks=list(TASKS),
        held_out_clips=trained.split.validation,
        kind=space.kind,
        regions=regions.facts(),
    )


def _features(
    trained: Trained,
    image_tokens: list[Path],
    concepts: Path,
    settings: Interpret,
    place: torch.device,
) -> dict[str, np.ndarray]:
    """Lagged components of each task's output, of all training clips."""
    clip_ids = trained.responses.clip_ids
    column = read_columns(clip_ids, {"tokens": (image_tokens, "tokens")})["tokens"]
    texts = read_concept_texts(concepts)
    moved = ConceptTexts(texts.tokens.to(place), texts.valid.to(place))

    def tokens_of(clips: np.ndarray) -> Tensor:
        return trained.brain.standardise(column.of(clips).to(place))

    outputs = all_outputs(trained.decoupler, tokens_of, len(clip_ids), moved, settings.batch_size)
    return {
        task: lagged(
            principal_components(values, trained.train, settings.components), clip_ids, trained.window_tr
        )
        for task, values in outputs.items()
    }
