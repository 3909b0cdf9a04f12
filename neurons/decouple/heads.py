"""The heads without space: concepts and description."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from neurons.decouple.losses import IGNORED

SMALL_VARIANCE = 0.003
"""Share of the largest variance that is added to each before whitening (chosen on validation clips)."""


class ConceptHead(nn.Module):
    """Logits of each concept from the mean of the video embedding over frames and tokens."""

    def __init__(self, channels: int, concepts: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.layers = nn.Sequential(
            nn.Linear(channels, 2 * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * channels, concepts),
        )

    def forward(self, video: Tensor) -> Tensor:
        """(B, F, N, C) to (B, concepts)."""
        return self.layers(self.norm(video).mean(dim=(1, 2)))


class Whitening(nn.Module):
    """Linear map to uncorrelated features of equal variance, taken from examples once and then fixed.

    Text embeddings that differ in one word (the direction of a motion, say) differ little: after a layer norm they are
    nearly the same to the language model, after whitening such directions weigh as much as any other.
    """

    mean: Tensor
    map: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("map", torch.eye(width))

    def fit(self, examples: Tensor) -> None:
        """Take mean and covariance from examples (n, width); directions of little variance are not blown up to noise."""
        examples = examples.double()
        mean = examples.mean(dim=0)
        variances, directions = torch.linalg.eigh(torch.cov((examples - mean).T))
        scale = (variances + SMALL_VARIANCE * variances.max()).rsqrt()
        self.mean.copy_(mean)
        self.map.copy_((directions * scale) @ directions.T)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width) to (B, width)."""
        return (x - self.mean) @ self.map


class DescriptionHead(nn.Module):
    """GPT-2 that continues a prefix made from the text embedding.

    Parameters
    ----------
    text
        Width T of the text embedding.
    language_model
        Its configuration; weights are loaded by the caller.
    prefix_tokens
        Pseudo-tokens that the embedding becomes (1 is the paper).
    whiten
        Whether the embedding is whitened; otherwise layer norm (the paper).
    """

    def __init__(self, text: int, language_model: GPT2Config, prefix_tokens: int, whiten: bool) -> None:
        super().__init__()
        self.prefix_tokens = prefix_tokens
        self.norm: nn.Module = Whitening(text) if whiten else nn.LayerNorm(text)
        self.prefix = nn.Linear(text, prefix_tokens * language_model.n_embd)
        self.language_model = GPT2LMHeadModel(language_model)

    def prefixes(self, normed: Tensor) -> Tensor:
        """Prefix embeddings (B, prefix_tokens, n_embd) of normed text embeddings (B, T)."""
        return self.prefix(normed).unflatten(1, (self.prefix_tokens, -1))

    def forward(self, text: Tensor, ids: Tensor) -> Tensor:
        """Logits (B, L, vocabulary) of each caption token from the text embedding and the tokens before it."""
        return self.read(self.norm(text), ids)

    def read(self, normed: Tensor, ids: Tensor) -> Tensor:
        """The same from a text embedding that is normed already."""
        prefix = self.prefixes(normed)
        known = self.language_model.transformer.wte(ids.clamp(min=0)[:, :-1])
        logits = self.language_model(inputs_embeds=torch.cat([prefix, known.to(prefix.dtype)], dim=1)).logits
        return logits[:, self.prefix_tokens - 1 :]

    def generate(self, text: Tensor, longest: int) -> Tensor:
        """Greedy continuation of each prefix, with cached keys and values.

        Returns
        -------
        Tensor
            int64 (B, <= longest); -100 from the end token on.
        """
        end = self.language_model.config.eos_token_id
        prefix = self.prefixes(self.norm(text))
        present = torch.ones(prefix.shape[:2], dtype=torch.long, device=prefix.device)
        ids = self.language_model.generate(
            inputs_embeds=prefix,
            attention_mask=present,
            max_new_tokens=longest,
            do_sample=False,
            pad_token_id=end,
        )
        return ids.masked_fill((ids == end).cumsum(dim=1) > 0, IGNORED)
