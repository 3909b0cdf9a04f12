"""Step `clips` of the stage `annotate`: what was seen becomes tags, concepts and key objects."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from neurons.annotate.agreement import TagConcepts, agreement_table, tag_concepts
from neurons.annotate.backend import Captions, ClipView, Masks
from neurons.annotate.clip import Annotated, ConceptsOf, annotate_clip
from neurons.annotate.concepts import CONCEPTS
from neurons.annotate.descriptions import DescribedClips, model_choices
from neurons.annotate.key_object import Rule
from neurons.annotate.settings import Annotate, KeyObject
from neurons.annotate.sheet import Tile, contact_sheet
from neurons.annotate.sources import caption_files, caption_source, mask_files, mask_source
from neurons.annotate.spelling import spelling
from neurons.annotate.table import existing
from neurons.annotate.views import clip_views
from neurons.artifacts import InputError, atomic, provenance, write_table, write_tensors
from neurons.console import logger


def clips(
    *,
    movie: str,
    clips: Path,
    frames: Path,
    settings: Annotate,
    annotation: Path,
    labels: Path,
    tags: Path,
    sheet: Path,
    folder: Path | None = None,
    descriptions: Path | None = None,
    masks: Path | None = None,
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
    settings
        Section `annotate` of the configuration, without what other steps use.
    annotation
        One row per clip: caption, tags, concepts, key object and the reason for it (written, Parquet).
    labels
        `concepts` (n, 51), `key_concept` (n,), `key_mask` (n, F, h, w) (written, safetensors).
    tags
        Every tag that occurs: its sense and concepts by WordNet, why, and the model's choices (written, TSV).
    sheet
        Contact sheet of the key objects (written, PNG).
    folder
        Folder of the `table` back ends, if captions or masks are from there.
    descriptions
        Descriptions of the step `describe`, if captions are from there.
    masks
        Masks of the step `segment`, if they are from there.

    Raises
    ------
    InputError
        If a source lacks something, or a clip has no valid description, no known concept or no key object (all such clips
        are listed).
    """
    if settings.concepts == "model" and descriptions is None:
        raise InputError(
            "annotate.concepts is `model`, but captions come from tables (annotate.backend), so that no model chose "
            "concepts; use `wordnet`"
        )
    files = [*caption_files(movie, folder, descriptions), *mask_files(movie, folder, masks)]
    existing(movie, files)
    views = clip_views(clips, frames)
    captions = caption_source(movie, folder, descriptions)
    choices = model_choices(captions.table) if isinstance(captions, DescribedClips) else {}

    @cache
    def concepts_of(tag: str) -> TagConcepts:
        return tag_concepts(tag, settings.concepts, choices)

    annotated = _annotate_all(
        views, captions, mask_source(movie, folder, masks), settings, lambda tag: concepts_of(tag).concepts
    )
    seen = [concepts_of(tag) for tag in sorted({tag for item in annotated for tag in item.tags})]
    _tell(movie, seen)
    made_by = provenance(
        "annotate clips",
        {"clips": clips, "frames": frames, "annotations": files},
        settings.model_dump(mode="json", include={"concepts", "mask_size_px", "key_object"}),
    )
    counts = Counter(tag for item in annotated for tag in item.tags)
    ids = [item.clip for item in annotated]
    write_table(annotation, _table(annotated), made_by)
    write_tensors(labels, _labels(annotated), made_by, ids, concept_names=list(CONCEPTS))
    write_table(tags, agreement_table(seen, counts), made_by)
    _write_sheet(sheet, views, annotated)


def _annotate_all(
    views: list[ClipView], captions: Captions, masks: Masks, settings: Annotate, concepts_of: ConceptsOf
) -> list[Annotated]:
    rule = _rule(settings.key_object)
    annotated, problems = [], []
    for view in views:
        try:
            annotated.append(annotate_clip(view, captions, masks, settings.mask_size_px, rule, concepts_of))
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
    both = sorted({*settings.priority_nouns} & {*settings.background_nouns})
    if both:
        raise InputError(f"annotate.key_object: nouns cannot both have priority and be background: {both}")
    return Rule(
        settings.maximum_area,
        frozenset(settings.priority_concepts),
        settings.priority_weight,
        frozenset(settings.background_concepts),
        frozenset(map(spelling, settings.priority_nouns)),
        frozenset(map(spelling, settings.background_nouns)),
    )


def _tell(movie: str, seen: list[TagConcepts]) -> None:
    unknown = [item.tag for item in seen if not item.concepts]
    if unknown:
        logger.warning("movie %s: tags without a concept are ignored: %s", movie, ", ".join(unknown))
    compared = [item.agreement for item in seen if item.agreement]
    if compared:
        logger.info(
            "movie %s: WordNet and the model agree on the concept of %d of %d tags",
            movie, compared.count("same"), len(compared),
        )  # fmt: skip


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


def _write_sheet(path: Path, views: list[ClipView], annotated: list[Annotated]) -> None:
    tiles = [
        Tile(
            item.clip,
            view.frames,
            item.key.masks,
            (f"{item.key.tag}: {item.key_concept}", item.key_reason, item.caption),
        )
        for view, item in zip(views, annotated, strict=True)
    ]
    written, data = cv2.imencode(".png", contact_sheet(tiles)[..., ::-1])
    if not written:
        raise InputError(f"the contact sheet {path} cannot be encoded")
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())
