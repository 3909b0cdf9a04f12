"""Test responses to task outputs, by the trained models of a subject and variant."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from neurons.artifacts import InputError, TensorFile
from neurons.decouple.decoding import load_decoupler, read_concept_texts
from neurons.pretrain.store import brain_embeddings, check_vertices, load_brain_model
from neurons.reconstruct.settings import Reconstruct


@dataclass(frozen=True)
class DecodedClips:
    """Tensors of ``decoded.safetensors`` (float16) and descriptions, per clip."""

    clip_ids: list[str]
    tensors: dict[str, np.ndarray]
    captions: list[str]


def decoded_outputs(
    responses: Path,
    brain_model: Path,
    decoupler: Path,
    concepts: Path,
    settings: Reconstruct,
    device: torch.device,
    dtype: torch.dtype,
) -> DecodedClips:
    """Decode all clips of `responses`.

    Raises
    ------
    InputError
        If the responses have other vertices than the models, or the decoupler belongs to another brain model.
    """
    file = TensorFile(responses)
    clips = file.clip_ids
    brain, facts = load_brain_model(brain_model)
    check_vertices(facts, file, brain_model)
    tasks = load_decoupler(decoupler)
    if tasks.metadata["brain_model"] != TensorFile(brain_model).metadata["content_hash"]:
        raise InputError(
            f"{decoupler} was trained on another brain model than {brain_model}; rerun `decouple fit`"
        )
    brain.to(device)
    tasks.model.to(device)
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        tokens = brain_embeddings(
            brain,
            np.array(file["responses"]),
            clips,
            clips,
            facts["window_tr"],
            where=str(responses),
            batch_size=settings.batch_size,
        )
        decoded = tasks.decode(
            tokens, clips, read_concept_texts(concepts), seed=settings.seed, batch_size=settings.batch_size
        )
    tensors = {
        name: getattr(decoded, name).astype(np.float16)
        for name in ("mask", "concepts", "latents", "image_tokens", "text")
    }
    return DecodedClips(clips, tensors, decoded.captions)
