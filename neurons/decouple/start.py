"""A decoupler at the start of training."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoTokenizer, GPT2LMHeadModel

from neurons.artifacts import InputError, seed_for
from neurons.decouple.data import AT_ONCE, BrainTokens, Column, middle_frame_statistics
from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.heads import Whitening
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.decouple.prior import Prior
from neurons.decouple.settings import Decouple
from neurons.loading import load_pretrained
from neurons.pretrain.model import BrainModel
from neurons.sections import Model

LANGUAGE_MODEL = "decouple.language_model"


def new_decoupler(
    settings: Decouple,
    brain_model: BrainModel,
    brain: BrainTokens,
    columns: dict[str, Column],
    texts: ConceptTexts,
    train_clips: np.ndarray,
) -> DecouplerModel:
    """Random heads, the pre-trained language model, the brain model's projections, statistics of tokens and text.

    Parameters
    ----------
    brain
        Brain tokens of all clips; the text embeddings that they give are what is whitened.
    columns
        Truth by name; their shapes are the shapes of the outputs.
    train_clips
        Numbers of the clips that the statistics are taken from.
    """
    language_model = load_pretrained(GPT2LMHeadModel, settings.language_model, LANGUAGE_MODEL)
    sizes = brain_model.sizes
    torch.manual_seed(seed_for(settings.seed, "decouple", "weights"))
    network = DecouplerModel(
        DecouplerSizes(
            frames=sizes.frames,
            tokens=sizes.tokens,
            channels=sizes.channels,
            text=sizes.text,
            text_token=texts.tokens.shape[2],
            concepts=columns["concepts"].features.shape[0],
            mask_size=columns["masks"].features.shape[1:],
            latents=columns["latents"].features.shape[1:],
            decoder_width=settings.decoder_width,
            prior_blocks=settings.prior_blocks,
            prefix_tokens=settings.prefix_tokens,
            whiten_text=settings.whiten_text,
            caption_tokens=columns["ids"].features.shape[0],
            heads_input=settings.heads_input,
            language_model=language_model.config.to_diff_dict(),
            prior=settings.prior,
        ),
        settings.dropout,
    )
    network.motion.load_state_dict(brain_model.motion.state_dict())
    network.motion.requires_grad_(settings.train_motion)
    network.text.load_state_dict(brain_model.text.state_dict())
    network.description.language_model.load_state_dict(language_model.state_dict())
    if isinstance(network.prior, Prior):  # the released one works on tokens as they are
        mean, deviation = middle_frame_statistics(columns["tokens"], train_clips)
        network.prior.mean.copy_(mean)
        network.prior.deviation.copy_(deviation)
    if isinstance(network.description.norm, Whitening):
        network.description.norm.fit(_text_embeddings(network, brain.single, train_clips))
    return network


def _text_embeddings(network: DecouplerModel, tokens: Tensor, clips: np.ndarray) -> Tensor:
    """Text embeddings (clips, T) of the mean brain tokens over repeats."""
    with torch.no_grad():
        parts = (tokens[part].float().mean(dim=1) for part in torch.from_numpy(clips).split(AT_ONCE))
        return torch.cat([network.text(network.motion(part)) for part in parts])


def load_tokenizer(reference: Model) -> Tokenizer:
    """The language model's own tokenizer.

    Raises
    ------
    InputError
        If it has no ``tokenizer.json`` form, which is stored with the decoupler.
    """
    tokenizer = load_pretrained(AutoTokenizer, reference, LANGUAGE_MODEL)
    if not tokenizer.is_fast:
        raise InputError(
            f"{LANGUAGE_MODEL} {reference.path} has no fast tokenizer (tokenizer.json); save it with one"
        )
    return tokenizer.backend_tokenizer
