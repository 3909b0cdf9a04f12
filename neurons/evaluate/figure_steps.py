"""The step of `evaluate` that draws the figures of the paper."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurons.artifacts import InputError, TensorFile, gather, read_table
from neurons.evaluate.figures import mask_effect, outlined, spread_choice, strips
from neurons.evaluate.inputs import predicted_frames, table_rows, wanted_times

STRIPS = 6
CHOSEN_BY = "clip_truth"


def figures(
    *,
    subject: str,
    rows: list[str],
    videos: list[Path],
    variants: list[str],
    decoded: list[Path],
    tables: list[Path],
    controls: list[Path],
    clips: Path,
    frames: list[Path],
    labels: list[Path],
    strips_picture: Path,
    masks_picture: Path,
) -> None:
    """Draw side-by-side strips of frames, and what the masks do, for clips at even ranks of the score clip_truth.

    Parameters
    ----------
    subject
        Whose predictions they are.
    rows, videos
        Names of predictions, and their videos.
    variants, decoded, tables, controls
        Names of variants among them, with their task outputs, texts and control images.
    clips
        Values of single clips of the first variant: clips are chosen by them.
    frames, labels
        Cut frames and labels of the test movies.
    strips_picture, masks_picture
        The figures (written, PNG).

    Raises
    ------
    InputError
        If files hold other clips.
    """
    by_clip = read_table(clips, ["clip", CHOSEN_BY])
    scores = dict(zip(by_clip["clip"], by_clip[CHOSEN_BY].astype(float), strict=True))
    chosen = spread_choice(scores, STRIPS)
    if not chosen:
        raise InputError(f"{clips}: no clip has a score {CHOSEN_BY}")
    times, ids = wanted_times(frames)
    where = [ids.index(clip) for clip in chosen]
    truth, _ = gather(frames, "frames", chosen)
    own = {
        name: predicted_frames(path, ids, times)[0][where] for name, path in zip(rows, videos, strict=True)
    }
    shown = [f"{clip} (rank {rank} of {len(ids)})" for clip, rank in _ranks(scores, chosen).items()]
    title = f"{subject}: clips at even ranks of {CHOSEN_BY} of {rows[0]}, from best to worst"
    strips(strips_picture, {"truth": truth, **own}, shown, title)

    masks, _ = gather(labels, "key_mask", chosen)
    middle = truth.shape[1] // 2
    columns: dict[str, np.ndarray] = {
        "truth, key object": np.stack(
            [outlined(frame[middle], mask[middle]) for frame, mask in zip(truth, masks, strict=True)]
        )
    }
    for name, task, control in zip(variants, decoded, controls, strict=True):
        columns[f"{name}: mask"] = TensorFile(task).rows("mask", chosen)[:, middle].astype(np.float32)
        blurry = TensorFile(videos[rows.index(name)]).rows("blurry", chosen)
        columns[f"{name}: blurry"] = blurry[:, blurry.shape[1] // 2]
        columns[f"{name}: control"] = TensorFile(control).rows("images", chosen)
        columns[f"{name}: video"] = own[name][:, middle]
    captions = list(table_rows([tables[0]], ["caption"], chosen)["caption"].astype(str))
    mask_effect(masks_picture, columns, chosen, captions, f"{subject}: masks and what is made with them")


def _ranks(scores: dict[str, float], chosen: list[str]) -> dict[str, int]:
    return {clip: 1 + sum(value > scores[clip] for value in scores.values()) for clip in chosen}
