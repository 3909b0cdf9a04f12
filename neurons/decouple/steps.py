"""The step of `decouple`: train one subject's decoupler on the embeddings of their brain model."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel, PreTrainedTokenizerFast

from neurons.artifacts import (
    InputError,
    Provenance,
    TensorFile,
    locate,
    provenance,
    read_table,
    seed_for,
    write_json,
    write_table,
)
from neurons.config import Decouple, Model
from neurons.decouple.data import Column, compute_brain_tokens, middle_frame_statistics, read_columns
from neurons.decouple.decoding import (
    ConceptTexts,
    DecodedTasks,
    load_decoupler,
    read_concept_texts,
    save_decoupler,
)
from neurons.decouple.fit import Decoupling
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.decouple.picture import decode_latents, early_look
from neurons.decouple.validation import validation_scores
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.pretrain.data import read_responses, split_movies
from neurons.pretrain.features import Features
from neurons.pretrain.model import BrainModel
from neurons.pretrain.store import check_vertices, load_brain_model, read_held_out
from neurons.training import fingerprint_of, parameter_groups, train

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
        Training responses of the subject (from `preprocess gather`).
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
    files = [responses, brain_model, concepts, *image_tokens, *text, *latents, *caption_ids, *labels]
    parameters = {"subject": subject, "variant": variant, "validation_movies": validation_movies}
    made_by = provenance(
        "decouple fit", inputs, {**settings.model_dump(mode="json"), **parameters}, settings.seed
    )

    encoder, facts = load_brain_model(brain_model)
    check_vertices(facts, TensorFile(responses), brain_model)
    data = read_responses(responses, facts["window_tr"])
    split = split_movies(data.clip_ids, validation_movies, str(responses))
    train_clips = locate(split.train, data.clip_ids, str(responses))
    held_out = locate(split.validation, data.clip_ids, str(responses))
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
    brain = compute_brain_tokens(encoder.to(place), data, read_held_out(brain_model))
    network = _new_model(settings, encoder.cpu(), columns, texts, train_clips).to(place)
    history = train(
        network,
        Decoupling(network, brain, columns, texts, train_clips, held_out, data.clip_ids, settings),
        settings.optimiser,
        parameter_groups(network, {"": settings.optimiser.weight_decay}),
        seed=settings.seed,
        device=place,
        dtype=dtype,
        folder=checkpoints,
        fingerprint=fingerprint_of(made_by, files, device=place.type, dtype=dtype),
    )
    save_decoupler(
        model,
        network,
        _tokenizer(settings.language_model).backend_tokenizer,
        made_by,
        subject=subject,
        variant=variant,
        vertex_hash=facts["vertex_hash"],
        brain_model=facts["content_hash"],
        prior_steps=settings.prior_steps,
    )
    write_table(log, history, made_by)
    decoupler = load_decoupler(model)
    decoded = decoupler.decode(brain.mean[held_out], split.validation, texts, seed=settings.seed)
    captions = _captions(annotation, data.clip_ids)
    _write_summary(summary, decoded, columns, captions, train_clips, held_out, history, made_by)
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


def _new_model(
    settings: Decouple,
    encoder: BrainModel,
    columns: dict[str, Column],
    texts: ConceptTexts,
    train_clips: np.ndarray,
) -> DecouplerModel:
    """A model at the start of training: pre-trained language model, the brain model's projections, prior statistics."""
    reference = settings.language_model
    language_model = GPT2LMHeadModel.from_pretrained(reference.path, revision=reference.revision)
    sizes = encoder.sizes
    torch.manual_seed(seed_for(settings.seed, "decouple", "weights"))
    network = DecouplerModel(
        DecouplerSizes(
            frames=sizes.frames,
            tokens=sizes.tokens,
            channels=sizes.channels,
            text=sizes.text,
            text_token=texts.tokens.shape[2],
            concepts=columns["concepts"].features.shape[0],
            mask_size=columns["masks"].features.shape[1:],
            latents=columns["latents"].features.shape[1:],
            decoder_width=settings.decoder_width,
            prior_blocks=settings.prior_blocks,
            prefix_tokens=settings.prefix_tokens,
            caption_tokens=columns["ids"].features.shape[0],
            heads_input=settings.heads_input,
            language_model=language_model.config.to_diff_dict(),
        ),
        settings.dropout,
    )
    network.start_from(encoder)
    network.description.language_model.load_state_dict(language_model.state_dict())
    mean, deviation = middle_frame_statistics(columns["tokens"], train_clips)
    network.prior.mean.copy_(mean)
    network.prior.deviation.copy_(deviation)
    return network


def _tokenizer(reference: Model) -> PreTrainedTokenizerFast:
    tokenizer = AutoTokenizer.from_pretrained(reference.path, revision=reference.revision)
    if not tokenizer.is_fast:
        raise InputError(f"decouple.language_model {reference.path} has no fast tokenizer (tokenizer.json)")
    return tokenizer


def _captions(annotation: list[Path], clip_ids: list[str]) -> list[str]:
    table = pd.concat([read_table(path, ["clip", "caption"]) for path in annotation])
    rows = locate(
        clip_ids, list(table["clip"]), f"{len(annotation)} annotation tables, such as {annotation[0]}"
    )
    return [str(caption) for caption in table["caption"].iloc[rows]]


def _write_summary(
    path: Path,
    decoded: DecodedTasks,
    columns: dict[str, Column],
    captions: list[str],
    train_clips: np.ndarray,
    held_out: np.ndarray,
    history: pd.DataFrame,
    made_by: Provenance,
) -> None:
    middle = columns["tokens"].features.shape[0] // 2
    truth = {name: columns[name].of(held_out).numpy() for name in ("masks", "concepts", "latents")}
    truth["image_tokens"] = columns["tokens"].of(held_out)[:, middle].numpy()
    truth["captions"] = np.array([captions[clip] for clip in held_out])
    known = {name: columns[name].mean(train_clips).numpy() for name in ("masks", "concepts", "latents")}
    known["image_tokens"] = columns["tokens"].mean(train_clips)[middle].numpy()
    known["captions"] = np.array(Counter(captions[clip] for clip in train_clips).most_common(1)[0][0])
    best = history.loc[history["validation_score"].idxmin()]
    facts = {"epoch": int(best["epoch"]), "train_clips": len(train_clips), "validation_clips": len(held_out)}
    write_json(path, {**facts, "scores": validation_scores(decoded, truth, known)}, made_by)


STEPS = [fit]
