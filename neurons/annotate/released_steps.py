"""The step of `annotate` that converts released masks; needed once, by hand, not in the workflow."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from neurons.annotate.packed_masks import movie_masks
from neurons.annotate.released_masks import ReleasedKeyObjects, ReleasedPictures
from neurons.artifacts import provenance, write_table, write_tensors
from neurons.console import logger, track
from neurons.released import movies_of


def released_masks(
    *,
    masks: Path,
    names: Path,
    runs: Path,
    folder: Path,
    split: Literal["train", "test"],
    clip_s: float = 2.0,
    frames_per_clip: int = 6,
    phase: float = 0.5,
) -> None:
    """Write the masks that the NEURONS authors released as the files that `annotate.masks: table` reads, two per movie.

    All objects (a folder of pictures) or the key objects alone (one array); of all objects, the paper's rule chooses again.

    Parameters
    ----------
    masks
        Folder ``mask_cls_<split>_qwen_video`` (unpacked), or ``key_objects_masks_<split>.pt``.
    names
        ``mask_cls_dict_<split>_qwen_video.json`` of the folder, ``key_objects_info_<split>.json`` of the array.
    runs
        Run table of the released arrays (says which clips are whose).
    folder
        Where ``<movie>_masks.safetensors`` and ``<movie>_instances.tsv`` are written (`annotate.folder`).
    split
        Of the masks.
    clip_s
        Length of a clip, in s.
    frames_per_clip
        As `cut.frames_per_clip`.
    phase
        As `cut.phase`: masks belong to the times of the frames.
    """
    movies = movies_of(runs, split)
    clips = sum(count for _, _, count in movies)
    kind = ReleasedPictures if masks.is_dir() else ReleasedKeyObjects
    source = kind(masks, names, clips, frames_per_clip)
    parameters = {"masks": masks.name, "split": split, "clip_s": clip_s, "phase": phase}
    parameters |= {"frames_per_clip": frames_per_clip}
    made_by = provenance("annotate released-masks", {"names": names, "runs": runs}, parameters)
    without = 0
    for movie, first, count in track(movies, "movies"):
        found = movie_masks(source, first, count, frames_per_clip)
        within = (np.arange(frames_per_clip) + phase) * clip_s / frames_per_clip
        times = (np.arange(count)[:, None] * clip_s + within).ravel()
        write_tensors(
            folder / f"{movie}_masks.safetensors",
            {"time_s": times, "masks": found.masks, "instance": found.instance},
            made_by,
            width=found.width,
        )
        starts = np.array([clip * clip_s for clip, _ in found.objects])
        tags = [tag for _, tag in found.objects]
        table = pd.DataFrame(
            {"instance": range(len(tags)), "tag": tags, "start_s": starts, "end_s": starts + clip_s}
        )
        write_table(folder / f"{movie}_instances.tsv", table, made_by)
        without += count - len({clip for clip, _ in found.objects})
    if without:
        logger.warning("%d of %d clips have no mask", without, clips)
