"""Masks are cut where held-out clips say."""

import numpy as np
import torch

from neurons.decouple.calibration import CUTS, best_cut, calibrate_masks
from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.model import DecouplerModel, DecouplerSizes


def test_the_best_cut_recovers_masks_from_timid_probabilities() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((5, 2, 8, 8)) < 0.2
    probability = np.where(truth, 0.28, 0.12).astype(np.float32)
    assert 0.12 < best_cut(probability, truth) <= 0.28


def test_after_calibration_the_best_cut_is_a_half(sizes: DecouplerSizes) -> None:
    torch.manual_seed(0)
    model = DecouplerModel(sizes).eval()
    brain = torch.randn(40, sizes.tokens, sizes.channels)
    texts = ConceptTexts(
        torch.randn(sizes.concepts, 3, sizes.text_token), torch.ones(sizes.concepts, 3, dtype=torch.bool)
    )
    seeds = list(range(40))
    with torch.no_grad():
        before = model.run_tasks(brain, texts.tokens, texts.valid, seeds, 2).mask
    truth = before >= before.flatten()[::7].quantile(0.8)
    cut = calibrate_masks(model, brain, truth, texts, seeds, 2)
    assert cut in CUTS
    with torch.no_grad():
        after = model.run_tasks(brain, texts.tokens, texts.valid, seeds, 2).mask
    assert torch.allclose(torch.logit(after), torch.logit(before) - np.log(cut / (1 - cut)), atol=1e-3)
    assert ((after >= 0.5) != (before >= cut)).float().mean() < 1e-3
