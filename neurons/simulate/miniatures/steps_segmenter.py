"""Command that trains and saves the miniature that outlines what is in a box."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from neurons.artifacts import seed_for
from neurons.simulate.miniatures import segmenter, shipping

FOLDER, WEIGHTS = "sam", "sam.safetensors"


def train_segmenter(
    *,
    output: Path,
    seed: int = 1,
    frames: int = 5000,
    steps: int = 1000,
    batch: int = 8,
    max_learning_rate: float = 2e-3,
    threads: int = 1,
) -> None:
    """Train the miniature SAM and save its weights.

    Parameters
    ----------
    output
        Folder of the miniatures; ``sam`` is written in it.
    seed
        Of the frames, the first weights and the batches.
    frames
        Frames rendered to train on.
    steps, batch, max_learning_rate
        Length and speed of training.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed_for(seed, "segmenter"))
    pool = segmenter.render_frames("train", frames, seed_for(seed, "segmenter", "pool"))
    model = segmenter.new_segmenter()
    log = segmenter.train_segmenter(
        model, pool, steps, batch, max_learning_rate, seed_for(seed, "segmenter", "batches")
    )
    folder = output / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    parameters = {
        "seed": seed, "frames": frames, "steps": steps, "batch": batch, "max_learning_rate": max_learning_rate,
    }  # fmt: skip
    shipping.save_log(folder, "neurons simulate train-segmenter", parameters, log)
