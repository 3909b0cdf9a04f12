"""The step that finds which vertices and areas the decoded tasks rest on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import provenance, write_tensors
from neurons.config import Interpret
from neurons.console import logger, track
from neurons.decouple.data import read_columns
from neurons.decouple.decoding import ConceptTexts, read_concept_texts
from neurons.devices import choose_device, use_threads
from neurons.evaluate.resampling import block_numbers
from neurons.interpret.attribution import (
    METHODS,
    Attribution,
    Collector,
    Covariances,
    contributions,
    gradients,
    integrated_gradients,
    ridge_weights,
)
from neurons.interpret.evidence import TASKS, Evidence, Truth, read_truth
from neurons.interpret.models import Trained, load_trained
from neurons.interpret.permutation import permutation_importance
from neurons.interpret.regions import Regions, find_regions
from neurons.interpret.space import read_space

USED = {
    "seed", "integration_nodes", "contrasts", "area_shuffles", "minimum_vertices", "groups", "block_clips", "batch_size",
}  # fmt: skip
"""Settings that decide the result."""


def importance(
    *,
    subject: str,
    variant: str,
    responses: Path,
    vertices: Path,
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
        Training responses of the subject (from `preprocess gather`).
    vertices
        Table of the subject's vertices (from `preprocess select`).
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
    space = read_space(vertices, responses)
    regions = find_regions(space, settings.groups, settings.minimum_vertices)
    logger.info("%d vertices, %d areas and groups, %d held-out clips", len(space.vertex), len(regions.names), len(trained.held_out))  # fmt: skip
    blocks = block_numbers(trained.split.validation, settings.block_clips)
    by_method = attribute(trained, evidence, regions, blocks, settings)
    windows = trained.responses.mean_windows(torch.from_numpy(trained.held_out))
    shuffled = permutation_importance(
        evidence, windows, regions, settings.area_shuffles, settings.seed, settings.batch_size
    )
    tensors = {"vertex": space.vertex, "permutation_series": shuffled}
    for method, found in by_method.items():
        tensors |= {method: found.mean, f"{method}_t": found.t, f"{method}_series": found.series}
    inputs = {"responses": responses, "vertices": vertices, "brain_model": brain_model}
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
    """Importance per vertex by each method of `METHODS`, clips in batches."""
    ridge = trained.brain.ridge
    weights = ridge_weights(ridge)
    baseline = ridge(torch.zeros(1, weights.shape[0], weights.shape[2], device=weights.device))[0]
    covariances = _covariances(trained, weights, baseline, settings.batch_size)
    patterns = covariances.with_response()
    collectors = {method: Collector(blocks, regions) for method in METHODS}
    batches = list(_batches(trained, settings.batch_size))
    for numbers, windows in track(batches, "batches of clips"):
        windows = windows.to(weights.device)
        clips = torch.from_numpy(numbers).to(weights.device)
        hidden = ridge(windows)
        leading = evidence.leading_concepts(hidden)
        here = gradients(evidence, hidden, clips, leading)
        along = integrated_gradients(
            evidence, hidden, baseline, clips, leading, settings.integration_nodes
        )
        collectors["gradient"].add(numbers, contributions(windows, here, weights))
        collectors["integrated"].add(numbers, contributions(windows, along, weights))
        collectors["haufe"].add(numbers, contributions(windows, covariances.standardise(along), patterns))
    return {method: collector.result() for method, collector in collectors.items()}


def _batches(trained: Trained, batch_size: int) -> Iterator[tuple[np.ndarray, Tensor]]:
    """Held-out clips (numbers among them) with their windows, averaged over repeats as test responses are."""
    for first in range(0, len(trained.held_out), batch_size):
        rows = trained.held_out[first : first + batch_size]
        yield (
            np.arange(first, first + len(rows)),
            trained.responses.mean_windows(torch.from_numpy(rows)),
        )


def _covariances(
    trained: Trained, weights: Tensor, baseline: Tensor, batch_size: int
) -> Covariances:
    lags, hidden, vertices = weights.shape
    covariances = Covariances(lags, hidden, vertices, weights.device)
    rows = torch.from_numpy(trained.train)
    for part in rows.split(batch_size):
        for repeat in range(trained.responses.repeats):
            windows = trained.responses.windows(part, torch.full_like(part, repeat)).to(weights.device)
            covariances.add(windows, trained.brain.ridge(windows) - baseline)
    return covariances


def _texts(path: Path, device: torch.device) -> ConceptTexts:
    texts = read_concept_texts(path)
    return ConceptTexts(texts.tokens.to(device), texts.valid.to(device))


def _moved(truth: Truth, device: torch.device) -> Truth:
    tensors = {name: getattr(truth, name).to(device) for name in ("masks", "concepts", "latents", "ids", "others")}
    return Truth(**tensors, means={name: mean.to(device) for name, mean in truth.means.items()})
