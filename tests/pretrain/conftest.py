"""A small study whose answer is known: responses and features are linear in the same hidden attributes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from neurons.artifacts import clip_id, hash_vertices, provenance, write_tensors

MOVIES = [f"seg{i}" for i in range(1, 7)]
CLIPS, VERTICES, FRAMES, TOKENS, CHANNELS, TEXT, ATTRIBUTES = 24, 90, 2, 4, 8, 8, 6


@dataclass(frozen=True)
class Study:
    """Files of the training movies."""

    responses: Path
    image_tokens: list[Path]
    text: list[Path]


def write_study(folder: Path, signal: float) -> Study:
    rng = np.random.default_rng(5)
    made_by = provenance("test", {})
    to_tokens = rng.normal(size=(ATTRIBUTES, FRAMES, TOKENS, CHANNELS))
    to_text, to_brain = rng.normal(size=(ATTRIBUTES, TEXT)), rng.normal(size=(ATTRIBUTES, VERTICES))
    offset = 3 * rng.normal(size=(TOKENS, CHANNELS))
    responses, ids, tokens_files, text_files = [], [], [], []
    for movie in MOVIES:
        attributes = rng.normal(size=(CLIPS, ATTRIBUTES))
        evoked = signal * attributes @ to_brain
        runs = evoked[:, None] + 2.0 * rng.normal(size=(CLIPS, 2, VERTICES))
        responses.append((runs - runs.mean(axis=0)) / runs.std(axis=0, ddof=1))
        movie_ids = [clip_id(movie, index) for index in range(CLIPS)]
        tokens = offset + np.einsum("na,afij->nfij", attributes, to_tokens)
        text = attributes @ to_text
        text /= np.linalg.norm(text, axis=1, keepdims=True)
        tokens_files.append(folder / movie / "image_tokens.safetensors")
        text_files.append(folder / movie / "text.safetensors")
        write_tensors(tokens_files[-1], {"tokens": tokens.astype(np.float16)}, made_by, movie_ids)
        write_tensors(text_files[-1], {"caption": text.astype(np.float16)}, made_by, movie_ids)
        ids += movie_ids
    vertex = np.arange(VERTICES)
    write_tensors(
        folder / "train.safetensors",
        {"responses": np.concatenate(responses).astype(np.float32), "vertex": vertex},
        made_by,
        ids,
        subject="subject1",
        vertex_hash=hash_vertices(vertex),
    )
    return Study(folder / "train.safetensors", tokens_files, text_files)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("study"), signal=0.6)


@pytest.fixture(scope="session")
def silent_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return write_study(tmp_path_factory.mktemp("silent"), signal=0.0)
