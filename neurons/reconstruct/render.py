"""The videos of a chunk of clips: what is there already, what is missing, batch by batch, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurons.artifacts import InputError, provenance
from neurons.console import logger, track
from neurons.embed.settings import Embed
from neurons.reconstruct.aggregate import ClipTiming, Videos, reconstruct
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.clip_folders import ClipResult, folder_hash, folder_name, is_valid, write_clip
from neurons.reconstruct.loading import identify
from neurons.reconstruct.ranking import SINGLE, Viewer, rank
from neurons.reconstruct.settings import Reconstruct, parts_of
from neurons.reconstruct.timing import frame_times, nearest
from neurons.reconstruct.video_model import VideoModel
from neurons.sections import Model
from neurons.workflow.journal import note_parts

DECIDING = {"seed", "mask_space", "mask_floor", "video", "samples_per_clip"}
"""Settings that decide the videos (batch size does not)."""


@dataclass(frozen=True)
class Studio:
    """What videos are made with.

    Attributes
    ----------
    settings
        Section `reconstruct`.
    vae
        The study's autoencoder.
    embed
        Section `embed`: the CLIP model by which samples are ranked.
    timing
        Of clips and their cut frames.
    device, dtype
        Where and in which precision networks run.
    """

    settings: Reconstruct
    vae: Model
    embed: Embed
    timing: ClipTiming
    device: torch.device
    dtype: torch.dtype

    def load(self) -> VideoModel:
        """The video model."""
        settings = self.settings
        return VideoModel.load(settings.video, self.vae, self.device, self.dtype, settings.offload)

    def identity(self) -> dict[str, Any]:
        """What decides the videos of all clips alike, as JSON values."""
        models = [self.vae, *parts_of(self.settings.video)]
        ranks = self.settings.samples_per_clip > 1
        return {
            "settings": self.settings.model_dump(mode="json", include=DECIDING),
            "models": [identify(model) for model in models],
            "ranked by": [identify(self.embed.clip), self.embed.clip_input_range] if ranks else None,
            "precision": str(self.dtype),
            "clip_s": self.timing.clip_s,
            "phase": self.timing.phase,
        }


def render_chunk(work: ChunkOfClips, folder: Path, studio: Studio) -> pd.DataFrame:
    """Make the folders of a chunk's clips that are not there yet.

    Returns
    -------
    pandas.DataFrame
        clip, folder (name), hash (of its content).

    Raises
    ------
    InputError
        After all other clips are made, naming the clips whose video is not finite.
    """
    shared = studio.identity()
    identities = [work.identity(row, shared) for row in range(len(work.clips))]
    folders = [folder / folder_name(clip) for clip in work.clips]
    missing = [row for row in range(len(folders)) if not is_valid(folders[row], identities[row])]
    if len(missing) < len(folders):
        logger.info("%d of %d clips are there already", len(folders) - len(missing), len(folders))
    failed: list[str] = []
    times = frame_times(studio.settings.video.frames, studio.timing.clip_s)
    for row, result in render(work, missing, studio, studio.load()) if missing else ():
        if result is None:
            failed.append(work.clips[row])
            continue
        seed = studio.settings.seed
        made_by = provenance("reconstruct videos", {}, {**shared, "identity": identities[row]}, seed)
        write_clip(folders[row], result, identities[row], times, studio.timing.clip_s, made_by)
    if failed:
        raise InputError(
            f"the video of {len(failed)} clips holds NaN or infinite values: {', '.join(failed)}. All other clips of the "
            "chunk are finished and are kept. Try precision fp32 (compute.precision), or look at the clips' decoded outputs."
        )
    note_parts(folders)
    hashes = [folder_hash(path) for path in folders]
    return pd.DataFrame({"clip": work.clips, "folder": [path.name for path in folders], "hash": hashes})


def render(
    work: ChunkOfClips, rows: Sequence[int], studio: Studio, model: VideoModel
) -> Iterator[tuple[int, ClipResult | None]]:
    """Make the videos of some clips. None stands for a video that is not finite."""
    settings = studio.settings
    samples = range(settings.samples_per_clip)
    viewer = Viewer.load(studio.embed, studio.device, studio.dtype) if len(samples) > 1 else None
    batches = [rows[i : i + settings.batch_size] for i in range(0, len(rows), settings.batch_size)]
    for batch in track(batches, "batches of clips"):
        made = [
            reconstruct(work.batch(batch, settings.seed, sample), model, settings, studio.timing)
            for sample in samples
        ]
        for place, row in enumerate(batch):
            finite = all(_is_finite(videos, place) for videos in made)
            frames = np.stack([levels(videos.frames[place]) for videos in made]) if finite else None
            yield row, None if frames is None else _result(work, row, frames, made[0], place, viewer, studio)


def _is_finite(videos: Videos, place: int) -> bool:
    return bool(videos.frames[place].isfinite().all() and videos.blurry[place].isfinite().all())


def _result(
    work: ChunkOfClips,
    row: int,
    samples: np.ndarray,
    videos: Videos,
    place: int,
    viewer: Viewer | None,
    studio: Studio,
) -> ClipResult:
    """What is stored of a clip: the best of its `samples` (S, T, H, W, 3), and all of them if there are several."""
    ranking = SINGLE
    if viewer is not None:
        shown = samples[:, shown_frames(len(work.masks[row]), studio)]
        ranking = rank(samples, viewer.view(shown), torch.from_numpy(work.views[row]))
    return ClipResult(
        work.clips[row],
        samples[ranking.best],
        levels(videos.blurry[place]),
        work.masks[row],
        work.controls[row],
        work.captions[row],
        work.probabilities[row],
        samples,
        [work.seed(row, studio.settings.seed, sample) for sample in range(len(samples))],
        ranking,
    )


def shown_frames(count: int, studio: Studio) -> list[int]:
    """Frames of the video at the times of the clip's `count` cut frames."""
    times = frame_times(studio.settings.video.frames, studio.timing.clip_s)
    cut = frame_times(count, studio.timing.clip_s, studio.timing.phase)
    return [nearest(times, time) for time in cut]


def levels(frames: Tensor) -> np.ndarray:
    """Frames (F, 3, H, W) in [0, 1] as uint8 (F, H, W, 3)."""
    return (255 * frames.movedim(1, -1)).round().byte().cpu().numpy()
