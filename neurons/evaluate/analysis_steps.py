"""The steps of `evaluate` that ask what scores mean: where they come from, what bounds them, whether they can be trusted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import (
    InputError,
    TensorFile,
    gather,
    hash_file,
    provenance,
    read_table,
    write_table,
)
from neurons.console import logger
from neurons.evaluate.alarms import (
    ALARMS,
    above_ceiling,
    copies,
    crossing_cuts,
    repeats,
    seen_in_training,
    trained_on_test,
)
from neurons.evaluate.breakdown import by_concept, by_kind, kinds_of_clip
from neurons.evaluate.ceiling import ceiling_measures
from neurons.evaluate.comparisons import compare as compare_variants
from neurons.evaluate.comparisons import mean_over_subjects
from neurons.evaluate.inputs import finite, predicted_frames, table_rows, wanted_times
from neurons.evaluate.measures import row
from neurons.evaluate.resampling import resamples
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.table import KEYS, score_frame
from neurons.preprocess.runs import by_movie

EVERYBODY = "mean over subjects"
RESAMPLING = {"seed", "bootstrap", "permutations", "block_clips"}


def breakdown(
    *,
    clips: Path,
    labels: list[Path],
    annotation: list[Path],
    clip_tables: list[Path],
    decoded: Path | None = None,
    settings: Evaluate,
    kinds: Path,
    concepts: Path,
) -> None:
    """Break the scores of one prediction down by concept, key object and kind of clip.

    Parameters
    ----------
    clips
        Values of single clips, from `scores`.
    labels, annotation, clip_tables
        Labels, annotation and clip tables of the test movies.
    decoded
        Decoded tasks; without them there is no table of concepts but its header.
    settings
        Section `evaluate` of the configuration.
    kinds
        Means over clips of each kind, beside the other clips (written, TSV).
    concepts
        Recognition of each concept (written, TSV).
    """
    by_clip = read_table(clips, ["clip"])
    ids = list(by_clip["clip"])
    true_concepts, _ = gather(labels, "concepts", ids)
    key_masks, _ = gather(labels, "key_mask", ids)
    described = table_rows(annotation, ["key_tag", "tags"], ids)
    cuts = table_rows(clip_tables, ["scene_cuts"], ids)["scene_cuts"].to_numpy(int)
    members = kinds_of_clip(
        true_concepts,
        CONCEPTS,
        key_masks,
        [str(tag) if pd.notna(tag) else None for tag in described["key_tag"]],
        [list(tags) for tags in described["tags"]],
        cuts,
    )
    drawn = resamples(ids, settings)
    inputs: dict[str, Path | Sequence[Path]] = {
        "clips": clips,
        "labels": labels,
        "annotation": annotation,
        "clip_tables": clip_tables,
    }
    if decoded is not None:
        inputs["decoded"] = decoded
    parameters = {**_resampling(settings), "concept_threshold": settings.concept_threshold}
    made_by = provenance("evaluate breakdown", inputs, parameters, settings.seed)
    write_table(kinds, by_kind(by_clip, members, drawn), made_by)
    own = finite(TensorFile(decoded), "concepts", ids) if decoded is not None else true_concepts[:, :0]
    if decoded is not None and own.shape != true_concepts.shape:
        raise InputError(
            f"{decoded}: {own.shape[1]} concepts per clip, the annotation has {true_concepts.shape[1]}. Rerun reconstruct."
        )
    names = CONCEPTS if decoded is not None else ()
    table = by_concept(true_concepts, own, settings.concept_threshold, names, drawn)
    write_table(concepts, table, made_by)


def ceiling(*, subject: str, runs: list[Path], selection: Path, settings: Evaluate, scores: Path) -> None:
    """Ask how well the repeats of the test movies tell clips apart: a ceiling for every decoder.

    Parameters
    ----------
    subject
        Written into the table.
    runs
        Preprocessed test runs.
    selection
        Selected vertices.
    settings
        Section `evaluate` of the configuration.
    scores
        Rows like those of `scores`, variant ``ceiling`` (written, TSV).

    Movies that were shown more often than others (a run of another movie was left out) count with as many repeats as those,
    their first ones.

    Raises
    ------
    InputError
        If runs and selection are of different vertices.
    """
    chosen = read_table(selection, ["selected"])["selected"].to_numpy(bool)
    movies = by_movie(runs, subject)
    fewest = min(len(repeated) for repeated in movies.values())
    vertices = {run.responses.shape[1] for repeated in movies.values() for run in repeated}
    if vertices != {len(chosen)}:
        raise InputError(
            f"{selection} says of {len(chosen)} vertices whether they are selected, the runs have {sorted(vertices)}. Rerun"
            " preprocess."
        )
    responses = np.concatenate(
        [np.stack([run.responses[:, chosen] for run in repeated[:fewest]], 1) for repeated in movies.values()]
    )
    ids = [identity for repeated in movies.values() for identity in repeated[0].clip_ids]
    drawn = resamples(ids, settings)
    rows = [row(measure, drawn) for measure in ceiling_measures(responses, settings.retrieval_pool)]
    parameters = {**_resampling(settings), "retrieval_pool": settings.retrieval_pool}
    made_by = provenance(
        "evaluate ceiling", {"runs": runs, "selection": selection}, parameters, settings.seed
    )
    write_table(scores, score_frame(rows, "ceiling", subject), made_by)


def compare(*, rows: list[str], clips: list[Path], settings: Evaluate, output: Path) -> None:
    """Compare predictions pair by pair, clip by clip: for each subject, and for the mean over subjects.

    Parameters
    ----------
    rows
        ``<variant>/<subject>`` of each table of `clips`.
    clips
        Values of single clips, from `scores`.
    settings
        Section `evaluate` of the configuration.
    output
        Differences with interval and corrected p (written, TSV).
    """
    by_subject: dict[str, dict[str, pd.DataFrame]] = {}
    for name, path in zip(rows, clips, strict=True):
        variant, subject = name.split("/")
        by_subject.setdefault(subject, {})[variant] = read_table(path, ["clip"])
    common = [
        variant
        for variant in next(iter(by_subject.values()))
        if all(variant in variants for variants in by_subject.values())
    ]
    groups = dict(by_subject)
    if len(by_subject) > 1:
        groups[EVERYBODY] = {
            variant: mean_over_subjects([variants[variant] for variants in by_subject.values()])
            for variant in common
        }
    options = _resampling(settings)
    tables = [compare_variants(variants, subject, **options) for subject, variants in groups.items()]
    write_table(
        output, pd.concat(tables), provenance("evaluate compare", {"clips": clips}, options, settings.seed)
    )


def alarms(
    *,
    rows: list[str],
    videos: list[Path],
    scores: Path,
    frames: list[Path],
    train_frames: list[Path],
    clip_tables: list[Path],
    models: list[Path],
    trained_from: list[Path],
    test_files: list[Path],
    output: Path,
) -> None:
    """Look for leaks, collapse and scores that are too good to be true.

    Parameters
    ----------
    rows
        ``<variant>/<subject>`` of each file of videos.
    videos
        Predicted videos.
    scores
        Table of all scores.
    frames, train_frames
        Cut frames of the test and of the training movies.
    clip_tables
        Clip tables of the test movies.
    models
        Trained models.
    trained_from
        Files that models were made from and that were themselves made from others (responses).
    test_files
        Everything that was made of the test movies and that no model may have read.
    output
        A row per check (written, TSV).
    """
    times, ids = wanted_times(frames)
    truth, _ = gather(frames, "frames", ids)
    training, training_ids = gather(train_frames, "frames")
    cuts = table_rows(clip_tables, ["scene_cuts"], ids)["scene_cuts"].to_numpy(int)
    found = [
        seen_in_training(truth, ids, training, training_ids).row("any", "any"),
        crossing_cuts(cuts, ids).row("any", "any"),
    ]
    read = _read_by([*models, *trained_from])
    found.append(trained_on_test(read, {str(path): _content(path) for path in test_files}).row("any", "any"))
    table = read_table(scores, [*KEYS, "metric", "low", "high", "higher_is_better"])
    oracle = table[table["variant"] == "oracle"]
    for name, path in zip(rows, videos, strict=True):
        variant, subject = name.split("/")
        own, _ = predicted_frames(path, ids, times)
        found += [finding.row(variant, subject) for finding in (copies(truth, own, ids), repeats(own, ids))]
        if len(oracle) and variant != "oracle":
            mine = table[(table["variant"] == variant) & (table["subject"] == subject)]
            found.append(above_ceiling(mine, oracle).row(variant, subject))
    result = pd.DataFrame(found, columns=ALARMS)
    for raised in result[result["raised"]].itertuples():
        logger.warning(
            "%s, %s: %s: %s of %s %s",
            raised.variant,
            raised.subject,
            raised.alarm,
            raised.count,
            raised.of,
            raised.what,
        )
    inputs: dict[str, Path | Sequence[Path]] = {
        "videos": videos,
        "scores": scores,
        "frames": frames,
        "train_frames": train_frames,
        "clip_tables": clip_tables,
        "models": models,
        "trained_from": trained_from,
        "test_files": test_files,
    }
    write_table(output, result, provenance("evaluate alarms", inputs))


def _read_by(files: Sequence[Path]) -> dict[str, str]:
    read: dict[str, str] = {}
    for path in files:
        recorded: Mapping[str, Mapping[str, Any]] = (
            TensorFile(path).metadata.get("provenance", {}).get("inputs", {})
        )
        if not recorded:
            raise InputError(
                f"{path} does not say what it was made from, so that nobody can tell whether test data were among it."
                " Rerun the stage that made it."
            )
        read |= {
            f"{path}: {role} {name}": str(content)
            for role, contents in recorded.items()
            for name, content in contents.items()
        }
    return read


def _content(path: Path) -> str:
    known = TensorFile(path).metadata.get("content_hash") if path.suffix == ".safetensors" else None
    return str(known) if known else hash_file(path)


def _resampling(settings: Evaluate) -> dict[str, Any]:
    return settings.model_dump(mode="json", include=RESAMPLING)
