"""One folder per reconstructed clip: made in one piece, recognised on a rerun, checked before use."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import Provenance, hash_bytes, hash_file, split_clip_id, write_json, write_tensors
from neurons.reconstruct.ranking import Ranking
from neurons.video import write_mp4

RECORD = "identity.json"
SAMPLES = "samples.json"


@dataclass(frozen=True)
class ClipResult:
    """What is stored of one clip.

    Attributes
    ----------
    frames, blurry
        uint8 (T, H, W, 3) video and (F, h, w, 3) blurry video.
    mask
        float (F, h, w) probabilities.
    control
        uint8 (H, W, 3) control image.
    caption
        Decoded description.
    probabilities
        (51,) of concepts.
    samples
        uint8 (S, T, H, W, 3): all videos that were made; `frames` is one of them.
    seeds
        Of the samples.
    ranking
        Of the samples.
    """

    clip: str
    frames: np.ndarray
    blurry: np.ndarray
    mask: np.ndarray
    control: np.ndarray
    caption: str
    probabilities: np.ndarray
    samples: np.ndarray
    seeds: list[int]
    ranking: Ranking

    def record(self) -> dict[str, Any]:
        """Seeds and scores of the samples, which is shown, and their spread (JSON values)."""
        scores: Sequence[float | None] = self.ranking.scores or [None]
        rows = [
            {"sample": sample, "seed": seed, "score": score, "chosen": sample == self.ranking.best}
            for sample, (seed, score) in enumerate(zip(self.seeds, scores, strict=True))
        ]
        return {
            "clip": self.clip,
            "samples": rows,
            "spread": self.ranking.spread,
            "pixel_sd": self.ranking.pixel_sd,
        }


def folder_name(clip: str) -> str:
    """``<movie>_<index>``."""
    return "{}_{}".format(*split_clip_id(clip))


def row_identity(
    shared: Mapping[str, Any], texts: Mapping[str, str], arrays: Mapping[str, np.ndarray]
) -> str:
    """Hash of everything that decides a clip's folder.

    Parameters
    ----------
    shared
        What all clips have in common: settings, models, precision, versions (JSON values).
    texts, arrays
        The clip's own decoded outputs by name.
    """
    parts = [json.dumps([shared, texts], sort_keys=True).encode()]
    for name, array in sorted(arrays.items()):
        parts += [f"{name}{array.dtype}{array.shape}".encode(), np.ascontiguousarray(array).tobytes()]
    return hash_bytes(*parts)


def write_clip(
    folder: Path,
    result: ClipResult,
    identity: str,
    frame_time_s: np.ndarray,
    clip_s: float,
    made_by: Provenance,
) -> None:
    """Write the folder of a clip, replacing an invalid one.

    Contents: ``video.mp4``, ``blurry.mp4``, ``frames.safetensors`` (both videos, lossless), ``mask.png`` (frames side by
    side), ``control.png``, ``caption.txt``, ``concepts.json``, ``samples.json`` (seeds, scores, spread; with several samples
    also ``sample_<n>.mp4``), and ``identity.json`` with `identity` and the files' hashes.
    """
    with replacing(folder) as inside:
        write_mp4(inside / "video.mp4", result.frames, len(result.frames) / clip_s)
        write_mp4(inside / "blurry.mp4", result.blurry, len(result.blurry) / clip_s)
        tensors = {"frames": result.frames, "blurry": result.blurry}
        write_tensors(
            inside / "frames.safetensors",
            tensors,
            made_by,
            clip=result.clip,
            frame_time_s=frame_time_s.tolist(),
        )
        levels = np.rint(255 * result.mask.astype(np.float32)).astype(np.uint8)
        Image.fromarray(np.concatenate(list(levels), axis=1)).save(inside / "mask.png")
        Image.fromarray(result.control).save(inside / "control.png")
        (inside / "caption.txt").write_text(result.caption + "\n", encoding="utf-8")
        concepts = dict(zip(CONCEPTS, result.probabilities.astype(np.float64).round(4).tolist(), strict=True))
        write_json(inside / "concepts.json", concepts, made_by)
        write_json(inside / SAMPLES, result.record(), made_by)
        if len(result.samples) > 1:
            for sample, frames in enumerate(result.samples):
                write_mp4(inside / f"sample_{sample}.mp4", frames, len(frames) / clip_s)
        hashes = {file.name: hash_file(file) for file in sorted(inside.iterdir())}
        record = {"clip": result.clip, "identity": identity, "files": hashes}
        (inside / RECORD).write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def is_valid(folder: Path, identity: str) -> bool:
    """Whether `folder` was made from what `identity` stands for and every file is as it was written."""
    record = _record(folder)
    return record is not None and record.get("identity") == identity and is_intact(folder)


def is_intact(folder: Path) -> bool:
    """Whether every file of the folder is there and as it was written."""
    record = _record(folder)
    files = record.get("files", {}) if record else {}
    intact = [
        (folder / name).is_file() and hash_file(folder / name) == content for name, content in files.items()
    ]
    return bool(intact) and all(intact)


def folder_hash(folder: Path) -> str:
    """Hash of the folder's record, and so of all its files; empty if it has none."""
    return hash_file(folder / RECORD) if (folder / RECORD).is_file() else ""


def _record(folder: Path) -> dict[str, Any] | None:
    try:
        record = json.loads((folder / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield a folder beside `folder` that takes its place only if the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{folder.name}."
    for left_over in folder.parent.glob(f"{prefix}*"):  # of a run that was killed
        shutil.rmtree(left_over)
    temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
