"""Small models of the real classes, saved in folders as the real ones are, and a movie cut into clips."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    SwinConfig,
)

from neurons.artifacts import provenance, write_table, write_tensors
from neurons.simulate.miniatures.segmenter import new_segmenter
from neurons.simulate.vocabulary import OBJECTS, PLACES

ROOT = Path(__file__).parents[2]
PROMPTS = ROOT / "neurons/annotate/prompts/1"
MADE_BY = provenance("test", {})
ANSWER = json.dumps(
    {
        "caption": "a red car drives on a road",
        "objects": [{"noun": "car", "concept": "vehicle"}, {"noun": "road", "concept": "roadway"}],
    }
)
SPECIAL = [
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for part in m['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
FRAMES, SIZE = 6, 64
DINO_TOKENS = {100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
"""Ids at which GroundingDINO expects BERT's special tokens."""


def make_qwen(folder: Path) -> tuple[Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor]:
    """Save a Qwen2.5-VL of two narrow layers with random weights."""
    torch.manual_seed(0)
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    texts = [path.read_text() for path in sorted(PROMPTS.glob("*.txt"))]
    trainer = trainers.BpeTrainer(
        vocab_size=1500,
        special_tokens=["<|endoftext|>", *SPECIAL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={"image_token": "<|image_pad|>", "video_token": "<|video_pad|>"},
    )
    tokenizer.add_tokens([ANSWER])
    number = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 2048,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "bos_token_id": 0, "eos_token_id": number("<|im_end|>"), "pad_token_id": 0,
            "tie_word_embeddings": False,
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32,
            "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=number("<|image_pad|>"),
        video_token_id=number("<|video_pad|>"),
        tie_word_embeddings=False,
        vision_start_token_id=number("<|vision_start|>"),
        vision_end_token_id=number("<|vision_end|>"),
    )  # fmt: skip
    processor = Qwen2_5_VLProcessor(
        image_processor=Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=112 * 112),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=CHAT,
    )
    qwen = Qwen2_5_VLForConditionalGeneration(config)
    qwen.generation_config.eos_token_id = number("<|im_end|>")
    qwen.generation_config.pad_token_id = 0
    qwen.save_pretrained(folder)
    processor.save_pretrained(folder)
    return qwen, processor


def fix_answer(qwen: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor) -> None:
    """Set weights so that it answers everything with `ANSWER`: each token decides the next, the layers add nothing."""
    tokenizer = processor.tokenizer
    (answer,) = tokenizer(ANSWER, add_special_tokens=False)["input_ids"]
    last = tokenizer("<|im_start|>assistant\n", add_special_tokens=False)["input_ids"][-1]
    with torch.no_grad():
        for layer in qwen.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embedding = qwen.get_input_embeddings().weight
        directions = embedding / embedding.norm(dim=1, keepdim=True)
        qwen.lm_head.weight.zero_()
        qwen.lm_head.weight[answer] = directions[last]
        qwen.lm_head.weight[tokenizer.eos_token_id] = directions[answer]


def new_detector() -> GroundingDinoForObjectDetection:
    """A GroundingDINO of a few narrow layers with random weights."""
    text = BertConfig(
        vocab_size=1100, hidden_size=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=128,
    )  # fmt: skip
    backbone = SwinConfig(
        image_size=96, patch_size=4, embed_dim=24, depths=[1, 1, 2, 1], num_heads=[2, 2, 4, 4],
        window_size=4, out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=backbone, text_config=text, d_model=64, encoder_layers=2, decoder_layers=3,
        encoder_ffn_dim=128, decoder_ffn_dim=128, encoder_attention_heads=4, decoder_attention_heads=4,
        num_queries=12, max_text_len=128, num_feature_levels=4, dropout=0.0, fusion_droppath=0.0,
        auxiliary_loss=True,
    )  # fmt: skip
    return GroundingDinoForObjectDetection(config)


def detector_processor() -> GroundingDinoProcessor:
    """The detector's processor: frames at 96 px, the words of the world as tokens."""
    words = sorted({*OBJECTS, *PLACES})
    letters = "abcdefghijklmnopqrstuvwxyz"
    plain = [*words, *letters, *(f"##{letter}" for letter in letters)]
    vocabulary = ["[PAD]", *(f"[unused{number}]" for number in range(1, 1100))]
    for number, token in DINO_TOKENS.items():
        vocabulary[number] = token
    vocabulary[200 : 200 + len(plain)] = plain
    tokenizer = BertTokenizer(vocab={token: number for number, token in enumerate(vocabulary)})
    images = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 96})
    return GroundingDinoProcessor(image_processor=images, tokenizer=tokenizer)


@pytest.fixture(scope="session")
def qwen_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL that answers every frame with `ANSWER`."""
    folder = tmp_path_factory.mktemp("qwen")
    qwen, processor = make_qwen(folder)
    fix_answer(qwen, processor)
    qwen.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def detector_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GroundingDINO with random weights."""
    folder = tmp_path_factory.mktemp("detector")
    torch.manual_seed(0)
    new_detector().save_pretrained(folder)
    detector_processor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sam_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SAM with random weights."""
    path = tmp_path_factory.mktemp("sam") / "sam.safetensors"
    torch.manual_seed(0)
    save_file(dict(new_segmenter().state_dict()), path)
    return path


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Folder with the files of `cut` for a movie m of three clips; the last clip repeats one frame."""
    frames = np.random.default_rng(1).integers(0, 256, (3, FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    frames[2] = frames[2, 0]
    ids = [f"m:{index}" for index in range(3)]
    times = 2 * np.arange(3)[:, None] + np.arange(FRAMES) / 3
    tensors: dict[str, np.ndarray] = {"frames": frames, "time_s": times, "source_time_s": times}
    write_tensors(tmp_path / "frames.safetensors", tensors, MADE_BY, ids, frame_duration_s=1 / 30)
    table = pd.DataFrame({"clip": ids, "start_s": 2.0 * np.arange(3), "end_s": 2.0 * np.arange(3) + 2})
    write_table(tmp_path / "clips.tsv", table, MADE_BY)
    return tmp_path


@pytest.fixture
def serve() -> Iterator[Callable]:
    """A function that starts a server with a behaviour (`tests.annotate.http_server`)."""
    from tests.annotate.http_server import Server

    servers = []

    def start(behaviour: Callable) -> Server:
        server = Server(behaviour)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
