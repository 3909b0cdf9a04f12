"""The step of `pretrain`: train one subject's brain model."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from neurons.artifacts import InputError, TensorFile, locate, provenance, seed_for, write_json, write_table
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.memory import remembering
from neurons.optimisers import parameter_groups
from neurons.parallel import join
from neurons.pretrain.checks import check_batch_size
from neurons.pretrain.closed_form import fit_to_scores, solve_ridge
from neurons.pretrain.data import (
    HiddenInputs,
    Targets,
    WindowInputs,
    read_responses,
    read_targets,
    split_movies,
)
from neurons.pretrain.fit import Alignment
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.released_start import start_from
from neurons.pretrain.settings import Pretrain
from neurons.pretrain.shared import start_from_shared
from neurons.pretrain.store import save_brain_model
from neurons.training import best_row, fingerprint_of, train

STARTED = {prefix: prefix for prefix in ("backbone.", "unfold.", "projector.", "motion.", "text.")}
"""Parts of a released brain model that training can start from."""


def fit(
    *,
    subject: str,
    variant: str,
    responses: Path,
    image_tokens: list[Path],
    text: list[Path],
    validation_movies: list[str],
    settings: Pretrain,
    start: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    low_memory: bool = False,
    processes: int = 1,
    checkpoints: Path,
    model: Path,
    log: Path,
    summary: Path,
) -> None:
    """Train the brain model of a subject: responses to CLIP image tokens and CLIP text.

    Parameters
    ----------
    subject
        Subject of the responses.
    variant
        Name of the variant, stored with the model.
    responses
        Training responses of the subject (from `preprocess gather-train`).
    image_tokens
        Image tokens of every training movie (from `embed images`).
    text
        Caption embeddings of every training movie (from `embed captions`).
    validation_movies
        Training movies that are held out to choose the epoch.
    settings
        Section `pretrain` of the configuration.
    start
        Backbone that was trained on several subjects (from `pretrain shared`), with `settings.start` others or all.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    low_memory
        Compute activations again in the backward pass instead of keeping them; the result is the same.
    processes
        Processes that train this model together, with a GPU each; the command starts them.
    checkpoints
        Folder that a killed run continues from; removed when the model is written.
    model
        Output: weights.
    log
        Output: table of losses and validation scores per epoch.
    summary
        Output: validation scores of the chosen epoch.
    """
    use_threads(threads)
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    group = join(processes, place)
    inputs_read: dict[str, Path | list[Path]] = {
        "responses": responses,
        "image_tokens": image_tokens,
        "text": text,
    }
    if (start is None) != (settings.start == "own"):
        raise InputError(
            f"pretrain.start is {settings.start}, and {start or 'no file'} was given as --start; own needs none, "
            "others and all need the file of `pretrain shared`"
        )
    if start is not None:
        inputs_read["start"] = start
    if settings.released is not None:
        inputs_read["released"] = Path(settings.released)
    made_by = provenance(
        "pretrain fit",
        inputs_read,
        {
            **settings.model_dump(mode="json"),
            "subject": subject,
            "variant": variant,
            "validation_movies": validation_movies,
        },
        settings.seed,
    )
    data = read_responses(responses, settings.window_tr)
    targets = read_targets(data.clip_ids, image_tokens, text)
    split = split_movies(data.clip_ids, validation_movies, str(responses), settings.training_clips)
    pairs = len(split.train) * data.repeats
    check_batch_size(settings.optimiser.batch_size, pairs, "pretrain.optimiser.batch_size", processes)
    torch.manual_seed(seed_for(settings.seed, "pretrain", "weights"))
    network = BrainModel(
        brain_sizes(settings, targets, data.values.shape[2], len(settings.window_tr)), settings.dropout
    ).to(place)
    train_rows = locate(split.train, data.clip_ids, str(responses))
    held_out = None
    inputs: WindowInputs | HiddenInputs = WindowInputs(data)
    if start is not None:
        components = start_from_shared(network, start, split.train, settings.target)
        held_out = fit_to_scores(network.ridge, components, data, split.train, settings).cpu()
    else:
        if settings.standardise_targets:
            mean, scale = targets.token_statistics(train_rows)
            network.token_mean.copy_(mean)
            network.token_scale.copy_(scale)
        if settings.ridge == "closed_form":
            held_out = solve_ridge(network, data, targets, split.train, settings).cpu()
    if settings.released is not None:
        start_from(network, Path(settings.released), STARTED, "pretrain.released")
    if held_out is not None:
        inputs = HiddenInputs.of_clips(held_out, train_rows, len(data.clip_ids), network.ridge)
    history = remembering(less=low_memory)(train)(
        network,
        Alignment(network, data, inputs, targets, split, settings),
        settings.optimiser,
        parameter_groups(
            network, {"": settings.optimiser.weight_decay, "ridge.": settings.ridge_weight_decay}
        ),
        seed=settings.seed,
        device=place,
        dtype=dtype,
        folder=checkpoints,
        fingerprint=fingerprint_of(
            made_by,
            [responses, *image_tokens, *text, *([start] if start else [])],
            device=place.type,
            dtype=dtype,
        ),
        group=group,
    )
    if not group.is_main:
        return
    facts = TensorFile(responses).metadata
    save_brain_model(
        model,
        network,
        made_by,
        None if held_out is None else (split.train, held_out),
        subject=subject,
        variant=variant,
        vertex_hash=facts["vertex_hash"],
        window_tr=settings.window_tr,
        target=settings.target,
        training_clips=settings.training_clips,
    )
    write_table(log, history, made_by)
    best = best_row(history)
    scores = {
        name.removeprefix("validation_"): value
        for name, value in best.items()
        if name.startswith("validation_")
    }
    counts = {
        "train_clips": len(split.train),
        "validation_clips": len(split.validation),
        "repeats": data.repeats,
    }
    write_json(
        summary,
        {"subject": subject, "variant": variant, "epoch": int(best["epoch"]), **counts, **scores},
        made_by,
    )
    shutil.rmtree(checkpoints, ignore_errors=True)


def brain_sizes(settings: Pretrain, targets: Targets, vertices: int, lags: int) -> BrainSizes:
    """Sizes of a brain model for responses of so many vertices and lags."""
    frames, tokens, channels = targets.tokens.shape
    return BrainSizes(
        vertices=vertices,
        lags=lags,
        hidden=settings.hidden_width,
        blocks=settings.blocks,
        frames=frames,
        tokens=tokens,
        channels=channels,
        text=targets.text.shape[0],
        residual_projector=settings.ridge == "closed_form",
        backbone=settings.backbone,
    )
