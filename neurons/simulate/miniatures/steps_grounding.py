"""Commands that train and save the miniatures that find and outline what is named."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from neurons.artifacts import seed_for
from neurons.simulate.miniatures import grounding, shipping

DETECTOR, SEGMENTER = "grounding_dino", "sam"
WEIGHTS = "sam.safetensors"


def train_detector(
    *,
    output: Path,
    seed: int = 1,
    frames: int = 16000,
    steps: int = 6000,
    batch: int = 16,
    max_learning_rate: float = 6e-4,
    threads: int = 1,
) -> None:
    """Train the miniature GroundingDINO and save it with its processor.

    Parameters
    ----------
    output
        Folder of the miniatures; ``grounding_dino`` is written in it.
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
    torch.manual_seed(seed_for(seed, "detector"))
    pool = grounding.render_frames("train", frames, seed_for(seed, "detector", "pool"))
    model, processor = grounding.new_detector(), grounding.detector_processor()
    log = grounding.train_detector(
        model, processor, pool, steps, batch, max_learning_rate, seed_for(seed, "detector", "batches")
    )
    folder = output / DETECTOR
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    parameters = {
        "seed": seed, "frames": frames, "steps": steps, "batch": batch, "max_learning_rate": max_learning_rate,
    }  # fmt: skip
    shipping.save_log(folder, "neurons simulate train-detector", parameters, log)


def train_segmenter(
    *,
    output: Path,
    seed: int = 1,
    frames: int = 8000,
    steps: int = 3000,
    batch: int = 16,
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
    pool = grounding.render_frames("train", frames, seed_for(seed, "segmenter", "pool"))
    model = grounding.new_segmenter()
    log = grounding.train_segmenter(
        model, pool, steps, batch, max_learning_rate, seed_for(seed, "segmenter", "batches")
    )
    folder = output / SEGMENTER
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    parameters = {
        "seed": seed, "frames": frames, "steps": steps, "batch": batch, "max_learning_rate": max_learning_rate,
    }  # fmt: skip
    shipping.save_log(folder, "neurons simulate train-segmenter", parameters, log)
