"""CLIP's view of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPModel

from neurons.artifacts import InputError


@dataclass(frozen=True)
class TextFeatures:
    """Features of n texts.

    Attributes
    ----------
    tokens
        Last hidden states after the final layer norm, float32, shape (n, L, W).
    mask
        Which tokens belong to the text (start and end included), bool, shape (n, L).
    pooled
        Projected end token, float32, shape (n, T).
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


@torch.inference_mode()
def text_features(model: CLIPModel, tokenizer: Any, texts: Sequence[str], batch_size: int) -> TextFeatures:
    """Features of texts; all are padded to the longest, so that a text's features do not depend on its batch.

    Raises
    ------
    InputError
        Listing texts that are empty, or longer than the model can read.
    """
    longest = model.config.text_config.max_position_embeddings
    lengths = [len(tokenizer(text)["input_ids"]) for text in texts]
    problems = [
        f"- {length} tokens: {text!r}"
        for text, length in zip(texts, lengths, strict=True)
        if length > longest
    ]
    problems += [f"- empty: text {number}" for number, text in enumerate(texts) if not text.strip()]
    if problems:
        raise InputError(f"CLIP reads 1 to {longest} tokens, start and end included:\n" + "\n".join(problems))
    inputs = tokenizer(list(texts), padding="max_length", max_length=max(lengths), return_tensors="pt")
    tokens, pooled = [], []
    for start in range(0, len(texts), batch_size):
        part = {name: inputs[name][start : start + batch_size] for name in ("input_ids", "attention_mask")}
        output = model.text_model(**{name: values.to(model.device) for name, values in part.items()})
        tokens.append(output.last_hidden_state.float().cpu())
        pooled.append(model.text_projection(output.pooler_output).float().cpu())
    return TextFeatures(torch.cat(tokens), inputs["attention_mask"].bool(), torch.cat(pooled))
