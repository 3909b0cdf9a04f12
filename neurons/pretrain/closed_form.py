"""The brain model's ridge in closed form: which samples, which targets, and where the weights go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from neurons.artifacts import locate, split_clip_id
from neurons.console import logger
from neurons.pretrain.data import Responses, Targets
from neurons.pretrain.kernel import better_of, fit_with_kernel, learn_kernel
from neurons.pretrain.linear_start import start_linear
from neurons.pretrain.model import BrainModel, RidgePerLag
from neurons.pretrain.ridge import fit_ridge, principal_scores
from neurons.pretrain.settings import Pretrain


def solve_ridge(
    model: BrainModel,
    responses: Responses,
    targets: Targets,
    train_clips: Sequence[str],
    settings: Pretrain,
) -> Tensor:
    """Give the model a frozen ridge that predicts principal components of the clips' features, and a linear start.

    Parameters
    ----------
    model
        Its ridge is overwritten and no longer trained.
    train_clips
        Clips to learn from; each movie's runs are left out together to choose the penalties.
    settings
        Uses ``target`` (what the embedding is aligned with, see `start_linear`), ``window_tr`` and ``window_weights``.

    Returns
    -------
    Tensor
        float32 (train clips, repeats, hidden), on the model's device: the hidden features of each training run as
        predicted from the other movies.
    """
    scores = start_from_features(model, targets, train_clips, responses.clip_ids, settings.target)
    return fit_to_scores(model.ridge, scores, responses, train_clips, settings)


def start_from_features(
    model: BrainModel, targets: Targets, train_clips: Sequence[str], clip_ids: Sequence[str], target: str
) -> Tensor:
    """Principal components of the clips' features, and the layers after the ridge decoding them linearly.

    No response has a part in this, so that the components are the same for all who saw the clips.

    Parameters
    ----------
    clip_ids
        Clips of the rows of `targets`.

    Returns
    -------
    Tensor
        float32 (train clips, hidden), on the model's device: what ridges are to predict.
    """
    device = next(model.parameters()).device
    rows = locate(train_clips, clip_ids, "the training responses")
    captions = targets.captions(rows).to(device)

    def blocks() -> Iterator[tuple[slice, Tensor]]:
        for places, tokens in targets.token_blocks(rows):
            tokens = (tokens.to(device) - model.token_mean[:, places]) / model.token_scale
            yield places, tokens

    scores = principal_scores([(tokens for _, tokens in blocks()), [captions]], model.sizes.hidden)
    start_linear(model, scores, blocks, captions, target)
    return scores


def fit_to_scores(
    ridge: RidgePerLag,
    scores: Tensor,
    responses: Responses,
    train_clips: Sequence[str],
    settings: Pretrain,
) -> Tensor:
    """Fit a ridge to given components, which it predicts as deviations from their mean over the clips.

    Responses are z-scored within runs, so that they know nothing of what the clips of a run have in common.

    Parameters
    ----------
    ridge
        Overwritten and no longer trained.
    scores
        float32 (train clips, hidden).
    settings
        Uses ``window_tr`` and ``window_weights``.

    Returns
    -------
    Tensor
        float32 (train clips, repeats, hidden): held-out predictions, as in `solve_ridge`.
    """
    rows = locate(train_clips, responses.clip_ids, "the training responses")
    clips = torch.from_numpy(rows)
    windows = torch.stack(
        [responses.windows(clips, torch.full_like(clips, repeat)) for repeat in range(responses.repeats)],
        dim=1,
    )
    movie = np.unique([split_clip_id(identity)[0] for identity in train_clips], return_inverse=True)[1]
    groups = np.repeat(movie, responses.repeats)
    scores = scores - scores.mean(dim=0)
    samples = windows.flatten(0, 1).to(scores.device)
    wanted = scores.repeat_interleave(responses.repeats, dim=0)
    # Of a single volume there is nothing to weigh: both ways are the same map.
    way = settings.window_weights if len(settings.window_tr) > 1 else "free"
    fits = []
    if way != "kernel":
        fits.append(fit_ridge(samples.flatten(1), wanted, groups))
    if way != "free":
        kernel = learn_kernel(windows.mean(dim=1).to(scores.device), scores, movie, settings.window_tr)
        said = zip(settings.window_tr, kernel.tolist(), strict=True)
        logger.info("weights of the volumes: %s", ", ".join(f"{lag:+d}: {weight:g}" for lag, weight in said))
        fits.append(fit_with_kernel(samples, wanted, groups, kernel))
    fit = reduce(better_of, fits)
    ridge.set_weights(fit.weights)
    ridge.requires_grad_(False)
    share = float((fit.scores * scores.square().sum(dim=0)).sum() / scores.square().sum())
    logger.info("ridge: held-out predictions explain %.1f %% of the features' variance", 100 * share)
    return fit.held_out.unflatten(0, (len(rows), responses.repeats))
