"""The step that finds which vertices and areas the decoded tasks rest on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import provenance, seed_for, write_tensors
from neurons.console import logger, track
from neurons.decouple.data import read_columns
from neurons.decouple.decoding import ConceptTexts, read_concept_texts
from neurons.devices import choose_device, use_threads
from neurons.evaluate.resampling import block_numbers
from neurons.interpret.attribution import (
    Attribution,
    Collector,
    Covariances,
    contributions,
    gradients,
    middles,
    path_gradients,
    ridge_weights,
)
from neurons.interpret.evidence import Evidence, Truth, other_clips, read_truth
from neurons.interpret.models import Trained, load_trained
from neurons.interpret.permutation import permutation_importance
from neurons.interpret.regions import Regions, find_regions
from neurons.interpret.settings import Interpret
from neurons.interpret.space import read_space
from neurons.interpret.tasks import METHODS, TASKS

USED = {
    "seed", "baselines", "contrasts", "area_shuffles", "minimum_vertices", "groups", "block_clips", "batch_size",
}  # fmt: skip
"""Settings that decide the result."""


def importance(
    *,
    subject: str,
    variant: str,
    responses: Path,
    vertices: Path,
    locations: Path,
    brain_model: Path,
    decoupler: Path,
    concepts: Path,
    labels: list[Path],
    latents: list[Path],
    caption_ids: list[Path],
    validation_movies: list[str],
    settings: Interpret,
    device: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """Importance of each vertex and area for the four tasks, on held-out training movies.

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
    labels, latents, caption_ids
        What was shown, of every training movie (from `annotate clips`, `embed latents`, `embed captions`).
    validation_movies
        Training movies that were held out.
    settings
        Section `interpret` of the configuration.
    device
        auto, cpu, cuda or cuda:<index>.
    threads
        CPU threads.
    output
        Output: importance per vertex (`<method>`, `<method>_t`: tasks, vertices) and per clip and region
        (`<method>_series`: tasks, clips, regions).
    """
    use_threads(threads)
    place = choose_device(device)
    trained = load_trained(responses, brain_model, decoupler, validation_movies, place)
    columns = read_columns(
        trained.responses.clip_ids,
        {
            "masks": (labels, "key_mask"),
            "concepts": (labels, "concepts"),
            "latents": (latents, "latents"),
            "ids": (caption_ids, "ids"),
        },
    )
    truth = read_truth(columns, trained.held_out, settings.contrasts, settings.seed)
    evidence = Evidence(trained.brain, trained.decoupler, _texts(concepts, place), _moved(truth, place))
    space = read_space(vertices, locations, responses)
    regions = find_regions(space, settings.groups, settings.minimum_vertices)
    counts = len(space.vertex), len(regions.names), len(trained.held_out)
    logger.info("%d vertices, %d areas and groups, %d held-out clips", *counts)
    blocks = block_numbers(trained.split.validation, settings.block_clips)
    by_method = attribute(trained, evidence, regions, blocks, settings)
    windows = trained.responses.mean_windows(torch.from_numpy(trained.held_out))
    shuffled = permutation_importance(
        evidence, windows, regions, settings.area_shuffles, settings.seed, settings.batch_size
    )
    tensors = {"vertex": space.vertex, "permutation_series": shuffled}
    for method, found in by_method.items():
        tensors |= {method: found.mean, f"{method}_t": found.t, f"{method}_series": found.series}
    inputs = {
        "responses": responses,
        "vertices": vertices,
        "locations": locations,
        "brain_model": brain_model,
    }
    made_by = provenance(
        "interpret importance",
        {**inputs, "decoupler": decoupler, "labels": labels, "latents": latents, "caption_ids": caption_ids},
        {**settings.model_dump(mode="json", include=USED), "subject": subject, "variant": variant},
        settings.seed,
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


def attribute(
    trained: Trained, evidence: Evidence, regions: Regions, blocks: np.ndarray, settings: Interpret
) -> dict[str, Attribution]:
    """Importance per vertex by each method of `METHODS`, clips in batches.

    Parameters
    ----------
    blocks
        Number of each held-out clip's block.
    """
    ridge = trained.brain.ridge
    weights = ridge_weights(ridge)
    covariances = _covariances(trained, weights, settings.batch_size)
    patterns = covariances.with_response()
    collectors = {method: Collector(blocks, regions) for method in METHODS}
    count = len(trained.held_out)
    others = other_clips(count, settings.baselines, seed_for(settings.seed, "interpret", "baselines"))
    for numbers in track(
        np.array_split(np.arange(count), -(-count // settings.batch_size)), "batches of clips"
    ):
        windows = _windows(trained, numbers, weights.device)
        clips = torch.from_numpy(numbers).to(weights.device)
        hidden = ridge(windows)
        leading = evidence.leading_concepts(hidden)
        here = gradients(evidence, hidden, clips, leading)
        collectors["gradient"].add(numbers, contributions(windows, here, weights))
        for other, place in zip(others[numbers].T, middles(settings.baselines), strict=True):
            start = _windows(trained, other, weights.device)
            along = path_gradients(evidence, ridge(start), hidden, clips, leading, place) / settings.baselines
            gained = windows - start
            collectors["integrated"].add(numbers, contributions(gained, along, weights))
            standard = covariances.standardise(along) / settings.baselines
            collectors["haufe"].add(numbers, contributions(gained, standard, patterns))
    return {method: collector.result() for method, collector in collectors.items()}


def _windows(trained: Trained, numbers: np.ndarray, device: torch.device) -> Tensor:
    """Windows of held-out clips by their number, averaged over repeats as test responses are; (B, lags, V)."""
    return trained.responses.mean_windows(torch.from_numpy(trained.held_out[numbers])).to(device)


def _covariances(trained: Trained, weights: Tensor, batch_size: int) -> Covariances:
    lags, hidden, vertices = weights.shape
    covariances = Covariances(lags, hidden, vertices, weights.device)
    bias = trained.brain.ridge(torch.zeros(1, lags, vertices, device=weights.device))
    rows = torch.from_numpy(trained.train)
    for part in rows.split(batch_size):
        for repeat in range(trained.responses.repeats):
            windows = trained.responses.windows(part, torch.full_like(part, repeat)).to(weights.device)
            covariances.add(windows, trained.brain.ridge(windows) - bias)
    return covariances


def _texts(path: Path, device: torch.device) -> ConceptTexts:
    texts = read_concept_texts(path)
    return ConceptTexts(texts.tokens.to(device), texts.valid.to(device))


def _moved(truth: Truth, device: torch.device) -> Truth:
    tensors = {
        name: getattr(truth, name).to(device) for name in ("masks", "concepts", "latents", "ids", "others")
    }
    return Truth(**tensors, means={name: mean.to(device) for name, mean in truth.means.items()})
