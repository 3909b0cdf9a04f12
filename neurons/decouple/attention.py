"""Attention of queries over keys of the same clip, and transformer blocks, by PyTorch's fused kernel."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Attention(nn.Module):
    """Multi-head attention, softmax(QK'/sqrt d)V, of queries (B, Q, width) over context (B, K, context_width)."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(context_width, width)
        self.value = nn.Linear(context_width, width)
        self.out = nn.Linear(width, width)

    def forward(self, queries: Tensor, context: Tensor, valid: Tensor | None = None) -> Tensor:
        """Attend; `valid` bool (B, K) marks the keys that exist."""
        query, key, value = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(queries), self.key(context), self.value(context))
        )
        mask = None if valid is None else valid[:, None, None, :]
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        return self.out(attended.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm transformer block: self-attention and a GELU feed-forward of twice the width."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, width, heads)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, S, width) to (B, S, width)."""
        normed = self.attention_norm(x)
        x = x + self.drop(self.attention(normed, normed))
        return x + self.drop(self.feed_forward(x))


def heads_for(width: int, most: int = 8) -> int:
    """Heads of at least 16 channels each, at most `most`; the largest number that divides the width."""
    return max(
        heads for heads in range(1, most + 1) if width % heads == 0 and (width // heads >= 16 or heads == 1)
    )
