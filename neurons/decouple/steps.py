"""The step of `decouple`: train one subject's decoupler on the embeddings of their brain model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from neurons.artifacts import (
    TensorFile,
    locate,
    provenance,
    write_json,
    write_table,
)
from neurons.console import logger
from neurons.decouple.calibration import calibrate_masks
from neurons.decouple.data import compute_brain_tokens, read_captions, read_columns
from neurons.decouple.decoding import (
    load_decoupler,
    read_concept_texts,
    save_decoupler,
)
from neurons.decouple.fit import Decoupling
from neurons.decouple.picture import decode_latents, early_look
from neurons.decouple.prior import prior_seeds
from neurons.decouple.settings import Decouple
from neurons.decouple.start import load_tokenizer, new_decoupler
from neurons.decouple.validation import validation_scores
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.memory import remembering
from neurons.optimisers import parameter_groups
from neurons.parallel import join
from neurons.pretrain.checks import check_batch_size, check_models
from neurons.pretrain.data import read_responses, split_movies
from neurons.pretrain.features import Features
from neurons.pretrain.released_start import start_from
from neurons.pretrain.store import check_vertices, load_brain_model, read_held_out
from neurons.sections import Model
from neurons.training import best_row, fingerprint_of, train

LOOKED_AT = 4
"""Clips of the early look."""


def fit(
    *,
    subject: str,
    variant: str,
    responses: Path,
    brain_model: Path,
    image_tokens: list[Path],
    text: list[Path],
    latents: list[Path],
    caption_ids: list[Path],
    labels: list[Path],
    annotation: list[Path],
    frames: list[Path],
    concepts: Path,
    vae: Model,
    validation_movies: list[str],
    settings: Decouple,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    low_memory: bool = False,
    processes: int = 1,
    checkpoints: Path,
    model: Path,
    log: Path,
    summary: Path,
    picture: Path,
) -> None:
    """Train the decoupler of a subject: brain embeddings to masks, concepts, description and blurry video.

    Parameters
    ----------
    subject
        Subject of the responses.
    variant
        Name of the variant, stored with the model.
    responses
        Training responses of the subject (from `preprocess gather-train`).
    brain_model
        Brain model of the subject (from `pretrain fit`).
    image_tokens
        Image tokens of every training movie (from `embed images`).
    text
        Caption embeddings of every training movie (from `embed captions`).
    latents
        VAE latents of every training movie (from `embed latents`).
    caption_ids
        Caption tokens of every training movie (from `embed captions`).
    labels
        Concepts and key masks of every training movie (from `annotate clips`).
    annotation
        Captions of every training movie (from `annotate clips`).
    frames
        Frames of every training movie (from `cut clips`), for the early look.
    concepts
        Text tokens of the concept names (from `embed concepts`).
    vae
        Decoder of the blurry video, for the early look.
    validation_movies
        Training movies that are held out to choose the epoch.
    settings
        Section `decouple` of the configuration.
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
        Output: table of losses and validation losses per epoch.
    summary
        Output: scores of each task on the validation clips, beside the best constant answer.
    picture
        Output: decoded masks, blurry frames and captions of a few validation clips, beside the truth.
    """
    use_threads(threads)
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    group = join(processes, place)
    inputs: dict[str, Any] = {
        "responses": responses,
        "brain_model": brain_model,
        "image_tokens": image_tokens,
    }
    inputs |= {
        "text": text,
        "latents": latents,
        "caption_ids": caption_ids,
        "labels": labels,
        "concepts": concepts,
    }
    inputs |= {"annotation": annotation, "frames": frames}
    inputs |= {"released_prior": Path(settings.released_prior)} if settings.released_prior else {}
    files = [responses, brain_model, concepts, *image_tokens, *text, *latents, *caption_ids, *labels]
    parameters = {"subject": subject, "variant": variant, "validation_movies": validation_movies}
    made_by = provenance(
        "decouple fit", inputs, {**settings.model_dump(mode="json"), **parameters}, settings.seed
    )

    encoder, facts = load_brain_model(brain_model)
    check_vertices(facts, TensorFile(responses), brain_model)
    data = read_responses(responses, facts["window_tr"])
    split = split_movies(data.clip_ids, validation_movies, str(responses), facts.get("training_clips"))
    train_clips = locate(split.train, data.clip_ids, str(responses))
    held_out = locate(split.validation, data.clip_ids, str(responses))
    pairs = len(train_clips) * data.repeats
    check_batch_size(settings.optimiser.batch_size, pairs, "decouple.optimiser.batch_size", processes)
    check_models(
        [concepts, *image_tokens, *text, *latents, *caption_ids],
        {"language_model": settings.language_model, "vae": vae},
    )
    columns = read_columns(
        data.clip_ids,
        {
            "masks": (labels, "key_mask"),
            "concepts": (labels, "concepts"),
            "key_concept": (labels, "key_concept"),
            "ids": (caption_ids, "ids"),
            "latents": (latents, "latents"),
            "tokens": (image_tokens, "tokens"),
            "caption": (text, "caption"),
        },
    )
    texts = read_concept_texts(concepts)
    brain = compute_brain_tokens(encoder.to(place), data, read_held_out(brain_model), held_out)
    mean, scale = encoder.token_mean, encoder.token_scale
    network = new_decoupler(settings, encoder.cpu(), brain, columns, texts, train_clips)
    if settings.released_prior is not None:
        start_from(network.prior, Path(settings.released_prior), {"prior.": ""}, "decouple.released_prior")
    network.to(place)
    history = remembering(less=low_memory)(train)(
        network,
        Decoupling(
            network,
            brain,
            columns,
            texts,
            train_clips,
            held_out,
            data.clip_ids,
            settings,
            lambda tokens: (tokens - mean) / scale,
        ),
        settings.optimiser,
        parameter_groups(network, {"": settings.optimiser.weight_decay}),
        seed=settings.seed,
        device=place,
        dtype=dtype,
        folder=checkpoints,
        fingerprint=fingerprint_of(made_by, files, device=place.type, dtype=dtype),
        group=group,
    )
    if not group.is_main:
        return
    if settings.calibrate_masks:
        seeds = prior_seeds(settings.seed, split.validation)
        truth = columns["masks"].of(held_out)
        cut = calibrate_masks(network.eval(), brain.mean, truth, texts, seeds, settings.prior_steps)
        logger.info("masks of held-out clips are cut best at a probability of %.2f, which becomes 0.5", cut)
    save_decoupler(
        model,
        network,
        load_tokenizer(settings.language_model),
        made_by,
        subject=subject,
        variant=variant,
        vertex_hash=facts["vertex_hash"],
        brain_model=facts["content_hash"],
        prior_steps=settings.prior_steps,
    )
    write_table(log, history, made_by)
    decoded = load_decoupler(model).decode(brain.mean, split.validation, texts, seed=settings.seed)
    captions = read_captions(annotation, data.clip_ids)
    scores = validation_scores(decoded, columns, captions, train_clips, held_out)
    counts = {"train_clips": len(train_clips), "validation_clips": len(held_out)}
    best = int(best_row(history)["epoch"])
    write_json(
        summary, {"subject": subject, "variant": variant, "epoch": best, **counts, "scores": scores}, made_by
    )
    shown = np.linspace(0, len(held_out) - 1, min(LOOKED_AT, len(held_out))).round().astype(int)
    clips = held_out[shown]
    names = [data.clip_ids[clip] for clip in clips]
    pictures = Features(frames, "frames")
    early_look(
        picture,
        names,
        pictures.rows(pictures.locate(names)),
        (columns["masks"].of(clips).numpy(), decoded.mask[shown]),
        decode_latents(decoded.latents[shown], vae),
        ([captions[clip] for clip in clips], [decoded.captions[i] for i in shown]),
        f"{subject}, {variant}: held-out clips (first, middle, last frame)",
    )
    shutil.rmtree(checkpoints, ignore_errors=True)
