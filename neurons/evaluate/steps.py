"""The steps of `evaluate` that need no frozen model: scores and the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurons.artifacts import (
    InputError,
    TensorFile,
    gather,
    provenance,
    read_table,
    write_json,
    write_table,
)
from neurons.console import logger, track
from neurons.evaluate.inputs import (
    finite,
    read_videos,
    require_clips,
    table_rows,
)
from neurons.evaluate.measures import COLUMNS, row
from neurons.evaluate.protocols import SCORING, Tasks, task_measures, video_measures
from neurons.evaluate.resampling import resamples
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.table import KEYS, records, score_frame, stack
from neurons.evaluate.words import first_named


def scores(
    *,
    variant: str,
    subject: str,
    features: Path,
    truth: Path,
    videos: Path,
    frames: list[Path],
    labels: list[Path],
    annotation: list[Path],
    train_labels: list[Path],
    decoded: Path | None = None,
    table: Path | None = None,
    settings: Evaluate,
    scores: Path,
    clips: Path,
) -> None:
    """Score the predictions of one variant for one subject.

    Parameters
    ----------
    variant, subject
        Written into the table.
    features, truth
        Features of the predicted and of the true videos.
    videos
        Predicted videos.
    frames, labels, annotation
        Cut frames, labels and annotation of the test movies.
    train_labels
        Labels of the training movies, for answers that need no brain.
    decoded, table
        Decoded tasks and their texts; without them only videos are scored.
    settings
        Section `evaluate` of the configuration.
    scores
        One row per measure (written, TSV).
    clips
        Values of single clips (written, Parquet).

    Raises
    ------
    InputError
        If clips, frame sizes, mask sizes, classes or models differ, or values are not finite.
    """
    ids = TensorFile(truth).clip_ids
    drawn = resamples(ids, settings)
    true_videos, own_videos = read_videos(frames, truth, videos, features, ids)
    measures = list(video_measures(true_videos, own_videos, ids, drawn.permutations, settings))
    inputs: dict[str, Path | Sequence[Path]] = {
        "features": features,
        "truth": truth,
        "videos": videos,
        "frames": frames,
    }
    if (decoded is None) != (table is None):
        raise InputError("decoded and table belong together: give both or none")
    if decoded is not None and table is not None:
        tasks = read_tasks(decoded, table, labels, annotation, train_labels, ids)
        measures += task_measures(tasks, settings)
        inputs |= {
            "labels": labels,
            "annotation": annotation,
            "train_labels": train_labels,
            "decoded": decoded,
            "table": table,
        }
    rows = [row(measure, drawn) for measure in track(measures, "measures")]
    parameters = settings.model_dump(mode="json", include=SCORING) | {"variant": variant, "subject": subject}
    made_by = provenance("evaluate scores", inputs, parameters, settings.seed)
    write_table(scores, score_frame(rows, variant, subject), made_by)
    by_clip = {item.name: item.per_clip for item in measures if item.per_clip is not None}
    write_table(clips, pd.DataFrame({"clip": ids, **by_clip}), made_by)


def read_tasks(
    decoded: Path,
    table: Path,
    labels: list[Path],
    annotation: list[Path],
    train_labels: list[Path],
    ids: list[str],
) -> Tasks:
    """Decoded tasks with their truth.

    Raises
    ------
    InputError
        If clips or shapes differ, or values are not finite.
    """
    file = TensorFile(decoded)
    require_clips(ids, file.clip_ids, decoded)
    masks, concepts = finite(file, "mask", ids), finite(file, "concepts", ids)
    true_masks, _ = gather(labels, "key_mask", ids)
    true_concepts, _ = gather(labels, "concepts", ids)
    for name, own, true in (("mask", masks, true_masks), ("concepts", concepts, true_concepts)):
        if own.shape != true.shape:
            raise InputError(
                f"{decoded}: {name} of shape {own.shape[1:]} per clip, the annotation has {true.shape[1:]}"
            )
    said = table_rows([table], ["caption"], ids)
    require_clips(ids, list(read_table(table, ["clip"])["clip"]), table)
    described = table_rows(annotation, ["caption", "key_tag", "tags"], ids)
    truth = [str(caption) for caption in described["caption"]]
    return Tasks(
        true_masks,
        masks,
        gather(train_labels, "key_mask")[0],
        true_concepts,
        concepts,
        gather(train_labels, "concepts")[0],
        truth,
        list(said["caption"].fillna("").astype(str)),
        nouns=[str(tag) if pd.notna(tag) else None for tag in described["key_tag"]],
        subjects=[first_named(text, tags) for text, tags in zip(truth, described["tags"], strict=True)],
    )


def table(*, scores: list[Path], output: Path, json: Path) -> None:
    """Put the scores of all variants, subjects and references into one table, with rows of chance.

    Parameters
    ----------
    scores
        Tables of the step `scores`.
    output
        All rows (written, TSV).
    json
        The same (written, JSON).
    """
    stacked = stack([read_table(path, [*KEYS, *COLUMNS]) for path in scores])
    doubled = stacked[stacked.duplicated([*KEYS, "metric"])]
    if len(doubled):
        first = doubled.iloc[0]
        raise InputError(
            f"the scores of variant {first['variant']}, subject {first['subject']} are given more than once"
        )
    made_by = provenance("evaluate table", {"scores": scores})
    write_table(output, stacked, made_by)
    write_json(json, {"scores": records(stacked)}, made_by)
    logger.info("%d scores of %d variants", len(stacked), stacked["variant"].nunique())
