"""The image autoencoder: 64x64 RGB to 8x8 latents with 8 channels."""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from neurons.simulate.miniatures.data import draw_frames, draw_scenes, to_frames, to_tensor
from neurons.simulate.miniatures.optimise import LogRow, optimise

LATENT_CHANNELS = 8
CHANNELS = (16, 32, 64, 96)
SQUARED_ERROR_WEIGHT = 10.0
PRIOR_WEIGHT = 3e-4
POOL_FRAMES = 24_000
REFINING_NOISE = 0.03


def new_autoencoder() -> AutoencoderKL:
    """Untrained autoencoder (1.6 M parameters) in the layout of Stable Diffusion's."""
    levels = len(CHANNELS)
    return AutoencoderKL(
        block_out_channels=CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=LATENT_CHANNELS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=64,
        scaling_factor=1.0,
    )


def train_autoencoder(
    seed: int,
    steps: int,
    batch: int,
    max_learning_rate: float,
    device: torch.device,
    workers: int,
    report: Callable[[LogRow], None],
) -> tuple[AutoencoderKL, list[LogRow]]:
    """Train on random frames of training scenes: L1 and squared error, and a slight pull to unit latents."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pool = draw_frames(rng, draw_scenes(rng, POOL_FRAMES, "train"), workers)
    vae = new_autoencoder().train().to(device)

    def loss_of_step() -> torch.Tensor:
        pixels = to_tensor(pool[rng.integers(len(pool), size=batch)]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            posterior = vae.encode(pixels).latent_dist
            decoded = vae.decode(posterior.sample()).sample
        error = decoded.float() - pixels
        moments = posterior.mean.float().square() + posterior.var.float() - 1.0 - posterior.logvar.float()
        return (
            error.abs().mean()
            + SQUARED_ERROR_WEIGHT * error.square().mean()
            + PRIOR_WEIGHT * 0.5 * moments.mean()
        )

    rows = optimise(vae.parameters(), loss_of_step, steps, max_learning_rate, report)
    vae.eval()
    standardise_latents(vae, pool[:4096])
    return vae, rows


def refine_decoder(
    vae: AutoencoderKL,
    seed: int,
    steps: int,
    batch: int,
    frames: int,
    max_learning_rate: float,
    workers: int,
    report: Callable[[LogRow], None],
) -> list[LogRow]:
    """Train the decoder further for a fixed encoder, so that models trained on the latents stay valid.

    The latents get a little noise, as those that diffusion models make have.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    pool = draw_frames(rng, draw_scenes(rng, frames, "train"), workers)
    latents = encode(vae, pool)
    vae.requires_grad_(False)
    parameters = [*vae.post_quant_conv.parameters(), *vae.decoder.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)

    def loss_of_step() -> torch.Tensor:
        chosen = rng.integers(frames, size=batch)
        shown = latents[torch.from_numpy(chosen)].to(vae.device)
        with torch.autocast(vae.device.type, torch.bfloat16):
            decoded = vae.decode(shown + REFINING_NOISE * torch.randn_like(shown)).sample
        error = decoded.float() - to_tensor(pool[chosen]).to(vae.device)
        return error.abs().mean() + SQUARED_ERROR_WEIGHT * error.square().mean()

    return optimise(parameters, loss_of_step, steps, max_learning_rate, report)


@torch.no_grad()
def standardise_latents(vae: AutoencoderKL, frames: NDArray[np.uint8]) -> None:
    """Give each latent channel zero mean and unit variance over frames, without changing any reconstruction.

    The centring and scaling go into the weights of the 1x1 convolutions around the latents, so that every user of the
    model gets unit latents with ``scaling_factor`` 1.
    """
    latents = encode(vae, frames).to(vae.device)
    mean, std = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    into, out_of = vae.quant_conv, vae.post_quant_conv
    channels = len(mean)
    out_of.bias += out_of.weight[:, :, 0, 0] @ mean
    out_of.weight *= std[None, :, None, None]
    into.bias[:channels] = (into.bias[:channels] - mean) / std
    into.weight[:channels] /= std[:, None, None, None]
    into.bias[channels:] -= 2 * std.log()


@torch.no_grad()
def encode(vae: AutoencoderKL, frames: NDArray[np.uint8], batch: int = 64) -> torch.Tensor:
    """Most probable latents of uint8 frames ``(n, 64, 64, 3)``: ``(n, 8, 8, 8)`` float32, scaled, on the CPU."""
    chunks = [frames[start : start + batch] for start in range(0, len(frames), batch)]
    latents = [vae.encode(to_tensor(chunk).to(vae.device)).latent_dist.mode().cpu() for chunk in chunks]
    return torch.cat(latents) * float(vae.config.scaling_factor)


@torch.no_grad()
def decode(vae: AutoencoderKL, latents: torch.Tensor, batch: int = 64) -> NDArray[np.uint8]:
    """Frames of latents: the inverse of :func:`encode`."""
    scaled = latents / float(vae.config.scaling_factor)
    return np.concatenate(
        [to_frames(vae.decode(chunk.to(vae.device)).sample) for chunk in scaled.split(batch)]
    )
