"""The oracle: task outputs as they would be if decoding were perfect, taken from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from neurons.artifacts import TensorFile, gather, locate, read_table
from neurons.reconstruct.timing import source_frame


@dataclass(frozen=True)
class Truth:
    """True task outputs of clips: tensors of ``decoded.safetensors``, captions and index of each key concept."""

    clip_ids: list[str]
    tensors: dict[str, np.ndarray]
    captions: list[str]
    key_concepts: list[int]


def true_outputs(
    annotation: Sequence[Path],
    labels: Sequence[Path],
    image_tokens: Sequence[Path],
    latents: Sequence[Path],
    text: Sequence[Path],
) -> Truth:
    """Gather the truth of all clips of the annotated movies, joined by clip id."""
    table = pd.concat([read_table(path, ["clip", "caption"]) for path in annotation], ignore_index=True)
    clips = [str(clip) for clip in table["clip"]]
    tensors = {
        "mask": gather(labels, "key_mask", clips)[0],
        "concepts": gather(labels, "concepts", clips)[0],
        "latents": gather(latents, "latents", clips)[0],
        "image_tokens": _middle_tokens(image_tokens, clips),
        "text": gather(text, "caption", clips)[0],
    }
    return Truth(
        clips,
        {name: array.astype(np.float16) for name, array in tensors.items()},
        [str(caption) for caption in table["caption"].fillna("")],
        gather(labels, "key_concept", clips)[0].tolist(),
    )


def _middle_tokens(paths: Sequence[Path], clips: Sequence[str]) -> np.ndarray:
    """Image tokens (n, N, C) of the clips' middle frames; the other frames are not read."""
    files = [TensorFile(path) for path in paths]
    available = [clip for file in files for clip in file.clip_ids]
    positions = locate(clips, available, f"{len(paths)} files of image tokens, such as {paths[0]}")
    middle = [file["tokens"][:, source_frame(file["tokens"].shape[1])] for file in files]
    return np.concatenate(middle)[positions]
