"""Where a mask ends: the probability at which cutting masks of held-out clips agrees best with the truth."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.model import DecouplerModel
from neurons.decouple.validation import mask_dice

CUTS = np.linspace(0.1, 0.7, 13)


def best_cut(probability: NDArray[np.float32], truth: NDArray[np.bool_]) -> float:
    """The one of `CUTS` with the highest mean Dice over clips, (n, F, h, w) each; the first of equals."""
    return float(CUTS[np.argmax([mask_dice(probability >= cut, truth) for cut in CUTS])])


def calibrate_masks(
    model: DecouplerModel,
    brain: Tensor,
    truth: Tensor,
    texts: ConceptTexts,
    seeds: list[int],
    prior_steps: int,
) -> float:
    """Shift a decoupler's mask logits so that its best cut on held-out clips is 0.5.

    Masks from brain data are blurred by uncertainty about place, so that few pixels near a border reach 0.5.

    Parameters
    ----------
    model
        In evaluation mode; its ``mask_shift`` is set.
    brain
        Brain tokens (n, N, C) of held-out clips.
    truth
        Their masks (n, F, h, w).
    texts, seeds, prior_steps
        As `DecouplerModel.run_tasks` wants them.

    Returns
    -------
    float
        The cut that became 0.5.
    """
    model.mask_shift.zero_()
    device = model.mask_shift.device
    tokens, valid = texts.tokens.to(device), texts.valid.to(device)
    with torch.no_grad():
        masks = [
            model.run_tasks(
                part.to(device), tokens, valid, seeds[start : start + len(part)], prior_steps
            ).mask
            for start, part in zip(range(0, len(brain), 32), brain.split(32), strict=True)
        ]
    cut = best_cut(torch.cat(masks).cpu().numpy(), truth.numpy().astype(bool))
    model.mask_shift.fill_(float(np.log((1 - cut) / cut)))
    return cut
