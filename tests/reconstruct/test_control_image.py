"""unCLIP."""

from __future__ import annotations

import numpy as np
import torch

from neurons.reconstruct.control_image import UnclipModel

CPU = torch.device("cpu")


def test_images_depend_on_their_own_tokens_and_seed_only(models):
    model = UnclipModel.load(models.settings.control, models.vae, CPU, torch.float32)
    tokens = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(1))
    together = model.sample(tokens, [1, 2, 3], models.settings.control)
    assert together.shape == (3, 3, 16, 16)
    assert together.min() >= 0
    assert together.max() <= 1
    alone = model.sample(tokens[1:2], [2], models.settings.control)
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=1e-3)
    other_seed = model.sample(tokens[1:2], [4], models.settings.control)
    other_tokens = model.sample(tokens[2:], [2], models.settings.control)
    assert (other_seed - alone).abs().max() > 1e-3
    assert (other_tokens - alone).abs().max() > 1e-3


def test_the_network_is_told_size_and_crop_by_sinusoids(models):
    """Four numbers (16 px, 16 px, 0, 0), four values each: cosines, then sines, of x and x / 100."""
    model = UnclipModel.load(models.settings.control, models.vae, CPU, torch.float32)
    size = [np.cos(16), np.cos(0.16), np.sin(16), np.sin(0.16)]
    expected = torch.tensor([*size, *size, 1, 1, 0, 0, 1, 1, 0, 0], dtype=torch.float32)
    torch.testing.assert_close(model._size_and_crop(2), expected.expand(2, -1))
