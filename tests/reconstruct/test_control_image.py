"""unCLIP."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurons.reconstruct.control_image import PIXEL_RANGES, UnclipModel
from neurons.reconstruct.latents import to_frames, to_latents

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(models):
    return UnclipModel.load(models.settings.control, models.vae, CPU, torch.float32)


def inputs():
    generator = torch.Generator().manual_seed(1)
    return {
        "tokens": torch.randn(3, 5, 16, generator=generator),
        "blurry": torch.rand(3, 3, 16, 16, generator=generator),
        "seeds": [1, 2, 3],
    }


def sample(model, settings, row=slice(None), **changed):
    return model.sample(
        **{name: values[row] for name, values in {**inputs(), **changed}.items()}, settings=settings
    )


def test_images_depend_on_their_own_inputs_only(model, models):
    settings = models.settings.control.model_copy(update={"strength": 0.7})
    together = sample(model, settings)
    assert together.shape == (3, 3, 16, 16)
    assert together.min() >= 0
    assert together.max() <= 1
    second = slice(1, 2)
    alone = sample(model, settings, second)
    torch.testing.assert_close(alone[0], together[1], atol=1e-4, rtol=1e-3)
    for name, value in {
        "seeds": [7, 7, 7],
        "tokens": torch.ones(3, 5, 16),
        "blurry": torch.zeros(3, 3, 16, 16),
    }.items():
        assert (sample(model, settings, second, **{name: value}) - alone).abs().max() > 1e-3, name


def test_full_strength_ignores_the_blurry_frame(model, models):
    settings = models.settings.control
    assert settings.strength == 1
    assert torch.equal(sample(model, settings), sample(model, settings, blurry=torch.zeros(3, 3, 16, 16)))


def test_a_vanishing_strength_returns_the_blurry_frame_through_the_autoencoder(model, models):
    settings = models.settings.control.model_copy(update={"strength": 0.01})
    expected = to_frames(model.vae, to_latents(model.vae, inputs()["blurry"]))
    torch.testing.assert_close(sample(model, settings), expected)


def test_the_network_is_told_size_and_crop_by_sinusoids(model):
    """Four numbers (16 px, 16 px, 0, 0), four values each: cosines, then sines, of x and x / 100."""
    size = [np.cos(16), np.cos(0.16), np.sin(16), np.sin(0.16)]
    expected = torch.tensor([*size, *size, 1, 1, 0, 0, 1, 1, 0, 0], dtype=torch.float32)
    torch.testing.assert_close(model._size_and_crop(2), expected.expand(2, -1))


def test_guidance_may_contrast_with_noise_of_the_clips_own(model, models):
    settings = models.settings.control.model_copy(update={"unconditional": "noise"})
    together = sample(model, settings)
    assert (together - sample(model, models.settings.control)).abs().max() > 1e-3
    torch.testing.assert_close(sample(model, settings, slice(1, 2))[0], together[1], atol=1e-4, rtol=1e-3)


def test_mindeye2s_pixels_are_brighter_and_flatter(model):
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    output = model.vae.decode(latents / model.vae.config.scaling_factor).sample.detach()
    torch.testing.assert_close(
        to_frames(model.vae, latents, *PIXEL_RANGES["standard"]), (output / 2 + 0.5).clamp(0, 1)
    )
    expected = (0.8 * output + 0.2).clamp(0, 1)
    torch.testing.assert_close(to_frames(model.vae, latents, *PIXEL_RANGES["mindeye2"]), expected)
