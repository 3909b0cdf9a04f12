"""A small decoupler, and a small study whose truth is linear in the attributes that the brain tokens carry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import AutoencoderKL
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from neurons.artifacts import clip_id, hash_vertices, provenance, write_table, write_tensors
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.store import save_brain_model
from neurons.sections import Model

MOVIES = ["seg1", "seg2", "seg3", "seg4"]
CLIPS, FRAMES, TOKENS, CHANNELS, TEXT, CONCEPTS = 20, 2, 16, 16, 16, 51
WORDS = ["<end>", "a", "red", "blue", "car", "dog"]


def language_model_config() -> GPT2Config:
    return GPT2Config(
        vocab_size=len(WORDS), n_positions=16, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )


@pytest.fixture(scope="session")
def sizes() -> DecouplerSizes:
    return DecouplerSizes(
        frames=FRAMES,
        tokens=TOKENS,
        channels=CHANNELS,
        text=TEXT,
        text_token=12,
        concepts=CONCEPTS,
        mask_size=(16, 16),
        latents=(4, 4, 4),
        decoder_width=16,
        prior_blocks=1,
        prefix_tokens=2,
        whiten_text=True,
        caption_tokens=5,
        heads_input="brain",
        language_model=language_model_config().to_diff_dict(),
    )


@pytest.fixture(scope="session")
def model(sizes: DecouplerSizes) -> DecouplerModel:
    torch.manual_seed(0)
    return DecouplerModel(sizes).eval()


@dataclass(frozen=True)
class Study:
    """Files that `decouple fit` reads."""

    folder: Path

    def of(self, name: str) -> list[Path]:
        return [self.folder / movie / name for movie in MOVIES]


def tokenizer() -> PreTrainedTokenizerFast:
    inner = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<end>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>")


def make_study(folder: Path) -> Study:
    """Two attributes: colour (red, blue) and kind with side (car on the left, dog on the right)."""
    rng = np.random.default_rng(0)
    made_by = provenance("test", {})
    to_tokens = rng.normal(size=(2, TOKENS, CHANNELS))
    to_latents = rng.normal(size=(2, 4, 4, 4))
    responses, ids = [], []
    for movie in MOVIES:
        attributes = rng.choice([-1.0, 1.0], size=(CLIPS, 2))
        movie_ids = [clip_id(movie, i) for i in range(CLIPS)]
        ids += movie_ids
        responses.append(
            attributes[:, None].repeat(2, 1).repeat(10, 2) + 0.3 * rng.normal(size=(CLIPS, 2, 20))
        )
        car = attributes[:, 1] > 0
        mask = np.zeros((CLIPS, FRAMES, 16, 16), np.uint8)
        mask[car, :, 4:12, :8] = 1
        mask[~car, :, 4:12, 8:] = 1
        labels = np.zeros((CLIPS, CONCEPTS), np.uint8)
        labels[car, 2], labels[~car, 0] = 1, 1
        captions = [
            f"a {'red' if colour > 0 else 'blue'} {'car' if kind > 0 else 'dog'}"
            for colour, kind in attributes
        ]
        token_ids = np.array([[WORDS.index(word) for word in text.split()] + [0, -100] for text in captions])
        caption = np.concatenate([attributes, np.zeros((CLIPS, TEXT - 2))], axis=1) / np.sqrt(2)
        tokens = np.einsum("na,aij->nij", attributes, to_tokens)[:, None].repeat(FRAMES, 1)
        latents = np.einsum("na,acij->ncij", attributes, to_latents)[:, None].repeat(FRAMES, 1)
        files = {
            "image_tokens": {"tokens": tokens.astype(np.float16)},
            "text": {"caption": caption.astype(np.float16)},
            "latents": {"latents": latents.astype(np.float16)},
            "caption_ids": {"ids": token_ids},
            "labels": {"concepts": labels, "key_concept": np.where(car, 2, 0), "key_mask": mask},
            "frames": {"frames": rng.integers(0, 255, (CLIPS, FRAMES, 32, 32, 3), dtype=np.uint8)},
        }
        for name, arrays in files.items():
            write_tensors(folder / movie / f"{name}.safetensors", arrays, made_by, movie_ids)
        table = pd.DataFrame({"clip": movie_ids, "caption": captions})
        write_table(folder / movie / "annotation.parquet", table, made_by)
    vertex = np.arange(20)
    facts = {"subject": "subject1", "vertex_hash": hash_vertices(vertex)}
    arrays = {"responses": np.concatenate(responses).astype(np.float32), "vertex": vertex}
    write_tensors(folder / "train.safetensors", arrays, made_by, ids, **facts)
    concept_texts = {
        "tokens": rng.normal(size=(CONCEPTS, 3, 12)).astype(np.float32),
        "mask": np.ones((CONCEPTS, 3), bool),
    }
    write_tensors(folder / "concepts.safetensors", concept_texts, made_by)
    torch.manual_seed(1)
    sizes = BrainSizes(20, 1, 8, 1, FRAMES, TOKENS, CHANNELS, TEXT, residual_projector=True)
    save_brain_model(
        folder / "brain.safetensors", BrainModel(sizes), made_by, window_tr=[0], target="video", **facts
    )
    tokenizer().save_pretrained(folder / "gpt2")
    GPT2LMHeadModel(language_model_config()).save_pretrained(folder / "gpt2")
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=4, sample_size=32,
        mid_block_add_attention=False,
    ).save_pretrained(folder / "vae")  # fmt: skip
    return Study(folder)


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def vae(study: Study) -> Model:
    return Model(path=str(study.folder / "vae"))
