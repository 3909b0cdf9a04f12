"""Where captions and masks of a movie come from: the files of the `table` back ends, or what earlier steps wrote."""

from __future__ import annotations

from pathlib import Path

from neurons.annotate.backend import Captions, ClipView, Masks
from neurons.annotate.descriptions import DescribedClips
from neurons.annotate.stored_masks import StoredMasks
from neurons.annotate.table import (
    PictureMasks,
    TableCaptions,
    TableMasks,
    caption_paths,
    mask_paths,
)
from neurons.artifacts import InputError


def caption_source(movie: str, folder: Path | None, descriptions: Path | None) -> Captions:
    """Captions and tags: the descriptions if there are, else those in `folder`."""
    if descriptions is not None:
        return DescribedClips(descriptions)
    return TableCaptions(_given(folder, "descriptions"), movie)


def mask_source(movie: str, folder: Path | None, masks: Path | None) -> Masks:
    """Masks: those of the step `segment` if there are, else those in `folder`."""
    if masks is not None:
        return StoredMasks(masks)
    place = _given(folder, "masks")
    return PictureMasks(place, movie) if (place / f"{movie}_masks").is_dir() else TableMasks(place, movie)


def caption_files(movie: str, folder: Path | None, descriptions: Path | None) -> list[Path]:
    """Files that captions come from; those of the `table` back end may be missing."""
    if descriptions is not None:
        return [descriptions]
    return caption_paths(_given(folder, "descriptions"), movie)


def mask_files(movie: str, folder: Path | None, masks: Path | None) -> list[Path]:
    """Files that masks come from; those of the `table` back end may be missing."""
    return [masks] if masks is not None else mask_paths(_given(folder, "masks"), movie)


def tags_or_none(captions: Captions, view: ClipView) -> tuple[str, ...]:
    """Tags of a clip; none if it has no valid description, which the step `clips` reports for all such clips."""
    try:
        return captions.describe(view).tags
    except InputError:
        return ()


def _given(folder: Path | None, other: str) -> Path:
    if folder is None:
        raise InputError(f"neither --folder (of the `table` back end) nor --{other} is given")
    return folder
