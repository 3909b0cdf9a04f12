"""Small models with random weights, saved as the real ones are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    PreTrainedTokenizerFast,
)

from neurons.artifacts import clip_id, provenance, write_tensors
from neurons.embed.settings import Embed
from neurons.sections import Model

IMAGE_PX, PATCH_PX, WIDTH, JOINT, TEXT_TOKENS = 32, 8, 32, 24, 40
MEAN, STD = [0.4, 0.45, 0.5], [0.2, 0.25, 0.3]


def letters() -> CLIPTokenizer:
    """CLIP's tokeniser with single letters for tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=[], model_max_length=TEXT_TOKENS)


def save_clip(folder: Path) -> None:
    torch.manual_seed(1)
    tokenizer = letters()
    tower = {"hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model = CLIPModel(
        CLIPConfig(
            text_config={
                **tower,
                **ends,
                "vocab_size": len(tokenizer),
                "max_position_embeddings": TEXT_TOKENS,
            },
            vision_config={**tower, "image_size": IMAGE_PX, "patch_size": PATCH_PX},
            projection_dim=JOINT,
        )
    )
    for parameter in model.vision_model.post_layernorm.parameters():
        torch.nn.init.normal_(parameter)
    model.save_pretrained(folder)
    crop = {"height": IMAGE_PX, "width": IMAGE_PX}
    processor = CLIPImageProcessor(
        size={"shortest_edge": IMAGE_PX}, crop_size=crop, image_mean=MEAN, image_std=STD
    )
    CLIPProcessor(processor, tokenizer).save_pretrained(folder)


def save_vae(folder: Path, shift: float | None) -> None:
    torch.manual_seed(2)
    AutoencoderKL(
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        scaling_factor=0.5,
        shift_factor=shift,
    ).save_pretrained(folder)


def save_language_tokenizer(folder: Path) -> None:
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|pad|>"],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    model.train_from_iterator(["a red car drives left on a road", "a dog runs in the snow"], trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=model, eos_token="<|endoftext|>", bos_token="<|endoftext|>", pad_token="<|pad|>"
    ).save_pretrained(folder)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders clip, vae (with a shift), language_model."""
    folder = tmp_path_factory.mktemp("models")
    save_clip(folder / "clip")
    save_vae(folder / "vae", shift=0.25)
    save_vae(folder / "vae_plain", shift=None)
    save_language_tokenizer(folder / "language_model")
    return folder


@pytest.fixture
def settings(models_folder: Path) -> Embed:
    """Section `embed` with the small models; the batch size does not divide the number of frames."""
    return Embed(
        clip=Model(path=str(models_folder / "clip")),
        vae=Model(path=str(models_folder / "vae")),
        language_model=Model(path=str(models_folder / "language_model")),
        caption_tokens=24,
        batch_size=5,
    )


@pytest.fixture
def pictures() -> np.ndarray:
    """Frames of 3 clips: uint8 (3, 6, 32, 32, 3)."""
    return np.random.default_rng(0).integers(0, 256, (3, 6, IMAGE_PX, IMAGE_PX, 3), np.uint8)


@pytest.fixture
def frames(tmp_path: Path, pictures: np.ndarray) -> Path:
    """`pictures` as the stage `cut` stores them."""
    path = tmp_path / "frames.safetensors"
    write_tensors(path, {"frames": pictures}, provenance("test", {}), [clip_id("movie", i) for i in range(3)])
    return path
