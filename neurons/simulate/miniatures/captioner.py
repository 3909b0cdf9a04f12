"""The miniature GPT-2: a language model of the world's captions, to be steered later by a prefix vector."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from neurons.simulate.captions import caption
from neurons.simulate.miniatures.fit import LogEntry, Losses, fit
from neurons.simulate.world import Combination, combinations, sample_scene

WIDTH, LAYERS, HEADS, POSITIONS = 128, 3, 4, 64
IGNORED = -100


def sample_captions(rng: np.random.Generator, allowed: list[Combination], count: int) -> list[str]:
    """Captions of random scenes whose main items have allowed combinations."""
    chosen = rng.integers(len(allowed), size=count)
    return [caption(sample_scene(rng, allowed[index])) for index in chosen]


def encode(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids (captions, longest) from begin to end token, their mask, and labels that ignore padding."""
    framed = [tokenizer.bos_token + text + tokenizer.eos_token for text in captions]
    batch = tokenizer(framed, padding=True, return_tensors="pt")
    labels = batch.input_ids.masked_fill(batch.attention_mask == 0, IGNORED)
    return batch.input_ids, batch.attention_mask, labels


def build_captioner(tokenizer: PreTrainedTokenizerFast) -> GPT2LMHeadModel:
    """Untrained GPT-2 of width 128 with 3 layers."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=POSITIONS,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return GPT2LMHeadModel(config)


def train_captioner(
    tokenizer: PreTrainedTokenizerFast,
    steps: int,
    captions_per_step: int,
    peak_learning_rate: float,
    seed: int,
) -> tuple[GPT2LMHeadModel, list[LogEntry]]:
    """Train on captions of the training combinations; returns the model (evaluation mode) and the log."""
    torch.manual_seed(seed)
    model = build_captioner(tokenizer).train()
    rng = np.random.default_rng(seed)
    allowed = combinations("train")

    def losses_of_step(_: int) -> Losses:
        ids, mask, labels = encode(tokenizer, sample_captions(rng, allowed, captions_per_step))
        return {"next_token": model(input_ids=ids, attention_mask=mask, labels=labels).loss}

    log = fit(model.parameters(), losses_of_step, steps, peak_learning_rate)
    return model.eval(), log
