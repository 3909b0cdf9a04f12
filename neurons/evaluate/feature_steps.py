"""The steps of `evaluate` that run the frozen models: features of the true and of the predicted videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from neurons.artifacts import (
    gather,
    provenance,
    write_tensors,
)
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.evaluate.classifiers import describe_videos
from neurons.evaluate.inputs import (
    predicted_frames,
    wanted_times,
)
from neurons.evaluate.settings import Evaluate


def truth(
    *,
    frames: list[Path],
    settings: Evaluate,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """Run the frozen models on the true videos of the test movies.

    Parameters
    ----------
    frames
        Cut frames of the test movies.
    settings
        Section `evaluate` of the configuration.
    device, precision, threads
        Where the models run (section `compute`).
    output
        Class probabilities and CLIP embeddings (written, safetensors).
    """
    pixels, ids = gather(frames, "frames")
    _describe(
        "evaluate truth", pixels, ids, {"frames": frames}, settings, (device, precision, threads), output
    )


def features(
    *,
    videos: Path,
    frames: list[Path],
    settings: Evaluate,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    output: Path,
) -> None:
    """Run the frozen models on predicted videos, at the times of the true frames.

    Parameters
    ----------
    videos
        Predicted videos.
    frames
        Cut frames of the test movies, for their times.
    settings
        Section `evaluate` of the configuration.
    device, precision, threads
        Where the models run (section `compute`).
    output
        Class probabilities and CLIP embeddings (written, safetensors).

    Raises
    ------
    InputError
        If clips differ from those of the test movies, or a true time has no predicted frame.
    """
    times, ids = wanted_times(frames)
    pixels, _ = predicted_frames(videos, ids, times)
    inputs: dict[str, Path | Sequence[Path]] = {"videos": videos, "frames": frames}
    _describe("evaluate features", pixels, ids, inputs, settings, (device, precision, threads), output)


def _describe(
    step: str,
    pixels: np.ndarray,
    ids: list[str],
    inputs: Mapping[str, Path | Sequence[Path]],
    settings: Evaluate,
    where: tuple[str, str, int],
    output: Path,
) -> None:
    device, precision, threads = where
    use_threads(threads)
    chosen = choose_device(device)
    arrays, facts = describe_videos(pixels, settings, chosen, choose_dtype(precision, chosen))
    parameters = {
        **facts["models"],
        "batch_size": settings.batch_size,
        "precision": precision,
        "threads": threads,
    }
    write_tensors(output, arrays, provenance(step, inputs, parameters), ids, **facts)
