"""One chunk of clips: their decoded outputs, joined by clip id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurons.artifacts import InputError, TensorFile, locate, read_table, seed_for
from neurons.reconstruct.aggregate import Decoded
from neurons.reconstruct.clip_folders import row_identity
from neurons.reconstruct.decode import DecodedClips
from neurons.reconstruct.prompts import decoded_table
from neurons.reconstruct.settings import Reconstruct


@dataclass(frozen=True)
class ChunkOfClips:
    """Decoded outputs of the clips of a chunk.

    Attributes
    ----------
    clips, captions, prompts
        One per clip.
    masks
        float16 (n, F, h, w).
    latents
        float16 (n, F, c, hl, wl).
    probabilities
        float16 (n, 51).
    controls
        uint8 (n, H, W, 3).
    views
        float32 (n, C): decoded CLIP tokens, averaged over positions.
    """

    clips: list[str]
    captions: list[str]
    prompts: list[str]
    masks: np.ndarray
    latents: np.ndarray
    probabilities: np.ndarray
    controls: np.ndarray
    views: np.ndarray

    @classmethod
    def read(cls, decoded: Path, table: Path, control: Path, chunk: int, chunks: int) -> ChunkOfClips:
        """Read the clips of chunk `chunk` (from 0) of `chunks`: neighbours in the order of `decoded`.

        Raises
        ------
        InputError
            If there is no such chunk, a file lacks a clip or is damaged, or the control images are none.
        """
        if not 0 <= chunk < chunks:
            raise InputError(f"chunk {chunk} does not exist: chunks are numbered from 0 to {chunks - 1}")
        file = TensorFile(decoded)
        clips = [str(clip) for clip in np.array_split(np.array(file.clip_ids), chunks)[chunk]]
        controls = TensorFile(control).rows("images", clips)
        if controls.dtype != np.uint8 or controls.ndim != 4 or controls.shape[-1] != 3:
            raise InputError(
                f"{control} holds {controls.dtype} {controls.shape}, expected images, uint8 (clips, height, width, 3); "
                "rerun `reconstruct control`"
            )
        texts = read_table(table, ["clip", "caption", "prompt"]).fillna("")
        texts = texts.iloc[locate(clips, [str(clip) for clip in texts["clip"]], str(table))]
        return cls(
            clips,
            texts["caption"].astype(str).tolist(),
            texts["prompt"].astype(str).tolist(),
            file.rows("mask", clips),
            file.rows("latents", clips),
            file.rows("concepts", clips),
            controls,
            mean_tokens(file.rows("image_tokens", clips)),
        )

    @classmethod
    def of(cls, decoded: DecodedClips, controls: np.ndarray, settings: Reconstruct) -> ChunkOfClips:
        """All clips of decoded outputs that are in memory, in their order."""
        tensors = decoded.tensors
        texts = decoded_table(decoded.clip_ids, decoded.captions, tensors["concepts"], settings)
        return cls(
            decoded.clip_ids,
            decoded.captions,
            texts["prompt"].tolist(),
            tensors["mask"],
            tensors["latents"],
            tensors["concepts"],
            controls,
            mean_tokens(tensors["image_tokens"]),
        )

    def identity(self, row: int, shared: dict[str, Any]) -> str:
        """Hash of everything that decides the folder of a clip."""
        texts = {"clip": self.clips[row], "caption": self.captions[row], "prompt": self.prompts[row]}
        arrays = {
            "mask": self.masks[row],
            "latents": self.latents[row],
            "probabilities": self.probabilities[row],
            "control": self.controls[row],
            "view": self.views[row],
        }
        return row_identity(shared, texts, arrays)

    def seed(self, row: int, run_seed: int, sample: int) -> int:
        """Seed of one sample of a clip's video."""
        return seed_for(run_seed, "video", self.clips[row], sample)

    def batch(self, rows: Sequence[int], run_seed: int, sample: int = 0) -> Decoded:
        """Tensors of some of the clips."""
        chosen = list(rows)
        controls = torch.from_numpy(self.controls[chosen]).movedim(-1, 1).float() / 255
        return Decoded(
            [self.prompts[row] for row in chosen],
            [self.seed(row, run_seed, sample) for row in chosen],
            torch.from_numpy(self.masks[chosen]).float(),
            torch.from_numpy(self.latents[chosen]).float(),
            controls,
        )


def mean_tokens(tokens: np.ndarray) -> np.ndarray:
    """CLIP tokens (n, N, C) averaged over positions: float32 (n, C)."""
    return tokens.astype(np.float32).mean(axis=1)
