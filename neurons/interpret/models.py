"""The trained models of a subject and variant with the clips that they did not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from neurons.artifacts import InputError, TensorFile, locate
from neurons.decouple.decoding import load_decoupler
from neurons.decouple.model import DecouplerModel
from neurons.pretrain.data import Responses, Split, read_responses, split_movies
from neurons.pretrain.model import BrainModel
from neurons.pretrain.store import check_vertices, load_brain_model


@dataclass(frozen=True)
class Trained:
    """Models in evaluation mode with frozen weights, and the responses that they are asked about.

    Attributes
    ----------
    brain, decoupler
        On the device asked for.
    responses
        Training responses, repeats apart.
    split
        Ids of the clips that were learnt from, and of those held out.
    train, held_out
        Their numbers among the responses.
    window_tr
        Volumes that a clip is decoded from.
    """

    brain: BrainModel
    decoupler: DecouplerModel
    responses: Responses
    split: Split
    train: np.ndarray
    held_out: np.ndarray
    window_tr: list[int]


def load_trained(
    responses: Path,
    brain_model: Path,
    decoupler: Path,
    validation_movies: Sequence[str],
    device: torch.device,
) -> Trained:
    """Load and check that all three belong together.

    Raises
    ------
    InputError
        If responses are of other vertices than the models, or the decoupler was trained on another brain model.
    """
    brain, facts = load_brain_model(brain_model)
    check_vertices(facts, TensorFile(responses), brain_model)
    tasks = load_decoupler(decoupler)
    if tasks.metadata["brain_model"] != facts["content_hash"]:
        raise InputError(
            f"{decoupler} was trained on another brain model than {brain_model}; rerun `decouple fit`"
        )
    if not isinstance(tasks.model, DecouplerModel):
        raise InputError(
            f"{decoupler} was imported from a released checkpoint, whose heads read samples of the prior, through which "
            "importance cannot be followed; leave its variant out of interpret.variants"
        )
    data = read_responses(responses, facts["window_tr"])
    split = split_movies(data.clip_ids, validation_movies, str(responses), facts.get("training_clips"))
    return Trained(
        brain.requires_grad_(False).to(device),
        tasks.model.requires_grad_(False).to(device),
        data,
        split,
        locate(split.train, data.clip_ids, str(responses)),
        locate(split.validation, data.clip_ids, str(responses)),
        facts["window_tr"],
    )
