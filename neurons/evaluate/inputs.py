"""Reading what is scored, joined by clip id and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, TensorFile, gather, locate, read_table
from neurons.evaluate.pixels import check_videos
from neurons.evaluate.sampling import nearest_frames, times_in_clip
from neurons.evaluate.videos import FEATURES, GATE, Videos


def require_clips(expected: Sequence[str], found: Sequence[str], where: Path) -> None:
    """Refuse a file that does not hold exactly the expected clips, each once.

    Raises
    ------
    InputError
        Naming missing, repeated or unexpected clips.
    """
    locate(expected, found, str(where))
    extra = sorted(set(found) - set(expected))
    if extra:
        shown = ", ".join(extra[:5])
        raise InputError(
            f"{where} holds {len(extra)} clips that are not test clips: {shown}. Rerun the stage that made it."
        )


def wanted_times(
    frames: Sequence[Path], clip_ids: Sequence[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """Times of the true frames from the start of their clips, in s, (clips, frames), and the clips."""
    time_s, ids = gather(frames, "time_s", clip_ids)
    return times_in_clip(time_s, ids), ids


def predicted_frames(
    videos: Path, clip_ids: Sequence[str], wanted_s: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted frames nearest to the times of the true ones.

    Returns
    -------
    tuple
        uint8 (clips, frames, height, width, 3), and their own times from the start of the clip, in s (clips, frames).

    Raises
    ------
    InputError
        If the file holds other clips, or no frame near a wanted time.
    """
    file = TensorFile(videos)
    require_clips(clip_ids, file.clip_ids, videos)
    if "frame_time_s" not in file.metadata:
        raise InputError(
            f"{videos} does not say when its frames are shown (metadata frame_time_s). Rerun the stage that made it."
        )
    times = np.asarray(file.metadata["frame_time_s"], dtype=float)
    chosen = nearest_frames(times, wanted_s, str(videos))
    rows = locate(clip_ids, file.clip_ids, str(videos))
    return file["frames"][rows[:, None], chosen], times[chosen]


def read_videos(
    frames: Sequence[Path], truth: Path, videos: Path, features: Path, clip_ids: Sequence[str]
) -> tuple[Videos, Videos]:
    """True and predicted videos with their features.

    Parameters
    ----------
    frames
        Cut frames of the test movies.
    truth, features
        Features of the true and of the predicted videos.
    videos
        Predicted videos.
    clip_ids
        Clips in the order wanted.

    Raises
    ------
    InputError
        If clips, frame sizes, classes or models differ.
    """
    true_frames, _ = gather(frames, "frames", clip_ids)
    true_times, _ = wanted_times(frames, clip_ids)
    own_frames, own_times = predicted_frames(videos, clip_ids, true_times)
    check_videos(true_frames, own_frames, str(videos))
    models = [TensorFile(path).metadata["models"] for path in (truth, features)]
    if models[0] != models[1]:
        raise InputError(
            f"{truth} and {features} were made by different models ({models[0]}; {models[1]}). Rerun evaluate."
        )
    return (
        Videos(true_frames, true_times, **_features(truth, clip_ids)),
        Videos(own_frames, own_times, **_features(features, clip_ids)),
    )


def _features(path: Path, clip_ids: Sequence[str]) -> dict[str, np.ndarray]:
    file = TensorFile(path)
    require_clips(clip_ids, file.clip_ids, path)
    present = [*FEATURES, *([GATE] if GATE in file.names else [])]
    return {name: file.rows(name, clip_ids) for name in present}


def finite(file: TensorFile, name: str, clip_ids: Sequence[str]) -> np.ndarray:
    """Rows of a floating tensor in float32.

    Raises
    ------
    InputError
        If a value is NaN or infinite.
    """
    values = file.rows(name, clip_ids).astype(np.float32)
    bad = [clip_ids[int(i)] for i in np.nonzero(~np.isfinite(values.reshape(len(values), -1)).all(1))[0]]
    if bad:
        raise InputError(
            f"{file.path}: tensor {name!r} holds NaN or infinite values in {len(bad)} clips, the first is {bad[0]}"
        )
    return values


def table_rows(paths: Sequence[Path], columns: Sequence[str], clip_ids: Sequence[str]) -> pd.DataFrame:
    """Rows of one or several tables for the given clips, in their order."""
    table = pd.concat([read_table(path, ["clip", *columns]) for path in paths], ignore_index=True)
    where = ", ".join(str(path) for path in paths)
    return table.iloc[locate(clip_ids, list(table["clip"]), where)]
