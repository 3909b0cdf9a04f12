"""MindEye2's mixer as it acts on a sequence of length 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ScalarMixer(nn.Module):
    """One mixer block: adds the same number to every hidden feature.

    At sequence length 1 the block's layer norm runs over an axis of length 1 and returns its own bias whatever comes in.
    So neither the input nor the block's other half (two Linear layers of the hidden width, 134 M parameters over four
    blocks) can reach the output: what is left is ``out(GELU(in(bias)))``, with dropout per hidden feature between the two.
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.norm_bias = nn.Parameter(torch.zeros(1))
        self.in_weight, self.in_bias = (
            nn.Parameter(2 * torch.rand(1) - 1),
            nn.Parameter(2 * torch.rand(1) - 1),
        )
        self.out_weight, self.out_bias = (
            nn.Parameter(2 * torch.rand(1) - 1),
            nn.Parameter(2 * torch.rand(1) - 1),
        )
        self.drop = nn.Dropout(dropout)

    def silence(self) -> None:
        """Let the block start as the identity."""
        with torch.no_grad():
            self.out_weight.zero_()
            self.out_bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """(B, hidden) to (B, hidden)."""
        mixed = functional.gelu(self.in_weight * self.norm_bias + self.in_bias)
        return x + self.drop(mixed.expand_as(x)) * self.out_weight + self.out_bias
