"""Responses to task outputs, by the trained models of a subject and variant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurons.artifacts import InputError
from neurons.decouple.decoding import ConceptTexts, Decoupler, load_decoupler, read_concept_texts
from neurons.pretrain.model import BrainModel
from neurons.pretrain.store import brain_embeddings, load_brain_model
from neurons.reconstruct.settings import Reconstruct


@dataclass(frozen=True)
class DecodedClips:
    """Tensors of ``decoded.safetensors`` (float16) and descriptions, per clip."""

    clip_ids: list[str]
    tensors: dict[str, np.ndarray]
    captions: list[str]


@dataclass(frozen=True)
class Decoder:
    """Brain model and decoupler of a subject and variant; `facts` are the brain model's metadata."""

    brain: BrainModel
    facts: dict[str, Any]
    tasks: Decoupler
    concepts: ConceptTexts

    @classmethod
    def load(cls, brain_model: Path, decoupler: Path, concepts: Path, device: torch.device) -> Decoder:
        """Load weights from `pretrain fit` and `decouple fit`, and texts from `embed concepts`.

        Raises
        ------
        InputError
            If the decoupler belongs to another brain model.
        """
        brain, facts = load_brain_model(brain_model)
        tasks = load_decoupler(decoupler)
        if tasks.metadata["brain_model"] != facts["content_hash"]:
            raise InputError(
                f"{decoupler} was trained on another brain model than {brain_model}; rerun `decouple fit`"
            )
        tasks.model.to(device)
        return cls(brain.to(device), facts, tasks, read_concept_texts(concepts))

    def decode(
        self,
        responses: np.ndarray,
        available: Sequence[str],
        clips: Sequence[str],
        settings: Reconstruct,
        dtype: torch.dtype,
        where: str,
    ) -> DecodedClips:
        """Decode clips.

        Parameters
        ----------
        responses
            float32 (n, V): one response per available clip, which windows are made of.
        available
            Clip ids of the rows.
        clips
            Clips to decode.
        settings
            This uses ``seed`` and ``batch_size``.
        where
            What the responses are, for messages.
        """
        device = next(self.brain.parameters()).device
        size = settings.batch_size
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            tokens = brain_embeddings(
                self.brain,
                responses,
                available,
                clips,
                self.facts["window_tr"],
                where=where,
                batch_size=size,
            )
            decoded = self.tasks.decode(tokens, clips, self.concepts, seed=settings.seed, batch_size=size)
        tensors = {
            name: getattr(decoded, name).astype(np.float16)
            for name in ("mask", "concepts", "latents", "image_tokens", "text")
        }
        return DecodedClips(list(clips), tensors, decoded.captions)
