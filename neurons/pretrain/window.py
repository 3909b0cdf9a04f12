"""The temporal window: responses of the volumes around a clip's lagged one.

One volume per clip (the repetition time is the clip's length), so lag k of clip ``movie:j`` is the response that is
paired with ``movie:j+k`` in the same run. Windows never leave the run: beyond its ends a lag is zero, which is the
run's mean, for responses are z-scored within runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import clip_id, locate, split_clip_id

ABSENT = -1


def window_positions(
    clip_ids: Sequence[str], available: Sequence[str], lags: Sequence[int], where: str
) -> np.ndarray:
    """Row of each lag's response of each clip.

    Parameters
    ----------
    clip_ids
        Clips whose windows are wanted; each must be in `available`.
    available
        Clip ids of the rows of the responses.
    lags
        Volumes relative to the clip's own, such as ``[-1, 0, 1]``.
    where
        File of the responses, for messages.

    Returns
    -------
    numpy.ndarray
        int64 (clips, lags); -1 where the run has no such volume.

    Raises
    ------
    InputError
        If a clip is not available.
    """
    locate(clip_ids, available, where)
    row = {identity: index for index, identity in enumerate(available)}

    def neighbour(identity: str, lag: int) -> int:
        movie, index = split_clip_id(identity)
        return row.get(clip_id(movie, index + lag), ABSENT) if index + lag >= 0 else ABSENT

    return np.array([[neighbour(identity, lag) for lag in lags] for identity in clip_ids], dtype=np.int64)


def assemble(responses: Tensor, positions: Tensor) -> Tensor:
    """Windows from rows.

    Parameters
    ----------
    responses
        (rows, V).
    positions
        int64 (clips, lags) from `window_positions`.

    Returns
    -------
    Tensor
        (clips, lags, V), zero where the position is -1.
    """
    absent = (positions == ABSENT).unsqueeze(-1)
    return responses[positions.clamp(min=0)].masked_fill_(absent, 0)


def repeat_windows(responses: Tensor, repeats: Tensor, positions: Tensor) -> Tensor:
    """Windows of given repeats.

    Parameters
    ----------
    responses
        (rows, repeats, V).
    repeats
        int64 (clips,): the repeat that each clip's window is taken from; all its lags are of that run.

    Returns
    -------
    Tensor
        (clips, lags, V).
    """
    rows, count, vertices = responses.shape
    flat = responses.reshape(rows * count, vertices)
    within_run = torch.where(positions == ABSENT, ABSENT, positions * count + repeats.unsqueeze(1))
    return assemble(flat, within_run)
