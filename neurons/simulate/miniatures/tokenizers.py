"""Tokenisers of the miniatures: byte-pair encodings in which every word of the world's captions is one token.

Single letters are tokens too, so that any other text tokenises as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

CLIP_MAX_LENGTH = 24
START, END, PAD = "<|startoftext|>", "<|endoftext|>", "<|pad|>"
LARGER_THAN_NEEDED = 4096


def clip_tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """CLIP's tokeniser over given words; the end token pads as well and has the highest id, as in CLIP.

    Parameters
    ----------
    words
        Lower-case words that become one token each.
    """
    model = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=LARGER_THAN_NEEDED, min_frequency=1, end_of_word_suffix="</w>", show_progress=False
    )
    model.train_from_iterator(sorted(set(words)), trainer)
    merges = _merges(model)
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet)]
    tokens += [left + right for left, right in merges]
    tokens += [START, END]
    return CLIPTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        merges=merges,
        model_max_length=CLIP_MAX_LENGTH,
    )


def gpt2_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """GPT-2's kind of tokeniser (byte-level, spaces belong to the word after them) over given texts.

    As in GPT-2 one token begins and ends a text; padding has a token of its own.
    """
    model = Tokenizer(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=LARGER_THAN_NEEDED,
        min_frequency=1,
        special_tokens=[END, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=model, bos_token=END, eos_token=END, pad_token=PAD)


def _merges(model: Tokenizer) -> list[tuple[str, str]]:
    """Merge rules of a byte-pair encoding, first rule first."""
    return [(left, right) for left, right in json.loads(model.to_str())["model"]["merges"]]
