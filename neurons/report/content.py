"""What the page shows, read from the artifacts of the other stages."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from neurons.artifacts import InputError, TensorFile, locate, read_json, read_table
from neurons.console import track
from neurons.report.gallery import Reconstruction, choose_highlights, clip_record, video_uri

RANKED_BY = "clip_truth"


@dataclass(frozen=True)
class TestClips:
    """The test clips as they were watched.

    Attributes
    ----------
    ids
        Clip ids.
    frames
        uint8 (clips, frames, height, width, 3).
    notes
        Table with the columns ``caption, concepts, scene_cuts``, indexed by clip id.
    clip_s
        Length of a clip, in s.
    """

    ids: list[str]
    frames: np.ndarray
    notes: pd.DataFrame
    clip_s: float


def labels(path: Path) -> tuple[str, str]:
    """Variant and subject of a file in a folder ``<variant>/<subject>/``."""
    return path.parent.parent.name, path.parent.name


def read_test_clips(
    playback: Sequence[Path], annotation: Sequence[Path], clips: Sequence[Path], most: int
) -> TestClips:
    """The first `most` test clips.

    Raises
    ------
    InputError
        If clips differ in length, or a clip with frames has no annotation.
    """
    files = [TensorFile(path) for path in playback]
    ids = [clip for file in files for clip in file.clip_ids][:most]
    frames = np.concatenate([file["frames"] for file in files])[:most]
    cuts = pd.concat([read_table(path, ("clip", "start_s", "end_s", "scene_cuts")) for path in clips])
    notes = pd.concat([read_table(path, ("clip", "caption", "concepts")) for path in annotation])
    joined = notes.merge(
        cuts[["clip", "scene_cuts"]], on="clip", how="inner", validate="one_to_one"
    ).set_index("clip")
    missing = [clip for clip in ids if clip not in joined.index]
    if missing:
        raise InputError(
            f"{len(missing)} clips have frames to play but no annotation, the first is {missing[0]}"
        )
    lengths = np.unique((cuts["end_s"] - cuts["start_s"]).round(6))
    if len(lengths) != 1:
        raise InputError(
            f"the clips of {[str(path) for path in clips]} have several lengths: {lengths.tolist()} s"
        )
    return TestClips(ids, frames, joined, float(lengths[0]))


def read_reconstruction(
    videos: Path, decoded: Path, table: Path, control: Path, samples: Path, ids: Sequence[str]
) -> Reconstruction:
    """What one variant made of one subject, for the given clips in the given order."""
    variant, subject = labels(videos)
    texts = read_table(table, ("clip", "caption", "concepts"))
    rows = texts.iloc[locate(ids, list(texts["clip"]), str(table))].fillna("")
    file = TensorFile(videos)
    return Reconstruction(
        variant=variant,
        subject=subject,
        videos=file.rows("frames", ids),
        blurry=file.rows("blurry", ids),
        masks=TensorFile(decoded).rows("mask", ids),
        controls=TensorFile(control).rows("images", ids),
        captions=[str(text) for text in rows["caption"]],
        concepts=[str(text) for text in rows["concepts"]],
        samples=_samples(samples, ids),
    )


def _samples(path: Path, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Of each clip the number of its samples and how far CLIP's views of them lie apart (None for a single one)."""
    table = read_table(path, ("clip", "spread")).groupby("clip", sort=False)["spread"].agg(["size", "first"])
    absent = [clip for clip in ids if clip not in table.index]
    if absent:
        raise InputError(
            f"{path} lacks {len(absent)} clips, the first is {absent[0]}; rerun `reconstruct gather`"
        )
    return [
        {"samples": int(row["size"]), "spread": None if pd.isna(row["first"]) else float(row["first"])}
        for _, row in table.loc[list(ids)].iterrows()
    ]


def watched(clips: TestClips, oracle: Reconstruction | None) -> list[dict[str, Any]]:
    """Truth of each clip, for the page; with the oracle's video if there is one."""
    captions, concepts, cuts = (clips.notes[name].to_dict() for name in ("caption", "concepts", "scene_cuts"))
    records = []
    for position, clip in enumerate(track(clips.ids, "test clips")):
        record: dict[str, Any] = {
            "id": clip,
            "truth": video_uri(clips.frames[position], clips.clip_s),
            "caption": str(captions[clip]),
            "concepts": [str(name) for name in concepts[clip]],
            "cuts": int(cuts[clip]),
        }
        if oracle is not None:
            record["oracle"] = video_uri(oracle.videos[position], clips.clip_s)
        records.append(record)
    return records


def reconstructed(clips: TestClips, made: Reconstruction, similarity: Mapping[str, float]) -> dict[str, Any]:
    """What was made of each clip, with its similarity to the truth and whether it is a highlight."""
    marks = choose_highlights({clip: float(similarity[clip]) for clip in clips.ids})
    entries = {}
    for position, clip in enumerate(track(clips.ids, f"clips of {made.variant}, {made.subject}")):
        entry = clip_record(made, position, clips.clip_s)
        ranked = {"score": float(similarity[clip]), "rank": marks.get(clip)}
        entries[clip] = {**entry, **ranked, **made.samples[position]}
    return entries


def similarities(clip_scores: Sequence[Path]) -> dict[tuple[str, str], dict[str, float]]:
    """Similarity to the truth of each clip, by variant and subject."""
    tables = {labels(path): read_table(path, ("clip", RANKED_BY)) for path in clip_scores}
    return {key: dict(zip(table["clip"], table[RANKED_BY], strict=True)) for key, table in tables.items()}


def training_tables(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Training tables by ``<variant>, <subject>``."""
    columns = ("epoch", "train_loss", "validation_score")
    return {", ".join(labels(path)): read_table(path, columns) for path in paths}


def brain_quality(summary: Path, picture: Path) -> dict[str, Any]:
    """Subject, picture and the plain numbers of a quality summary."""
    facts = [
        (name.replace("_", " "), f"{value:.3g}" if isinstance(value, float) else str(value))
        for name, value in read_json(summary).items()
        if isinstance(value, int | float | str)
    ]
    return {"subject": summary.parent.name, "source": png_uri(picture), "facts": facts}


def made_by(path: Path) -> dict[str, Any]:
    """One line of provenance of a tensor file."""
    metadata = TensorFile(path).metadata
    step = metadata.get("provenance") or {}
    return {
        "artifact": "/".join((*labels(path), path.name)),
        "step": step.get("step", ""),
        "seed": step.get("seed"),
        "content": metadata.get("content_hash", ""),
    }


def jpeg_uri(path: Path) -> str:
    """A data URI of a picture file, as JPEG: photographs weigh a tenth of what they do as PNG.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    pixels = cv2.imread(str(path))
    if pixels is None:
        raise InputError(f"{path} cannot be read as a picture; delete it and rerun the workflow")
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def png_uri(path: Path) -> str:
    """A data URI of a PNG file."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
