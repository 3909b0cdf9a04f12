"""A brain model and a decoupler with random weights on disk, and responses for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models
from transformers import GPT2Config

from neurons.artifacts import TensorFile, hash_vertices, provenance, write_tensors
from neurons.decouple.decoding import save_decoupler
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.store import save_brain_model
from neurons.reconstruct import steps
from neurons.reconstruct.settings import Reconstruct

VERTICES, FRAMES, TOKENS, WIDTH, TEXT = 7, 6, 4, 16, 8
BRAIN = BrainSizes(
    vertices=VERTICES, lags=3, hidden=8, blocks=1, frames=FRAMES, tokens=TOKENS, channels=WIDTH, text=TEXT,
    residual_projector=True,
)  # fmt: skip
CLIPS = ["test1:0", "test1:1", "test1:2", "test2:0", "test2:1"]
VERTEX = 1000 * np.arange(VERTICES)
FACTS = {"subject": "subject1", "vertex_hash": hash_vertices(VERTEX)}
WORDS = {"<end>": 0, "dog": 1, "runs": 2, "car": 3}


@dataclass(frozen=True)
class Trained:
    """Files of a subject with untrained models."""

    responses: Path
    brain_model: Path
    decoupler: Path
    concepts: Path

    def decode(self, folder: Path, **settings: object) -> tuple[TensorFile, Path]:
        output, table = folder / "decoded.safetensors", folder / "decoded.tsv"
        steps.decode(
            subject="subject1", variant="ours", responses=self.responses, brain_model=self.brain_model,
            decoupler=self.decoupler, concepts=self.concepts, settings=Reconstruct.model_validate(settings),
            device="cpu", output=output, table=table,
        )  # fmt: skip
        return TensorFile(output), table


def save_untrained(folder: Path) -> Trained:
    """Models with random weights, and responses."""
    torch.manual_seed(0)
    made_by = provenance("test", {})
    files = Trained(
        *(folder / f"{name}.safetensors" for name in ("responses", "brain", "decoupler", "concepts"))
    )
    brain = BrainModel(BRAIN)
    save_brain_model(files.brain_model, brain, made_by, window_tr=[-1, 0, 1], target="video", **FACTS)
    language_model = GPT2Config(
        vocab_size=len(WORDS), n_embd=8, n_layer=1, n_head=2, n_positions=16, bos_token_id=0, eos_token_id=0
    )
    sizes = DecouplerSizes(
        FRAMES, TOKENS, WIDTH, TEXT, text_token=6, concepts=51, mask_size=(8, 8), latents=(4, 4, 4), decoder_width=8,
        prior_blocks=1, prefix_tokens=1, whiten_text=False, caption_tokens=4, heads_input="brain",
        language_model=language_model.to_diff_dict(),
    )  # fmt: skip
    save_decoupler(
        files.decoupler, DecouplerModel(sizes), Tokenizer(models.WordLevel(WORDS, unk_token="<end>")), made_by,
        brain_model=TensorFile(files.brain_model).metadata["content_hash"], prior_steps=2, **FACTS,
    )  # fmt: skip
    texts = {
        "tokens": np.random.default_rng(0).normal(size=(51, 3, 6)).astype(np.float32),
        "mask": np.ones((51, 3), bool),
    }
    write_tensors(files.concepts, texts, made_by)
    write_responses(files.responses, CLIPS)
    return files


def write_responses(path, clips, **facts):
    """Responses that depend on the clip only."""
    rows = [np.random.default_rng(sum(map(ord, clip))).normal(size=VERTICES) for clip in clips]
    write_tensors(
        path,
        {"responses": np.stack(rows).astype(np.float32)},
        provenance("test", {}),
        clips,
        **{**FACTS, **facts},
    )
