"""Random-weight models of the folders that the study's models have, and decoded outputs to run them on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
import transformers
from tokenizers import pre_tokenizers
from torch import nn

from neurons.artifacts import provenance, write_table, write_tensors
from neurons.embed.settings import Embed
from neurons.reconstruct.prompts import decoded_table
from neurons.reconstruct.settings import Reconstruct
from neurons.sections import Model
from tests.reconstruct.trained import Trained, save_untrained

FRAMES, TOKENS, WIDTH, LATENT_CHANNELS, LATENT_SIZE, FRAME_SIZE = 6, 5, 16, 4, 4, 16
CLIPS = ["test1:0", "test1:1", "test1:2", "test2:0", "test2:1"]


@dataclass(frozen=True)
class Models:
    """Settings that point to the models, the autoencoder, and CLIP."""

    settings: Reconstruct
    vae: Model
    embed: Embed

    def changed(self, **video: object) -> Reconstruct:
        """Settings with other values in section `video`."""
        values = self.settings.model_dump()
        return Reconstruct.model_validate({**values, "video": {**values["video"], **video}})


@dataclass(frozen=True)
class Inputs:
    """Files that `control` and `videos` read."""

    decoded: Path
    table: Path
    control: Path


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    _save(_autoencoder(), folder / "vae")
    _save(_unet(), folder / "video" / "unet")
    _save(_motion_adapter(), folder / "video" / "motion_adapter")
    _save(_controlnet(), folder / "video" / "controlnet")
    _save(
        _unet(class_embed_type="projection", projection_class_embeddings_input_dim=16),
        folder / "unclip" / "unet",
    )
    for name in ("video", "unclip"):
        scheduler = diffusers.DDIMScheduler(
            clip_sample=False, timestep_spacing="trailing", prediction_type="v_prediction"
        )
        scheduler.save_pretrained(folder / name / "scheduler")
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder / "tokenizer")
    _text_encoder(tokenizer).save_pretrained(folder / "text_encoder")
    settings = Reconstruct.model_validate(
        {
            "batch_size": 2,
            "control": {"unclip": {"path": str(folder / "unclip")}, "steps": 3},
            "video": {
                "base": {"path": str(folder / "video")},
                "text_encoder": {"path": str(folder / "text_encoder")},
                "tokenizer": {"path": str(folder / "tokenizer")},
                "steps": 4,
                "strength": 0.5,
            },
        }
    )
    _save_clip(folder / "clip")
    embed = Embed.model_validate({"clip": {"path": str(folder / "clip")}})
    return Models(settings, Model(path=str(folder / "vae")), embed)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Decoded outputs of five clips: random, but the same in every test."""
    random = np.random.default_rng(0)
    count = len(CLIPS)
    tensors = {
        "mask": random.random((count, FRAMES, FRAME_SIZE, FRAME_SIZE)),
        "concepts": random.random((count, 51)),
        "latents": random.normal(size=(count, FRAMES, LATENT_CHANNELS, LATENT_SIZE, LATENT_SIZE)),
        "image_tokens": random.normal(size=(count, TOKENS, WIDTH)),
        "text": random.normal(size=(count, WIDTH)),
    }
    half = {name: array.astype(np.float16) for name, array in tensors.items()}
    made_by = provenance("test", {})
    captions = ["a dog runs", "a red car drives", "", "a bird flies", "a man walks"]
    images = random.integers(0, 256, (count, FRAME_SIZE, FRAME_SIZE, 3), dtype=np.uint8)
    files = Inputs(
        tmp_path / "decoded.safetensors", tmp_path / "decoded.tsv", tmp_path / "control.safetensors"
    )
    write_tensors(files.decoded, half, made_by, CLIPS)
    chosen = Reconstruct(concept_threshold=0.98)
    write_table(files.table, decoded_table(CLIPS, captions, half["concepts"], chosen), made_by)
    write_tensors(files.control, {"images": images}, made_by, CLIPS)
    return files


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    """A subject's untrained models and test responses."""
    return save_untrained(tmp_path)


def _save(network: nn.Module, folder: Path) -> None:
    """Save with every weight random: control networks and motion modules begin as zeros, which would hide their effect."""
    for parameter in network.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    network.save_pretrained(folder)  # type: ignore[operator]


def _autoencoder() -> diffusers.AutoencoderKL:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8, 8),
        layers_per_block=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=4,
        scaling_factor=0.7,
        mid_block_add_attention=False,
    )


def _unet(**options: object) -> diffusers.UNet2DConditionModel:
    return diffusers.UNet2DConditionModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        sample_size=LATENT_SIZE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        norm_num_groups=4,
        attention_head_dim=2,
        **options,
    )


def _motion_adapter() -> diffusers.MotionAdapter:
    return diffusers.MotionAdapter(
        block_out_channels=(8, 16),
        motion_layers_per_block=1,
        motion_norm_num_groups=4,
        motion_num_attention_heads=2,
        motion_max_seq_length=16,
    )


def _controlnet() -> diffusers.SparseControlNetModel:
    return diffusers.SparseControlNetModel(
        block_out_channels=(8, 16),
        layers_per_block=1,
        in_channels=LATENT_CHANNELS,
        conditioning_channels=3,
        down_block_types=("CrossAttnDownBlockMotion", "DownBlockMotion"),
        cross_attention_dim=WIDTH,
        conditioning_embedding_out_channels=(8, 8, 8),
        norm_num_groups=4,
        use_simplified_condition_embedding=False,
        attention_head_dim=2,
        num_attention_heads=2,
        motion_num_attention_heads=2,
        motion_max_seq_length=16,
    )


def _save_clip(folder: Path) -> None:
    part = {"hidden_size": WIDTH, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(
        text_config=part,
        vision_config={**part, "image_size": FRAME_SIZE, "patch_size": 8},
        projection_dim=WIDTH,
    )
    transformers.CLIPModel(config).save_pretrained(folder)
    size = {"height": FRAME_SIZE, "width": FRAME_SIZE}
    transformers.CLIPImageProcessor(size=size, do_center_crop=False).save_pretrained(folder)


def _tokenizer() -> transformers.CLIPTokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return transformers.CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)}, merges=[], model_max_length=64
    )


def _text_encoder(tokenizer: transformers.CLIPTokenizer) -> transformers.CLIPTextModel:
    config = transformers.CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=64,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return transformers.CLIPTextModel(config)
