"""The step of `evaluate` that scores anybody's videos, without the rest of the pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.artifacts import InputError, hash_bytes, provenance, write_table
from neurons.console import logger
from neurons.devices import use_threads
from neurons.evaluate.classifiers import frames_taken, models_of
from neurons.evaluate.clip_sets import frames_at, pair, read_clip_set
from neurons.evaluate.grid_gif import round_trip
from neurons.evaluate.protocols import SCORING
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.standalone import score_videos


def videos(
    *,
    truth: Path,
    pred: Path,
    settings: Evaluate,
    ids: Path | None = None,
    clip_s: float = 2.0,
    size_px: int | None = None,
    grid_and_gif: bool = False,
    cache: Path | None = None,
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
    scores: Path,
    clips: Path,
) -> None:
    """Score two sets of clips: anybody's videos, no other stage needed.

    Clips are compared at as many evenly spaced times as the video classifier takes frames, the frame on screen at each.

    Parameters
    ----------
    truth, pred
        A folder of videos (MP4, GIF, ...) or of PNG folders, or an array (NPY, PT) of shape (clips, frames, height,
        width, 3) or (clips, frames, 3, height, width).
    settings
        Section `evaluate` of a configuration: the frozen models, protocols, bootstrap and permutations.
    ids
        TSV with the columns clip (``<movie>:<index>``), truth and pred (names, or rows of an array). Without it equal
        names, or equal rows of two arrays, belong together.
    clip_s
        Length of a clip, in s.
    size_px
        Resize all frames to this height and width; otherwise all must have one size.
    grid_and_gif
        Pass both through what released evaluators score: truth and prediction side by side in a GIF. Only with
        ``protocols: [released]``.
    cache
        Folder that keeps what the models saw, by content: scoring the same videos again runs no model.
    device, precision, threads
        Where the models run (section `compute`).
    scores
        One row per metric, with interval, chance and definition (written, TSV).
    clips
        Values of single clips (written, Parquet).

    Raises
    ------
    InputError
        If the sets do not hold the same clips, cannot be read, or differ in size.
    """
    use_threads(threads)
    sets = read_clip_set(truth), read_clip_set(pred)
    clip_ids, *names = pair(*sets, ids)
    count = frames_taken(settings)
    few = {str(each.where): sum(len(clip.frames) < count for clip in each.clips.values()) for each in sets}
    for where, number in few.items():
        if number:
            logger.warning(
                "%s: %d clips have fewer than %d frames; some are seen twice", where, number, count
            )
    shares = (np.arange(count) + 0.5) / count
    true_frames, own_frames = (
        frames_at(each, of, shares, size_px) for each, of in zip(sets, names, strict=True)
    )
    if true_frames.shape != own_frames.shape:
        raise InputError(
            f"{truth} has frames of {true_frames.shape[2:4]} px, {pred} of {own_frames.shape[2:4]}; nothing is resized "
            "unless --size-px asks"
        )
    seen_frames = true_frames, own_frames
    if grid_and_gif:
        if settings.protocols != ["released"]:
            raise InputError(
                f"a GIF of a grid is what the protocol released scores, but protocols are {settings.protocols}: ask for"
                " released alone"
            )
        seen_frames = round_trip(true_frames, own_frames)
    scored = score_videos(
        *seen_frames,
        settings,
        clip_s=clip_s,
        clip_ids=clip_ids,
        device=device,
        precision=precision,
        cache=cache,
    )
    parameters = {
        **settings.model_dump(mode="json", include=SCORING | set(models_of(settings))),
        "clip_s": clip_s,
        "size_px": size_px,
        "grid_and_gif": grid_and_gif,
        "truth": {"path": str(truth), "pixels": hash_bytes(true_frames.tobytes())},
        "pred": {"path": str(pred), "pixels": hash_bytes(own_frames.tobytes())},
    }
    made_by = provenance("evaluate videos", {"ids": ids} if ids else {}, parameters, settings.seed)
    write_table(scores, scored["table"], made_by)
    by_clip = scored["clips"]
    by_clip.insert(1, "name", names[0])
    write_table(clips, by_clip, made_by)
