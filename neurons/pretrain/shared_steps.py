"""The step of `pretrain` that trains one backbone on several subjects."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from neurons.artifacts import InputError, locate, provenance, seed_for, write_table
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.optimisers import parameter_groups
from neurons.parallel import join
from neurons.pretrain.checks import check_batch_size
from neurons.pretrain.closed_form import fit_to_scores, start_from_features
from neurons.pretrain.data import HiddenInputs, Responses, Split, read_responses, read_targets, split_movies
from neurons.pretrain.fit import Alignment
from neurons.pretrain.model import BrainModel, RidgePerLag
from neurons.pretrain.settings import Pretrain
from neurons.pretrain.shared import SharedAlignment, save_shared
from neurons.pretrain.steps import brain_sizes
from neurons.training import fingerprint_of, train


def shared(
    *,
    subjects: list[str],
    responses: list[Path],
    image_tokens: list[Path],
    text: list[Path],
    validation_movies: list[str],
    settings: Pretrain,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    processes: int = 1,
    checkpoints: Path,
    model: Path,
    log: Path,
) -> None:
    """Train the layers after the ridge on several subjects at once, each with a ridge of their own.

    Parameters
    ----------
    subjects
        Whose responses these are.
    responses
        Training responses of each subject (from `preprocess gather-train`), of the same clips and equally many repeats.
    image_tokens, text
        Features of every training movie (from `embed`).
    validation_movies
        Training movies that are held out to choose the epoch.
    settings
        Section `pretrain` of the configuration; all training clips are used.
    device
        auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    processes
        Processes that train this model together, with a GPU each; the command starts them.
    checkpoints
        Folder that a killed run continues from; removed when the model is written.
    model
        Output: weights after the ridge, and what ridges predict.
    log
        Output: table of losses and validation scores per epoch, means over subjects.
    """
    use_threads(threads)
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    group = join(processes, place)
    inputs = {"responses": responses, "image_tokens": image_tokens, "text": text}
    parameters = {"subjects": subjects, "validation_movies": validation_movies}
    made_by = provenance(
        "pretrain shared", inputs, {**settings.model_dump(mode="json"), **parameters}, settings.seed
    )
    data = {
        subject: read_responses(path, settings.window_tr)
        for subject, path in zip(subjects, responses, strict=True)
    }
    first = data[subjects[0]]
    _check_same_clips(data)
    targets = read_targets(first.clip_ids, image_tokens, text)
    split = split_movies(first.clip_ids, validation_movies, str(responses[0]))
    pairs = len(subjects) * len(split.train) * first.repeats
    check_batch_size(settings.optimiser.batch_size, pairs, "pretrain.optimiser.batch_size", processes)
    torch.manual_seed(seed_for(settings.seed, "pretrain", "weights"))
    # The ridges lie beside this model; its own, of one vertex, is not used and not written.
    network = BrainModel(brain_sizes(settings, targets, vertices=1, lags=1), settings.dropout).to(place)
    network.ridge.requires_grad_(False)
    if settings.standardise_targets:
        mean, scale = targets.token_statistics(locate(split.train, first.clip_ids, str(responses[0])))
        network.token_mean.copy_(mean)
        network.token_scale.copy_(scale)
    scores = start_from_features(network, targets, split.train, first.clip_ids, settings.target)
    alignments = {
        subject: Alignment(
            network, own, _hidden(own, scores, split, settings, place), targets, split, settings
        )
        for subject, own in data.items()
    }
    history = train(
        network,
        SharedAlignment(alignments),
        settings.optimiser,
        parameter_groups(network, {"": settings.optimiser.weight_decay}),
        seed=settings.seed,
        device=place,
        dtype=dtype,
        folder=checkpoints,
        fingerprint=fingerprint_of(
            made_by, [*responses, *image_tokens, *text], device=place.type, dtype=dtype
        ),
        group=group,
    )
    if not group.is_main:
        return
    save_shared(model, network, scores, split.train, made_by, subjects=subjects, target=settings.target)
    write_table(log, history, made_by)
    shutil.rmtree(checkpoints, ignore_errors=True)


def _hidden(
    responses: Responses, scores: torch.Tensor, split: Split, settings: Pretrain, device: torch.device
) -> HiddenInputs:
    ridge = RidgePerLag(responses.values.shape[2], len(settings.window_tr), settings.hidden_width).to(device)
    held_out = fit_to_scores(ridge, scores, responses, split.train, settings)
    rows = locate(split.train, responses.clip_ids, "the training responses")
    return HiddenInputs.of_clips(held_out, rows, len(responses.clip_ids), ridge)


def _check_same_clips(data: dict[str, Responses]) -> None:
    first, *others = data
    wanted = data[first]
    wrong = []
    for subject in others:
        own = data[subject]
        if own.clip_ids != wanted.clip_ids:
            wrong.append(f"{subject}: {len(own.clip_ids)} clips, not the {len(wanted.clip_ids)} of {first}")
        elif own.repeats != wanted.repeats:
            wrong.append(f"{subject}: {own.repeats} repeats, {first} has {wanted.repeats}")
    if wrong:
        raise InputError(
            f"a shared backbone needs the same training clips and repeats of every subject ({'; '.join(wrong)}); "
            "set pretrain.start to own, or leave subjects or runs out of the study"
        )
