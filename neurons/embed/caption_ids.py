"""Captions as token ids of the language model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from neurons.artifacts import InputError

IGNORED = -100
"""Id of padding: what PyTorch's cross-entropy leaves out."""


def caption_ids(tokenizer: Any, captions: Sequence[str], length: int) -> np.ndarray:
    """Ids of captions by the language model's own tokeniser.

    Parameters
    ----------
    tokenizer
        Tokeniser stored beside the language model; its end token closes each caption.
    length
        Length of a row: tokens of the longest caption allowed, and the end token.

    Returns
    -------
    numpy.ndarray
        int64, shape (n, length): tokens, the end token, then -100.

    Raises
    ------
    InputError
        Listing captions that are empty or too long; or if the tokeniser has no end token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise InputError("embed.language_model: its tokenizer has no end token (eos_token)")
    rows = [tokenizer(caption, add_special_tokens=False)["input_ids"] for caption in captions]
    problems = [
        f"- caption {number}, {len(row)} tokens: {caption!r}"
        for number, (caption, row) in enumerate(zip(captions, rows, strict=True))
        if not row or len(row) + 1 > length
    ]
    if problems:
        raise InputError(
            f"captions must have 1 to {length - 1} tokens of the language model, beside the end token "
            "(embed.caption_tokens); shorten these or raise the limit:\n" + "\n".join(problems)
        )
    ids = np.full((len(rows), length), IGNORED, np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row) + 1] = [*row, end]
    return ids
