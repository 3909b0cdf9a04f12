"""The steps of `preprocess` that read released arrays instead of runs: locations, run, and captions (by hand)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurons.artifacts import (
    InputError,
    clip_id,
    hash_bytes,
    provenance,
    read_table,
    write_table,
    write_tensors,
)
from neurons.console import logger
from neurons.preprocess.locations import unknown_locations
from neurons.released import movies_of, open_array, open_descriptions, responses_of

SPACE = "unknown"
STANDARDISED = (0.5, 2.0)
"""SD of a response, over the clips of a run, that standardised data may have."""


def released_locations(*, array: Path, subject: str, locations: Path) -> None:
    """Number the vertices of a released array, whose places on the cortex nobody has published.

    Parameters
    ----------
    array
        Responses (``.pt``).
    subject
        The person.
    locations
        Output: table (`grayordinate`: a mere number, `area`: empty).
    """
    vertices = open_array(array, 3).shape[2]
    logger.warning(
        "%s: %d vertices without ids; nothing of %s can be put back on the cortex", array, vertices, subject
    )
    made_by = provenance("preprocess released_locations", {}, {"file": array.name, "vertices": vertices})
    write_table(locations, unknown_locations(vertices), made_by)


def released_run(
    *,
    array: Path,
    subject: str,
    movie: str,
    repeat: int,
    first_clip: int,
    clips: Path,
    responses: Path,
) -> None:
    """Take one run out of a released array; only its rows are read.

    The responses are standardised already; they are checked, not changed. Constant vertices are marked not valid.

    Parameters
    ----------
    array
        Responses (clips, repeats, vertices), ``.pt``.
    subject, movie, repeat
        Which run it is, as in the run table.
    first_clip
        Row of the movie's first clip.
    clips
        Clip table of the movie.
    responses
        Output: tensors `responses` (clips, vertices), `valid` and `tsnr` (vertices; 0, for it is not known).
    """
    identities = read_table(clips, ["clip"])["clip"].tolist()
    if identities != [clip_id(movie, index) for index in range(len(identities))]:
        raise InputError(f"{clips} does not list the clips of {movie} in order; rerun `cut`")
    values = responses_of(open_array(array, 3), first_clip, len(identities), repeat, array)
    sd = values.std(axis=0, ddof=1)
    valid = sd > 0
    typical = float(np.median(sd[valid])) if valid.any() else 0.0
    if not STANDARDISED[0] < typical < STANDARDISED[1]:
        logger.warning(
            "%s, %s repeat %d: the median SD of a response is %.3g; released responses are expected to be standardised (1)",
            array,
            movie,
            repeat,
            typical,
        )
    facts: dict[str, Any] = {
        "volumes": len(identities), "first_volume": 0, "header_repetition_time_s": None, "onset_s": None, "tsnr": None,
        "framewise_displacement_mm": None, "constant": int((~valid).sum()), "faint": 0, "spikes": 0, "spike_clips": [],
    }  # fmt: skip
    source = hash_bytes(np.ascontiguousarray(values).data.cast("B"))
    # The array is identified by the rows that were read: hashing all of it for every run would take hours.
    parameters = {"file": array.name, "first_clip": first_clip, "rows_hash": source}
    write_tensors(
        responses,
        {"responses": values, "valid": valid, "tsnr": np.zeros(len(valid), np.float32)},
        provenance("preprocess released_run", {"clips": clips}, parameters),
        clip_ids=identities,
        subject=subject,
        movie=movie,
        repeat=repeat,
        space=SPACE,
        source=source,
        facts=facts,
    )


def released_captions(*, array: Path, runs: Path, folder: Path, split: str, clip_s: float = 2.0) -> None:
    """Write released captions as the tables that the back end `table` of `annotate` reads, one per movie.

    NeuroClips released captions alone: `tags` is left empty. The NEURONS authors' Qwen annotation has tags.

    Parameters
    ----------
    array
        ``GT_train_caption.pt`` or ``GT_test_caption.pt``, or a file of ``qwen_annotation`` (``.pt`` or ``.json``;
        ``qwen_train_caption_tag.json`` of the NEURONS repository has tags).
    runs
        Run table of the released arrays (says which clips are whose).
    folder
        Where ``<movie>_captions.tsv`` is written.
    split
        ``train`` or ``test``, as the file.
    clip_s
        Length of a clip, in s.
    """
    described = open_descriptions(array)
    movies = movies_of(runs, split)
    clips = sum(count for _, _, count in movies)
    if clips != len(described):
        raise InputError(
            f"{array} has {len(described)} captions; the {split} movies of {runs} have {clips} clips"
        )
    for movie, first, count in movies:
        starts = np.arange(count) * clip_s
        own = described.iloc[first : first + count].reset_index(drop=True)
        rows = pd.concat([pd.DataFrame({"start_s": starts, "end_s": starts + clip_s}), own], axis=1)
        made_by = provenance("preprocess released_captions", {"captions": array})
        write_table(folder / f"{movie}_captions.tsv", rows, made_by)
