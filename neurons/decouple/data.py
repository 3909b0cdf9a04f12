"""What the decoupler is trained on, joined by clip id: brain tokens of a frozen model and the truth of each task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurons.artifacts import locate, read_table
from neurons.pretrain.data import Responses
from neurons.pretrain.features import Features
from neurons.pretrain.model import BrainModel

WHOLE = ("masks", "concepts", "key_concept", "ids")
"""Columns of whole numbers; all others are floating-point."""

AT_ONCE = 256
"""Clips read at once when statistics are taken."""


@dataclass(frozen=True)
class Column:
    """One tensor of the training movies, with the row of each clip."""

    features: Features
    row: np.ndarray

    def of(self, clips: np.ndarray, part: tuple[int | slice, ...] = ()) -> Tensor:
        """Rows of clips, by their number, or a part of each; half precision becomes float32."""
        rows = torch.from_numpy(self.features.rows(self.row[clips], part))
        return rows.float() if rows.is_floating_point() else rows

    def mean(self, clips: np.ndarray) -> Tensor:
        """Mean over clips, float32, read in parts."""
        total = torch.zeros(self.features.shape, dtype=torch.float64)
        for part in np.array_split(clips, -(-len(clips) // AT_ONCE)):
            total += self.of(part).double().sum(dim=0)
        return (total / len(clips)).float()


def middle_frame_statistics(tokens: Column, clips: np.ndarray) -> tuple[Tensor, Tensor]:
    """Mean (N, C) and SD per channel (C,) around it of the image tokens of the clips' middle frames."""
    middle = tokens.features.shape[0] // 2
    mean = tokens.mean(clips)[middle]
    squares = torch.zeros(mean.shape, dtype=torch.float64)
    for part in np.array_split(clips, -(-len(clips) // AT_ONCE)):
        squares += (tokens.of(part)[:, middle] - mean).double().square().sum(dim=0)
    return mean, (squares / len(clips)).mean(dim=0).sqrt().clamp(min=1e-3).float()


def read_columns(clip_ids: Sequence[str], files: dict[str, tuple[Sequence[Path], str]]) -> dict[str, Column]:
    """Columns by name from (files, tensor name) by column name; an error lists clips that a file lacks."""
    columns = {}
    for name, (paths, tensor) in files.items():
        features = Features(paths, tensor, "iub" if name in WHOLE else "f")
        columns[name] = Column(features, features.locate(clip_ids))
    return columns


@dataclass(frozen=True)
class BrainTokens:
    """Brain tokens of a frozen model, computed once.

    Attributes
    ----------
    single
        float16 (clips, repeats, N, C): of each repeat (half precision, for at paper scale these are 7 GB).
    mean
        float32 (held-out clips, N, C): of the responses' mean over repeats, as in the test data.
    """

    single: Tensor
    mean: Tensor


def compute_brain_tokens(
    model: BrainModel,
    responses: Responses,
    cross_validated: tuple[list[str], Tensor] | None,
    held_out: np.ndarray,
    batch_size: int = 64,
) -> BrainTokens:
    """Run ridge and backbone over all training responses once.

    Parameters
    ----------
    cross_validated
        From `read_held_out`: training clips whose hidden features were predicted from other movies. Their single
        repeats start from these, so that the heads meet embeddings as noisy as those of new clips.
    held_out
        Numbers of the clips to judge by.
    """
    device = next(model.parameters()).device
    clips = torch.arange(len(responses.clip_ids))

    def ridge_of(repeat: int) -> Tensor:
        parts = (responses.windows(rows, torch.full_like(rows, repeat)) for rows in clips.split(batch_size))
        return torch.cat([model.ridge(part.to(device)).float() for part in parts])

    def tokens_of(hidden: Tensor, dtype: torch.dtype) -> Tensor:
        # Filled part by part: at paper scale a list of the parts and the whole of them would be 15 GB.
        filled = torch.empty(len(hidden), model.sizes.tokens, model.sizes.channels, dtype=dtype)
        for place, part in zip(filled.split(batch_size), hidden.split(batch_size), strict=True):
            place.copy_(model.brain_tokens(part))
        return filled

    with torch.no_grad():
        hidden = torch.stack([ridge_of(repeat) for repeat in range(responses.repeats)], dim=1)
        mean = tokens_of(hidden[torch.from_numpy(held_out)].mean(dim=1), torch.float32)
        if cross_validated is not None:
            rows = torch.from_numpy(locate(cross_validated[0], responses.clip_ids, "the training responses"))
            hidden[rows] = cross_validated[1].to(hidden)
        single = tokens_of(hidden.flatten(0, 1), torch.float16).unflatten(0, hidden.shape[:2])
        return BrainTokens(single, mean)


def read_captions(annotation: Sequence[Path], clip_ids: Sequence[str]) -> list[str]:
    """Captions of clips from the annotation of several movies."""
    table = pd.concat([read_table(path, ["clip", "caption"]) for path in annotation])
    rows = locate(
        clip_ids, list(table["clip"]), f"{len(annotation)} annotation tables, such as {annotation[0]}"
    )
    return [str(caption) for caption in table["caption"].iloc[rows]]
