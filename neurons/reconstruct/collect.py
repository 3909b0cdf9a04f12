"""All clips of a subject and variant from their folders, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, TensorFile, locate, read_json, read_table
from neurons.reconstruct.clip_folders import SAMPLES, folder_hash, is_intact


@dataclass(frozen=True)
class Collected:
    """All clips.

    Attributes
    ----------
    frames, blurry
        uint8 videos (n, T, H, W, 3) and blurry videos (n, F, h, w, 3).
    frame_time_s
        Times of the T frames in their clip.
    samples
        A row per clip and sample: clip, sample, seed, score, chosen, and the clip's spread and pixel_sd.
    """

    frames: np.ndarray
    blurry: np.ndarray
    frame_time_s: list[float]
    samples: pd.DataFrame


def collect(manifests: Sequence[Path], wanted: Sequence[str], clips: Path) -> Collected:
    """Read the videos of `wanted` clips, in that order.

    Parameters
    ----------
    manifests
        Tables of clip, folder and hash.
    wanted
        Clip ids.
    clips
        Folder of the clips' folders.

    Raises
    ------
    InputError
        If the manifests do not name exactly these clips, each once, or a folder is not as its manifest says.
    """
    table = pd.concat([read_table(path, ["clip", "folder", "hash"]) for path in manifests], ignore_index=True)
    listed = [str(clip) for clip in table["clip"]]
    rows = table.iloc[locate(wanted, listed, f"the {len(manifests)} manifests")]
    unknown = sorted(set(listed) - set(wanted))
    if unknown:
        raise InputError(
            f"the manifests name {len(unknown)} clips that were not decoded: {', '.join(unknown[:5])}"
        )
    paths = [clips / str(name) for name in rows["folder"]]
    changed = [
        path.name
        for path, content in zip(paths, rows["hash"], strict=True)
        if folder_hash(path) != content or not is_intact(path)
    ]
    if changed:
        raise InputError(
            f"{len(changed)} clip folders in {clips} are missing or are not as their manifest says: "
            f"{', '.join(changed[:5])}. Rerun `reconstruct videos`; it makes them again and keeps the others."
        )
    files = [TensorFile(path / "frames.safetensors") for path in paths]
    times = {tuple(file.metadata["frame_time_s"]) for file in files}
    if len(times) != 1:
        raise InputError(
            f"the clips in {clips} have frames at {len(times)} different sets of times; rerun all chunks"
        )
    return Collected(
        np.stack([file["frames"] for file in files]),
        np.stack([file["blurry"] for file in files]),
        list(times.pop()),
        pd.concat([_samples(read_json(path / SAMPLES)) for path in paths], ignore_index=True),
    )


def _samples(record: dict[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(record["samples"])
    table.insert(0, "clip", record["clip"])
    return table.assign(spread=record["spread"], pixel_sd=record["pixel_sd"])
