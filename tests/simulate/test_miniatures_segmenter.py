"""The miniature SAM: its material, and that training makes it better."""

from functools import partial

import numpy as np
import pytest
import torch

from neurons.simulate.miniatures import segmenter
from neurons.simulate.miniatures.fit import fit
from neurons.simulate.miniatures.segmenter import (
    corners,
    new_segmenter,
    render_frames,
    train_segmenter,
)
from neurons.simulate.vocabulary import OBJECTS


def test_frames_have_a_mask_for_each_kind() -> None:
    pool = render_frames("train", 12, seed=3)
    assert pool.frames.shape == (12, 64, 64, 3)
    for kinds, masks in zip(pool.kinds, pool.masks, strict=True):
        assert len(kinds) == len(masks)
        assert all(0 <= kind < len(OBJECTS) for kind in kinds)
        assert (masks.sum(axis=(1, 2)) >= 12).all()
    again = render_frames("train", 12, seed=3)
    assert (again.frames == pool.frames).all() and again.kinds == pool.kinds


def test_boxes_hold_their_masks_tightly() -> None:
    masks = np.zeros((2, 64, 64), bool)
    masks[0, 3:5, 10:20] = masks[1, 63, 0] = True
    assert corners(masks).tolist() == [[10, 3, 20, 5], [0, 63, 1, 64]]
    assert corners(masks[:0]).shape == (0, 4)


def test_training_a_segmenter_lowers_its_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segmenter, "fit", partial(fit, log_every=10))
    torch.manual_seed(0)
    log = train_segmenter(new_segmenter(), render_frames("train", 4, seed=5), 30, 3, 2e-3, seed=0)
    assert log[-1]["bce"] + log[-1]["dice"] < 0.9 * (log[0]["bce"] + log[0]["dice"])
