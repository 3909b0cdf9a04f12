"""One chunk of clips: what to make, what is there already, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from neurons.artifacts import InputError, TensorFile, locate, provenance, read_table, seed_for
from neurons.console import logger, track
from neurons.reconstruct.aggregate import ClipTiming, Decoded, reconstruct
from neurons.reconstruct.clip_folders import (
    ClipResult,
    folder_hash,
    folder_name,
    is_valid,
    row_identity,
    write_clip,
)
from neurons.reconstruct.loading import identify
from neurons.reconstruct.settings import Reconstruct, parts_of
from neurons.reconstruct.timing import frame_times
from neurons.reconstruct.video_model import VideoModel
from neurons.sections import Model
from neurons.workflow.journal import note_parts


@dataclass(frozen=True)
class ChunkOfClips:
    """Decoded outputs of the clips of a chunk.

    Attributes
    ----------
    clips, captions, prompts
        One per clip.
    masks
        float16 (n, F, h, w).
    latents
        float16 (n, F, c, hl, wl).
    probabilities
        float16 (n, 51).
    controls
        uint8 (n, H, W, 3).
    """

    clips: list[str]
    captions: list[str]
    prompts: list[str]
    masks: np.ndarray
    latents: np.ndarray
    probabilities: np.ndarray
    controls: np.ndarray

    @classmethod
    def read(cls, decoded: Path, table: Path, control: Path, chunk: int, chunks: int) -> ChunkOfClips:
        """Read the clips of chunk `chunk` (from 0) of `chunks`: neighbours in the order of `decoded`.

        Raises
        ------
        InputError
            If there is no such chunk, or a file lacks a clip.
        """
        if not 0 <= chunk < chunks:
            raise InputError(f"chunk {chunk} does not exist: chunks are numbered from 0 to {chunks - 1}")
        file = TensorFile(decoded)
        clips = [str(clip) for clip in np.array_split(np.array(file.clip_ids), chunks)[chunk]]
        texts = read_table(table, ["clip", "caption", "prompt"]).fillna("")
        texts = texts.iloc[locate(clips, [str(clip) for clip in texts["clip"]], str(table))]
        return cls(
            clips,
            texts["caption"].astype(str).tolist(),
            texts["prompt"].astype(str).tolist(),
            file.rows("mask", clips),
            file.rows("latents", clips),
            file.rows("concepts", clips),
            TensorFile(control).rows("images", clips),
        )

    def identity(self, row: int, shared: dict[str, Any]) -> str:
        """Hash of everything that decides the folder of a clip."""
        texts = {"clip": self.clips[row], "caption": self.captions[row], "prompt": self.prompts[row]}
        arrays = {
            "mask": self.masks[row],
            "latents": self.latents[row],
            "probabilities": self.probabilities[row],
            "control": self.controls[row],
        }
        return row_identity(shared, texts, arrays)

    def batch(self, rows: Sequence[int], run_seed: int) -> Decoded:
        """Tensors of some of the clips."""
        chosen = list(rows)
        controls = torch.from_numpy(self.controls[chosen]).movedim(-1, 1).float() / 255
        return Decoded(
            [self.prompts[row] for row in chosen],
            [seed_for(run_seed, "video", self.clips[row]) for row in chosen],
            torch.from_numpy(self.masks[chosen]).float(),
            torch.from_numpy(self.latents[chosen]).float(),
            controls,
        )


def render_chunk(
    work: ChunkOfClips,
    folder: Path,
    settings: Reconstruct,
    vae: Model,
    dtype: torch.dtype,
    timing: ClipTiming,
    device: torch.device,
) -> pd.DataFrame:
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
    shared = _shared(settings, vae, dtype, timing)
    identities = [work.identity(row, shared) for row in range(len(work.clips))]
    folders = [folder / folder_name(clip) for clip in work.clips]
    missing = [row for row in range(len(folders)) if not is_valid(folders[row], identities[row])]
    if len(missing) < len(folders):
        logger.info("%d of %d clips are there already", len(folders) - len(missing), len(folders))
    failed: list[str] = []
    if missing:
        model = VideoModel.load(settings.video, vae, device, dtype)
        times = frame_times(settings.video.frames, timing.clip_s)
        batches = [missing[i : i + settings.batch_size] for i in range(0, len(missing), settings.batch_size)]
        for rows in track(batches, "batches of clips"):
            videos = reconstruct(work.batch(rows, settings.seed), model, settings, timing)
            for row, frames, blurry in zip(rows, videos.frames, videos.blurry, strict=True):
                if not (frames.isfinite().all() and blurry.isfinite().all()):
                    failed.append(work.clips[row])
                    continue
                made_by = provenance(
                    "reconstruct videos", {}, {**shared, "identity": identities[row]}, settings.seed
                )
                result = _result(work, row, frames, blurry)
                write_clip(folders[row], result, identities[row], times, timing.clip_s, made_by)
    if failed:
        raise InputError(
            f"the video of {len(failed)} clips holds NaN or infinite values: {', '.join(failed)}. All other clips of the "
            "chunk are finished and are kept. Try precision fp32 (compute.precision), or look at the clips' decoded outputs."
        )
    note_parts(folders)
    hashes = [folder_hash(path) for path in folders]
    return pd.DataFrame({"clip": work.clips, "folder": [path.name for path in folders], "hash": hashes})


def _shared(settings: Reconstruct, vae: Model, dtype: torch.dtype, timing: ClipTiming) -> dict[str, Any]:
    """What decides the videos of all clips alike, as JSON values (batch size does not)."""
    video = settings.video
    return {
        "settings": settings.model_dump(mode="json", include={"seed", "mask_space", "mask_floor", "video"}),
        "models": [identify(model) for model in (vae, *parts_of(video))],
        "precision": str(dtype),
        "clip_s": timing.clip_s,
        "phase": timing.phase,
    }


def _result(work: ChunkOfClips, row: int, frames: Tensor, blurry: Tensor) -> ClipResult:
    return ClipResult(
        work.clips[row],
        _levels(frames),
        _levels(blurry),
        work.masks[row],
        work.controls[row],
        work.captions[row],
        work.probabilities[row],
    )


def _levels(frames: Tensor) -> np.ndarray:
    """Frames (F, 3, H, W) in [0, 1] as uint8 (F, H, W, 3)."""
    return (255 * frames.movedim(1, -1)).round().byte().cpu().numpy()
