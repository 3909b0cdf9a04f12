"""Tokenisers of the miniatures: byte-pair encodings in which every word of the world's captions is one token.

Single letters are tokens too, so that any other text tokenises as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer, PreTrainedTokenizerFast

CLIP_MAX_LENGTH = 24
START, END, PAD = "<|startoftext|>", "<|endoftext|>", "<|pad|>"
LARGER_THAN_NEEDED = 4096
END_OF_WORD = "</w>"


def clip_tokenizer(words: Iterable[str]) -> CLIPTokenizer:
    """CLIP's tokeniser over given words; the end token pads as well and has the highest id, as in CLIP.

    Parameters
    ----------
    words
        Lower-case words that become one token each.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = learn_merges(words)
    tokens = [*alphabet, *(letter + END_OF_WORD for letter in alphabet)]
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


def learn_merges(words: Iterable[str]) -> list[tuple[str, str]]:
    """Merge rules of a byte-pair encoding in which every word becomes one token, first rule first.

    The most frequent pair is merged first, of equally frequent ones the first in order, so that every process learns the
    same rules. (The trainer of `tokenizers` breaks ties differently from run to run.)
    """
    parts = [[*word[:-1], word[-1] + END_OF_WORD] for word in sorted(set(words))]
    merges = []
    while pairs := Counter(pair for word in parts for pair in pairwise(word)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        parts = [_merged(word, best) for word in parts]
    return merges


def _merged(word: list[str], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    position = 0
    while position < len(word):
        joined = tuple(word[position : position + 2]) == pair
        result.append("".join(pair) if joined else word[position])
        position += 2 if joined else 1
    return result
