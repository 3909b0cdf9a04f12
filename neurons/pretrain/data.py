"""What the brain model is trained on: responses, image tokens and caption embeddings, joined by clip id."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import InputError, TensorFile, split_clip_id
from neurons.pretrain.checks import check_models
from neurons.pretrain.features import Features
from neurons.pretrain.model import BrainModel, RidgePerLag
from neurons.pretrain.window import repeat_windows, window_positions


@dataclass(frozen=True)
class Split:
    """Clips to learn from and clips held out to choose the epoch: whole movies each."""

    train: list[str]
    validation: list[str]


def split_movies(
    clip_ids: Sequence[str],
    validation_movies: Sequence[str],
    where: str,
    training_clips: int | None = None,
) -> Split:
    """Divide clips by movie.

    Parameters
    ----------
    clip_ids
        Clips of the training responses, in order.
    validation_movies
        Movies whose clips are held out.
    where
        File of the responses, for messages.
    training_clips
        Learn from the first so many of the other clips only; None: from all.

    Raises
    ------
    InputError
        If a validation movie is not among the clips, no training movie is left, or there are fewer training clips
        than asked for.
    """
    movies = list(dict.fromkeys(split_clip_id(identity)[0] for identity in clip_ids))
    unknown = [movie for movie in validation_movies if movie not in movies]
    if unknown:
        raise InputError(
            f"validation movies {unknown} (study.validation_movies) are not in {where}; it has: {', '.join(movies)}"
        )
    held_out = [identity for identity in clip_ids if split_clip_id(identity)[0] in validation_movies]
    train = [identity for identity in clip_ids if split_clip_id(identity)[0] not in validation_movies]
    if not train or not held_out:
        raise InputError(
            f"study.validation_movies {list(validation_movies)} leaves {len(train)} training and {len(held_out)} "
            f"validation clips of the movies {', '.join(movies)} in {where}; both are needed"
        )
    if training_clips is not None and training_clips > len(train):
        raise InputError(
            f"pretrain.training_clips is {training_clips}, but {where} has {len(train)} training clips beside the "
            "validation movies; ask for fewer, or for all with null"
        )
    return Split(train[:training_clips], held_out)


@dataclass(frozen=True)
class Responses:
    """Training responses with the positions of each clip's window.

    Attributes
    ----------
    values
        float32 (clips, repeats, V).
    clip_ids
        Of the clips.
    positions
        int64 (clips, lags), rows of `values`; -1 beyond the ends of the run.
    """

    values: Tensor
    clip_ids: list[str]
    positions: Tensor

    @property
    def repeats(self) -> int:
        """Repeats per clip."""
        return self.values.shape[1]

    def windows(self, rows: Tensor, repeats: Tensor) -> Tensor:
        """(B, lags, V): one repeat of each clip."""
        return repeat_windows(self.values, repeats, self.positions[rows])

    def mean_windows(self, rows: Tensor) -> Tensor:
        """(B, lags, V): the mean over repeats of each clip, as test responses are."""
        every = [self.windows(rows, torch.full_like(rows, repeat)) for repeat in range(self.repeats)]
        return torch.stack(every).mean(dim=0)


@dataclass(frozen=True)
class WindowInputs:
    """Windows of responses, for a ridge that is trained with the rest of the model."""

    responses: Responses

    def of(self, clips: Tensor, repeats: Tensor) -> Tensor:
        """(B, lags, V)."""
        return self.responses.windows(clips, repeats)

    def every(self, clips: Tensor) -> Tensor:
        """(B, repeats, lags, V): of every repeat."""
        return torch.stack(
            [self.of(clips, torch.full_like(clips, r)) for r in range(self.responses.repeats)], 1
        )

    def embed(self, model: BrainModel, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of a batch."""
        return model(inputs)

    def embed_windows(self, model: BrainModel, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of windows of clips that were not trained on."""
        return model(windows)


@dataclass(frozen=True)
class HiddenInputs:
    """Held-out predictions of a ridge in closed form.

    Attributes
    ----------
    hidden
        (clips, repeats, hidden); rows of clips that are not trained on are not read.
    ridge
        What predicts hidden features of other clips.
    """

    hidden: Tensor
    ridge: RidgePerLag

    @classmethod
    def of_clips(cls, held_out: Tensor, rows: np.ndarray, clips: int, ridge: RidgePerLag) -> HiddenInputs:
        """From the predictions (n, repeats, hidden) of the clips at `rows`, of `clips` in all."""
        hidden = torch.zeros(clips, *held_out.shape[1:])
        hidden[torch.from_numpy(rows)] = held_out.cpu()
        return cls(hidden, ridge)

    def of(self, clips: Tensor, repeats: Tensor) -> Tensor:
        """(B, hidden)."""
        return self.hidden[clips, repeats]

    def every(self, clips: Tensor) -> Tensor:
        """(B, repeats, hidden): of every repeat."""
        return self.hidden[clips]

    def embed(self, model: BrainModel, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of a batch."""
        return model.embed(inputs)

    def embed_windows(self, model: BrainModel, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings of windows of clips that were not trained on."""
        return model.embed(self.ridge(windows))


def read_responses(path: Path, window_tr: Sequence[int]) -> Responses:
    """Training responses of a subject.

    Raises
    ------
    InputError
        If they are not floating-point numbers per clip, repeat and vertex.
    """
    file = TensorFile(path)
    clip_ids = file.clip_ids
    stored = file["responses"]
    if stored.dtype.kind != "f" or stored.ndim != 3:
        raise InputError(
            f"{path}: responses are {stored.dtype} of shape {stored.shape}; floating-point numbers (clips, repeats, "
            "vertices) are expected, as `preprocess gather-train` writes them"
        )
    positions = window_positions(clip_ids, clip_ids, window_tr, str(path))
    values = torch.from_numpy(np.array(stored, dtype=np.float32))
    return Responses(values, clip_ids, torch.from_numpy(positions))


@dataclass(frozen=True)
class Targets:
    """Features that training clips are aligned with; row i of `rows` belongs to clip i of the responses."""

    tokens: Features
    token_rows: np.ndarray
    text: Features
    text_rows: np.ndarray

    def of(self, clips: np.ndarray) -> tuple[Tensor, Tensor]:
        """Image tokens float32 (B, F, N, C) and caption embeddings float32 (B, T) of clips, by their number."""
        return torch.from_numpy(self.tokens.rows(self.token_rows[clips])).float(), self.captions(clips)

    def captions(self, clips: np.ndarray) -> Tensor:
        """Caption embeddings float32 (B, T)."""
        return torch.from_numpy(self.text.rows(self.text_rows[clips])).float()

    def token_blocks(self, clips: np.ndarray, at_once: int = 8) -> Iterator[tuple[slice, Tensor]]:
        """Image tokens of clips, some of the N places at a time: (places, float32 (B, F, places, C))."""
        for first in range(0, self.tokens.shape[1], at_once):
            places = slice(first, first + at_once)
            part = (slice(None), places)
            yield places, torch.from_numpy(self.tokens.rows(self.token_rows[clips], part)).float()

    def token_statistics(self, clips: np.ndarray) -> tuple[Tensor, Tensor]:
        """Mean (F, N, C) over clips of the image tokens, and the SD () around it over all entries."""
        means, squares = [], []
        for _, tokens in self.token_blocks(clips):
            mean = tokens.mean(dim=0)
            means.append(mean)
            squares.append((tokens - mean).double().square().mean(dim=(0, 1, 3)))
        return torch.cat(means, dim=1), torch.cat(squares).mean().sqrt().float()


def read_targets(clip_ids: Sequence[str], image_tokens: Sequence[Path], text: Sequence[Path]) -> Targets:
    """Features of the clips; an error lists the clips that a stage before has not embedded."""
    check_models([*image_tokens, *text])
    tokens, captions = Features(image_tokens, "tokens", "f"), Features(text, "caption", "f")
    return Targets(tokens, tokens.locate(clip_ids), captions, captions.locate(clip_ids))
