"""One backbone for several subjects, with a ridge each.

A ridge in closed form predicts principal components of the clips' features. Those components are made of the stimuli, not of
anybody's brain, so that hidden features mean the same for every subject: what is shared is everything after the ridge, and
to the backbone another subject is a further showing of the same clips. A new subject's ridge is solved for the components of
the clips that they saw, in seconds; the layers after it are taken over, and may be trained on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import InputError, Provenance, TensorFile, locate, write_tensors
from neurons.pretrain.fit import Alignment
from neurons.pretrain.model import BrainModel
from neurons.training import Batch, Progress

SCORES = "scores"
RIDGE = "ridge."


class SharedAlignment:
    """The objective of pre-training on several subjects: samples of all, in mixed batches; scores are means over subjects.

    Parameters
    ----------
    alignments
        By subject, all of one model.
    """

    judged: ClassVar[Mapping[str, str]] = {"": "score"}

    def __init__(self, alignments: Mapping[str, Alignment]) -> None:
        self.parts = list(alignments.values())
        self.samples = [
            f"{subject} {sample}" for subject, part in alignments.items() for sample in part.samples
        ]
        self.ends = np.cumsum([len(part.samples) for part in self.parts])

    def arrange(self, indices: np.ndarray) -> np.ndarray:
        """Subject after subject."""
        return indices[np.argsort(self._subject(indices), kind="stable")]

    def _subject(self, indices: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.ends, indices, side="right")

    def fetch(self, indices: np.ndarray) -> Batch:
        """Inputs and targets of samples, subject after subject."""
        subject = self._subject(indices)
        batches = []
        for number in np.unique(subject):
            part = self.parts[number]
            first = self.ends[number] - len(part.samples)
            batches.append(part.fetch(indices[subject == number] - first))
        return {name: torch.cat([batch[name] for batch in batches]) for name in batches[0]}

    def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """As of one subject: after the ridges nothing depends on whose responses they were."""
        return self.parts[0].loss(batch, progress)

    def validate(self) -> dict[str, float]:
        """Mean over subjects of their scores on held-out clips."""
        scores = [part.validate() for part in self.parts]
        return {name: float(np.mean([score[name] for score in scores])) for name in scores[0]}


def save_shared(
    path: Path, model: BrainModel, scores: Tensor, clips: Sequence[str], made_by: Provenance, **facts: Any
) -> None:
    """Write the layers after the ridge, and the components that ridges predict.

    Parameters
    ----------
    scores
        float32 (clips, hidden), of the clips `clips`.
    facts
        ``subjects``, ``target``.
    """
    arrays = {
        name: value.detach().cpu().numpy()
        for name, value in model.state_dict().items()
        if not name.startswith(RIDGE)
    }
    arrays[SCORES] = scores.cpu().numpy()
    write_tensors(path, arrays, made_by, sizes=asdict(model.sizes), scored_clips=list(clips), **facts)


def start_from_shared(model: BrainModel, path: Path, train_clips: Sequence[str], target: str) -> Tensor:
    """Give a subject's model the layers after the ridge of a shared one.

    Returns
    -------
    Tensor
        float32 (train clips, hidden), on the model's device: what the subject's ridge is to predict.

    Raises
    ------
    InputError
        If sizes or target differ, or a training clip was not among the shared model's.
    """
    file = TensorFile(path)
    own = {**asdict(model.sizes), "target": target}
    found = {**file.metadata["sizes"], "target": file.metadata["target"]}
    different = [name for name in own if name not in ("vertices", "lags") and own[name] != found.get(name)]
    if different:
        told = "; ".join(f"{name}: {found.get(name)} there, {own[name]} here" for name in different)
        raise InputError(f"{path} does not fit this brain model ({told}); rerun `pretrain shared`")
    weights = {name: torch.from_numpy(np.array(file[name])) for name in file.names if name != SCORES}
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or any(not name.startswith(RIDGE) for name in missing):
        raise InputError(f"{path} holds other tensors than this brain model; rerun `pretrain shared`")
    rows = locate(train_clips, file.metadata["scored_clips"], f"the clips of {path}")
    scores = torch.from_numpy(np.array(file[SCORES]))[torch.from_numpy(rows)]
    return scores.to(next(model.parameters()).device)
