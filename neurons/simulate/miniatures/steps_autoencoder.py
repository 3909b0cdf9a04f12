"""Commands that make the miniature autoencoder."""

from pathlib import Path

import torch

from neurons.devices import choose_device
from neurons.simulate.miniatures import vae as autoencoder
from neurons.simulate.miniatures.layout import VAE, load_vae, report
from neurons.simulate.miniatures.optimise import recipe, write_log


def train_vae(
    *,
    output: Path,
    seed: int = 1,
    steps: int = 4000,
    batch: int = 16,
    max_learning_rate: float = 3e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Train the image autoencoder and write it to OUTPUT/vae.

    Parameters
    ----------
    output
        Folder of the miniatures.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    model, rows = autoencoder.train_autoencoder(seed, steps, batch, max_learning_rate, place, workers, report)
    folder = output / VAE
    model.half().save_pretrained(folder)
    settings = {"batch": batch, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-vae", seed, rows, place, **settings))


def refine_vae_decoder(
    *,
    output: Path,
    seed: int = 11,
    steps: int = 4000,
    batch: int = 16,
    frames: int = 14_000,
    max_learning_rate: float = 1.5e-3,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Train the decoder of OUTPUT/vae further; its latents, and so the models trained on them, stay as they are.

    Parameters
    ----------
    output
        Folder of the miniatures.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    frames
        Frames drawn to train on.
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    folder = output / VAE
    model = load_vae(output, place)
    model.register_to_config(
        _name_or_path=VAE
    )  # otherwise the folder of this machine is saved with the weights
    rows = autoencoder.refine_decoder(model, seed, steps, batch, frames, max_learning_rate, workers, report)
    model.half().save_pretrained(folder)
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate refine-vae-decoder", seed, rows, place, **settings)
    write_log(folder, rows, made_by, name="training_log_decoder.tsv")
