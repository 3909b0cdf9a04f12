"""Step of the stage `annotate`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd

from neurons.annotate.backend import Backend, ClipView
from neurons.annotate.clip import Annotated, annotate_clip
from neurons.annotate.concepts import CONCEPTS, Mapping, map_tag
from neurons.annotate.key_object import Rule
from neurons.annotate.table import TableBackend, table_files
from neurons.artifacts import (
    InputError,
    TensorFile,
    locate,
    provenance,
    read_table,
    write_table,
    write_tensors,
)
from neurons.config import Annotate, KeyObject
from neurons.console import logger


def clips(
    *,
    movie: str,
    clips: Path,
    frames: Path,
    folder: Path,
    settings: Annotate,
    annotation: Path,
    labels: Path,
    tags: Path,
) -> None:
    """Annotate the clips of a movie: captions, tags, concepts, and the key object with its masks.

    Parameters
    ----------
    movie
        Name of the movie.
    clips
        Clip table of the stage `cut`.
    frames
        Frames of the stage `cut`.
    folder
        Folder of the back end's files.
    settings
        Section `annotate` of the configuration.
    annotation
        One row per clip: caption, tags, concepts, key object and the reason for it (written, Parquet).
    labels
        `concepts` (n, 51), `key_concept` (n,), `key_mask` (n, F, h, w) (written, safetensors).
    tags
        Concepts of every tag that occurs, and why (written, TSV).

    Raises
    ------
    InputError
        If the back end lacks something, or a clip has no known concept or no key object (all such clips are
        listed).
    """
    backend = TableBackend(folder, movie)
    annotated = _annotate_all(_views(clips, frames), backend, settings)
    mappings = _mappings(annotated)
    unknown = [mapping.tag for mapping in mappings if not mapping.concepts]
    if unknown:
        logger.warning("movie %s: tags without a concept are ignored: %s", movie, ", ".join(unknown))
    made_by = provenance(
        "annotate clips",
        {"clips": clips, "frames": frames, "annotations": list(table_files(folder, movie).values())},
        settings.model_dump(mode="json", exclude={"folder"}),
    )
    write_table(annotation, _table(annotated), made_by)
    ids = [item.clip for item in annotated]
    write_tensors(labels, _labels(annotated), made_by, ids, concept_names=list(CONCEPTS))
    write_table(tags, _tag_table(mappings, annotated), made_by)


def _annotate_all(views: list[ClipView], backend: Backend, settings: Annotate) -> list[Annotated]:
    rule = _rule(settings.key_object)
    annotated, problems = [], []
    for view in views:
        try:
            annotated.append(annotate_clip(view, backend, settings.mask_size_px, rule))
        except InputError as error:
            problems.append(f"- {view.clip}: {error}")
    if problems:
        raise InputError(
            f"{len(problems)} of {len(views)} clips cannot be annotated:\n" + "\n".join(problems)
        )
    return annotated


def _rule(settings: KeyObject) -> Rule:
    named = {*settings.priority_concepts, *settings.background_concepts}
    unknown = sorted(named - set(CONCEPTS))
    if unknown:
        raise InputError(
            f"annotate.key_object names unknown concepts: {unknown}. Available: {', '.join(CONCEPTS)}"
        )
    return Rule(
        settings.maximum_area,
        frozenset(settings.priority_concepts),
        settings.priority_weight,
        frozenset(settings.background_concepts),
    )


def _views(clips: Path, frames: Path) -> list[ClipView]:
    table = read_table(clips, ["clip", "start_s", "end_s"])
    file = TensorFile(frames)
    rows = locate(list(table["clip"]), file.clip_ids, str(frames))
    pixels, times = file["frames"], file["source_time_s"]
    duration = float(file.metadata["frame_duration_s"])
    bounds = zip(
        table["clip"].tolist(), table["start_s"].tolist(), table["end_s"].tolist(), rows, strict=True
    )
    return [
        ClipView(clip, float(start), float(end), np.asarray(times[row]), duration, pixels[row])
        for clip, start, end, row in bounds
    ]


def _mappings(annotated: list[Annotated]) -> list[Mapping]:
    return [map_tag(tag) for tag in sorted({tag for item in annotated for tag in item.tags})]


def _table(annotated: list[Annotated]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "clip": [item.clip for item in annotated],
            "caption": [item.caption for item in annotated],
            "tags": [item.tags for item in annotated],
            "concepts": [item.concepts for item in annotated],
            "key_tag": [item.key.tag for item in annotated],
            "key_concept": [item.key_concept for item in annotated],
            "key_instance": [item.key.instance for item in annotated],
            "key_reason": [item.key_reason for item in annotated],
        }
    )


def _labels(annotated: list[Annotated]) -> dict[str, np.ndarray]:
    return {
        "concepts": np.array([[name in item.concepts for name in CONCEPTS] for item in annotated], np.uint8),
        "key_concept": np.array([CONCEPTS.index(item.key_concept) for item in annotated], np.int64),
        "key_mask": np.array([item.key.masks for item in annotated], np.uint8),
    }


def _tag_table(mappings: list[Mapping], annotated: list[Annotated]) -> pd.DataFrame:
    counts = Counter(tag for item in annotated for tag in item.tags)
    return pd.DataFrame(
        {
            "tag": [mapping.tag for mapping in mappings],
            "concepts": ["|".join(mapping.concepts) for mapping in mappings],
            "reason": [mapping.reason for mapping in mappings],
            "clips": [counts[mapping.tag] for mapping in mappings],
        }
    )
