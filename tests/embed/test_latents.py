"""Latents of frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from neurons.artifacts import InputError, TensorFile
from neurons.embed import steps
from neurons.embed.latents import check_autoencoder
from neurons.embed.settings import Embed
from neurons.loading import load_pretrained
from neurons.sections import Model


def latents(settings: Embed, frames: Path, output: Path) -> np.ndarray:
    steps.latents(movies=["movie"], frames=[frames], settings=settings, outputs=[output], device="cpu")
    return np.asarray(TensorFile(output)["latents"], np.float32)


@pytest.mark.parametrize(("name", "shift"), [("vae", 0.25), ("vae_plain", 0.0)])
def test_latents_are_the_scaled_mode(
    models_folder: Path,
    settings: Embed,
    frames: Path,
    pictures: np.ndarray,
    tmp_path: Path,
    name: str,
    shift: float,
) -> None:
    chosen = settings.model_copy(update={"vae": Model(path=str(models_folder / name))})
    stored = latents(chosen, frames, tmp_path / "latents.safetensors")
    vae = AutoencoderKL.from_pretrained(models_folder / name).eval()
    with torch.no_grad():
        for clip, frame in ((0, 0), (1, 3), (2, 5)):
            picture = torch.from_numpy(pictures[clip, frame].transpose(2, 0, 1)[None]).float() / 255 * 2 - 1
            moments = vae.quant_conv(vae.encoder(picture))
            mean = moments[0, :4].numpy()
            np.testing.assert_allclose(stored[clip, frame], (mean - shift) * 0.5, atol=2e-3)
    assert stored.shape == (3, 6, 4, 16, 16)


def test_batch_size_does_not_matter(settings: Embed, frames: Path, tmp_path: Path) -> None:
    one = latents(settings.model_copy(update={"batch_size": 1}), frames, tmp_path / "one.safetensors")
    many = latents(settings.model_copy(update={"batch_size": 7}), frames, tmp_path / "many.safetensors")
    np.testing.assert_allclose(one, many, atol=1e-3)


def test_frames_that_do_not_divide_are_refused(models_folder: Path) -> None:
    vae = AutoencoderKL.from_pretrained(models_folder / "vae")
    check_autoencoder(vae, 32)
    with pytest.raises(InputError, match=r"33 px .* no multiple of the 2 px"):
        check_autoencoder(vae, 33)


def test_scaling_by_channel_is_refused() -> None:
    vae = AutoencoderKL(
        norm_num_groups=4, block_out_channels=(4,), latents_mean=[0.0] * 4, latents_std=[1.0] * 4
    )
    with pytest.raises(InputError, match="latents_mean"):
        check_autoencoder(vae, 32)


def test_missing_model_says_key_and_place() -> None:
    with pytest.raises(InputError, match=r"embed\.vae: AutoencoderKL cannot be loaded from 'nowhere/at/all'"):
        load_pretrained(AutoencoderKL, Model(path="nowhere/at/all"), "embed.vae")
