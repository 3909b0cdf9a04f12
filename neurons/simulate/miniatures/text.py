"""Text conditioning of the video miniature: prompts as people and decoders write them, and their encoder."""

import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from neurons.simulate.captions import CAPTION_WORDS, caption, tag_concepts, tags
from neurons.simulate.miniatures.frames import partial_caption
from neurons.simulate.miniatures.tokenizers import clip_tokenizer
from neurons.simulate.vocabulary import OBJECT_CONCEPTS, PLACE_CONCEPTS
from neurons.simulate.world import Scene

MAX_LENGTH = 32
WIDTH = 128
VARIANTS = 4
DROP_PROBABILITY = 0.1
"""Share of training texts that are empty, for classifier-free guidance."""
PARTIAL_PROBABILITY = 0.15
CONCEPTS_PROBABILITY = 0.3
KEEP_PART_PROBABILITY = 0.7


def prompt_tokenizer() -> CLIPTokenizer:
    """CLIP-type tokeniser in which each word of captions and concept names is one token."""
    names = [
        name
        for table in (OBJECT_CONCEPTS, PLACE_CONCEPTS)
        for concepts in table.values()
        for name in concepts
    ]
    words = {word for name in names for word in name.replace("/", " ").split()}
    tokenizer = clip_tokenizer({*CAPTION_WORDS, *words})
    tokenizer.model_max_length = MAX_LENGTH
    return tokenizer


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """Untrained CLIP text encoder; it is trained together with the image model, not contrastively."""
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_LENGTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = CLIPTextModel(config)
    model.set_attn_implementation("eager")
    return model


def training_prompt(rng: np.random.Generator, scene: Scene) -> str:
    """A prompt for a scene: its caption or parts of it, sometimes followed by concepts, sometimes nothing at all."""
    if rng.random() < DROP_PROBABILITY:
        return ""
    text = caption(scene)
    if rng.random() < PARTIAL_PROBABILITY:
        colour, motion, place, others = (bool(kept) for kept in rng.random(4) < KEEP_PART_PROBABILITY)
        text = partial_caption(scene, colour=colour, motion=motion, place=place, others=others)
    if rng.random() < CONCEPTS_PROBABILITY:
        names = sorted({concept for tag in tags(scene) for concept in tag_concepts(tag)})
        chosen = rng.choice(names, size=int(rng.integers(1, min(3, len(names)) + 1)), replace=False)
        text = ", ".join([text, *map(str, chosen)])
    return text


def token_ids(tokenizer: CLIPTokenizer, prompts: list[str]) -> torch.Tensor:
    """Token ids, ``(prompts, 32)`` int64, padded and cut as diffusers' pipelines do."""
    encoded = tokenizer(
        prompts, padding="max_length", truncation=True, max_length=MAX_LENGTH, return_tensors="pt"
    )
    return torch.as_tensor(encoded.input_ids)


def training_prompts(rng: np.random.Generator, scenes: list[Scene]) -> list[list[str]]:
    """Several random prompts for each scene, four each."""
    return [[training_prompt(rng, scene) for _ in range(VARIANTS)] for scene in scenes]


def all_token_ids(tokenizer: CLIPTokenizer, prompts: list[list[str]]) -> torch.Tensor:
    """Token ids of several prompts for each scene, int64 ``(scenes, 4, 32)``."""
    flat = [prompt for of_scene in prompts for prompt in of_scene]
    return token_ids(tokenizer, flat).view(len(prompts), VARIANTS, MAX_LENGTH)
