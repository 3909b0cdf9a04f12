"""Steps that make reference videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from neurons.artifacts import InputError, TensorFile, gather, provenance, split_clip_id, write_tensors
from neurons.console import logger
from neurons.evaluate.references import PENALTIES, mean_video, nearest_in_time, retrieve
from neurons.evaluate.sampling import clip_length, times_in_clip
from neurons.pretrain.window import assemble, window_positions

LAGS = (-1, 0, 1)
SAME_S = 1e-6


def mean(*, train_frames: list[Path], test_frames: list[Path], video_frames: int = 16, output: Path) -> None:
    """Give the average training video as the prediction for every test clip.

    Parameters
    ----------
    train_frames, test_frames
        Cut frames of the training movies, and of the test movies (for their clip ids).
    video_frames
        Frames per predicted video; each is the cut frame nearest in time.
    output
        Videos, laid out like the reconstructed ones (written, safetensors).
    """
    average = mean_video([TensorFile(path)["frames"] for path in train_frames])
    ids = [identity for path in test_frames for identity in TensorFile(path).clip_ids]
    blurry = np.repeat(average[None], len(ids), axis=0)
    made_by = provenance(
        "evaluate mean",
        {"train_frames": train_frames, "test_frames": test_frames},
        {"video_frames": video_frames},
    )
    _write(output, blurry, ids, train_frames, video_frames, made_by)


def retrieval(
    *,
    subject: str,
    train: Path,
    test: Path,
    image_tokens: list[Path],
    train_frames: list[Path],
    validation_movies: list[str],
    video_frames: int = 16,
    output: Path,
) -> None:
    """Give the video of a training clip, the nearest to what a ridge regression reads from the responses.

    The regression predicts a clip's CLIP image embedding, mean over frames, from the responses to it and to its
    neighbours in time.

    Parameters
    ----------
    subject
        Whose responses they are.
    train, test
        Responses to training and test clips.
    image_tokens
        Embeddings of the training movies.
    train_frames
        Cut frames of the training movies.
    validation_movies
        Training movies on which the ridge penalty is chosen.
    video_frames
        Frames per predicted video; each is the cut frame nearest in time.
    output
        Videos, laid out like the reconstructed ones (written, safetensors).

    Raises
    ------
    InputError
        If training and test responses are of different vertices, or no training or validation movie is left.
    """
    files = TensorFile(train), TensorFile(test)
    hashes = [file.metadata["vertex_hash"] for file in files]
    if hashes[0] != hashes[1]:
        raise InputError(
            f"{train} and {test} hold responses of different vertices ({hashes[0]}, {hashes[1]}). Rerun preprocess."
        )
    ids, test_ids = (file.clip_ids for file in files)
    embeddings, _ = gather(image_tokens, "image", ids)
    validation = np.array([split_clip_id(identity)[0] in validation_movies for identity in ids])
    if validation.all() or not validation.any():
        raise InputError(
            f"validation movies {validation_movies} leave no clips to validate on, or none to train on, in {train}"
        )
    responses = np.array(files[0]["responses"])
    repeats = [_windows(responses[:, repeat], ids, train) for repeat in range(responses.shape[1])]
    windows = np.stack(repeats, axis=1)
    test_windows = _windows(np.array(files[1]["responses"]), test_ids, test)
    nearest, penalty = retrieve(windows, embeddings.astype(np.float64).mean(1), test_windows, validation)
    logger.info("%s: ridge penalty %g (of %g to %g)", subject, penalty, PENALTIES[0], PENALTIES[-1])
    found = [ids[i] for i in nearest]
    unique = sorted(set(found))
    pixels, _ = gather(train_frames, "frames", unique)
    blurry = pixels[[unique.index(identity) for identity in found]]
    inputs: dict[str, Path | Sequence[Path]] = {
        "train": train,
        "test": test,
        "image_tokens": image_tokens,
        "train_frames": train_frames,
    }
    parameters = {
        "subject": subject,
        "validation_movies": validation_movies,
        "lags": list(LAGS),
        "video_frames": video_frames,
    }
    made_by = provenance("evaluate retrieval", inputs, parameters)
    _write(output, blurry, test_ids, train_frames, video_frames, made_by, nearest=found, penalty=penalty)


def _windows(responses: np.ndarray, ids: Sequence[str], where: Path) -> np.ndarray:
    positions = window_positions(ids, ids, LAGS, str(where))
    return assemble(torch.from_numpy(responses), torch.from_numpy(positions)).numpy().reshape(len(ids), -1)


def _write(
    output: Path,
    blurry: np.ndarray,
    ids: list[str],
    train_frames: list[Path],
    video_frames: int,
    made_by: dict,
    **facts: object,
) -> None:
    first = TensorFile(train_frames[0])
    movie_times = np.asarray(first["time_s"])
    times = times_in_clip(movie_times, first.clip_ids)
    if np.ptp(times, axis=0).max() > SAME_S:
        raise InputError(f"{first.path}: frames are not at the same times in all clips")
    video_times = (np.arange(video_frames) + 0.5) * clip_length(movie_times) / video_frames
    frames = blurry[:, nearest_in_time(times[0], video_times)]
    write_tensors(
        output, {"frames": frames, "blurry": blurry}, made_by, ids, frame_time_s=video_times.tolist(), **facts
    )
