"""Evidence is a difference of log-likelihoods, and its carriers give back what autograd gives at the responses."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli
from torch.nn import functional

from neurons.artifacts import InputError, seed_for
from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.interpret.attribution import (
    Collector,
    Covariances,
    contributions,
    gradients,
    middles,
    path_gradients,
    ridge_weights,
)
from neurons.interpret.evidence import Evidence, Truth, other_clips
from neurons.interpret.permutation import permutation_importance
from neurons.interpret.regions import Regions
from neurons.interpret.tasks import TASKS
from neurons.pretrain.model import BrainModel, BrainSizes
from tests.decouple.conftest import CHANNELS, CONCEPTS, FRAMES, TEXT, TOKENS, WORDS, language_model_config

N, LAGS, VERTICES, HIDDEN = 7, 2, 12, 8
CLIPS = torch.arange(N)


def decoupler_sizes(heads_input: str = "brain") -> DecouplerSizes:
    return DecouplerSizes(
        frames=FRAMES, tokens=TOKENS, channels=CHANNELS, text=TEXT, text_token=12, concepts=CONCEPTS,
        mask_size=(16, 16), latents=(4, 4, 4), decoder_width=16, prior_blocks=1, prefix_tokens=2, whiten_text=True,
        caption_tokens=5, heads_input=heads_input, language_model=language_model_config().to_diff_dict(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    torch.manual_seed(3)
    sizes = BrainSizes(VERTICES, LAGS, HIDDEN, 1, FRAMES, TOKENS, CHANNELS, TEXT, residual_projector=True)
    brain = BrainModel(sizes).eval().requires_grad_(False)
    decoupler = DecouplerModel(decoupler_sizes()).eval().requires_grad_(False)
    texts = ConceptTexts(torch.randn(CONCEPTS, 3, 12), torch.ones(CONCEPTS, 3, dtype=torch.bool))
    masks = (torch.rand(N, FRAMES, 16, 16) > 0.7).to(torch.uint8)
    concepts = (torch.rand(N, CONCEPTS) > 0.8).to(torch.uint8)
    latents = torch.randn(N, FRAMES, 4, 4, 4)
    ids = torch.randint(1, len(WORDS), (N, 4))
    ids[::2, 3] = -100
    means = {"masks": masks.float().mean(0), "concepts": concepts.float().mean(0), "latents": latents.mean(0)}
    others = torch.stack([torch.tensor([j for j in range(N) if j != i]) for i in range(N)])
    return Evidence(brain, decoupler, texts, Truth(masks, concepts, latents, means, ids, others))


@pytest.fixture(scope="module")
def windows() -> torch.Tensor:
    return torch.randn(N, LAGS, VERTICES, generator=torch.Generator().manual_seed(4))


def test_evidence_is_the_own_truth_s_likelihood_minus_that_of_all_clips(evidence, windows):
    hidden = evidence.brain.ridge(windows)
    leading = evidence.leading_concepts(hidden)
    found = evidence.of(hidden, CLIPS, leading)
    heads, truth = evidence.decoupler, evidence.truth
    _, video, text = evidence.brain(windows)
    video, text = heads.embed(evidence.brain.brain_tokens(hidden), video)
    features = heads.decoder.features(video, evidence.texts.tokens[leading], evidence.texts.valid[leading])
    for row, logits, shown in (
        (0, heads.decoder.masks(features), truth.masks),
        (1, heads.concepts(video), truth.concepts),
    ):
        for i in range(N):
            likelihood = Bernoulli(logits=logits[i]).log_prob(shown.float()).flatten(1).mean(1)
            assert found[row, i].item() == pytest.approx(float(likelihood[i] - likelihood.mean()), abs=1e-5)
    latents = heads.decoder.latents(features)
    for i in range(N):
        likelihood = -0.5 * (latents[i] - truth.latents).square().flatten(1).mean(1)
        expected = likelihood[i] - likelihood.mean()
        # The square of the truth itself does not depend on the brain.
        size = -0.5 * truth.latents.square().flatten(1).mean(1)
        expected = expected - (size[i] - size.mean())
        assert found[3, i].item() == pytest.approx(float(expected), abs=1e-5)
    for i in range(N):
        own = [_caption(heads, text[i : i + 1], truth.ids[j]) for j in range(N)]
        others = np.mean([value for j, value in enumerate(own) if j != i])
        assert found[2, i].item() == pytest.approx(own[i] - others, abs=1e-5)


def _caption(heads: DecouplerModel, text: torch.Tensor, ids: torch.Tensor) -> float:
    """Mean log-likelihood of a caption without its padding."""
    kept = ids[ids >= 0]
    return -float(functional.cross_entropy(heads.description(text, kept[None])[0], kept))


def test_evidence_of_unrelated_truth_has_mean_zero_over_pairings(evidence, windows):
    """Whatever a model says, averaged over all pairings of responses and truths it has no evidence."""
    hidden = evidence.brain.ridge(windows)
    leading = evidence.leading_concepts(hidden)
    shifted = torch.stack([evidence.of(hidden, (CLIPS + shift) % N, leading) for shift in range(N)])
    assert torch.allclose(shifted.mean(dim=(0, 2)), torch.zeros(4), atol=1e-5)


def test_contributions_are_response_times_gradient_at_the_response(evidence, windows):
    point = windows.clone().requires_grad_(True)
    hidden = evidence.brain.ridge(point)
    leading = evidence.leading_concepts(hidden)
    values = evidence.of(hidden, CLIPS, leading)
    weights = ridge_weights(evidence.brain.ridge)
    found = contributions(windows, gradients(evidence, hidden, CLIPS, leading), weights)
    for task in range(len(TASKS)):
        (direct,) = torch.autograd.grad(values[task].sum(), point, retain_graph=True)
        assert torch.allclose(found[task], (windows * direct).sum(dim=1), atol=1e-6)


def test_integrated_gradients_add_up_to_the_evidence_over_another_response(evidence, windows):
    start = windows[torch.arange(N).roll(1)]
    first, hidden = evidence.brain.ridge(start), evidence.brain.ridge(windows)
    leading = evidence.leading_concepts(hidden)
    weights = ridge_weights(evidence.brain.ridge)
    places = middles(60)
    steps = [path_gradients(evidence, first, hidden, CLIPS, leading, place) for place in places]
    found = contributions(windows - start, torch.stack(steps).mean(dim=0), weights).sum(dim=2)
    gained = evidence.of(hidden, CLIPS, leading) - evidence.of(first, CLIPS, leading)
    for task in range(len(TASKS)):
        size = float(gained[task].abs().max())
        assert size > 1e-4
        assert torch.allclose(found[task], gained[task], atol=0.01 * size)


def test_others_are_other_clips_without_repetition():
    others = other_clips(9, 5, seed=1)
    assert all(len(set(row)) == 5 and i not in row for i, row in enumerate(others.tolist()))
    with pytest.raises(InputError, match="only 5 are held out"):
        other_clips(5, 5, seed=1)


def test_haufe_carriers_are_covariances_with_a_standardised_readout():
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(500, LAGS, VERTICES)).astype(np.float32)
    weights = rng.normal(size=(LAGS, HIDDEN, VERTICES)).astype(np.float32)
    hidden = np.einsum("blv,lhv->bh", windows, weights)
    covariances = Covariances(LAGS, HIDDEN, VERTICES, torch.device("cpu"))
    for part in range(0, 500, 100):
        covariances.add(
            torch.from_numpy(windows[part : part + 100]), torch.from_numpy(hidden[part : part + 100])
        )
    gradient = rng.normal(size=HIDDEN).astype(np.float32)
    found = covariances.standardise(torch.from_numpy(gradient)) @ covariances.with_response()
    readout = hidden @ gradient
    expected = np.einsum("blv,b->lv", windows, readout) / 500 / np.sqrt((readout**2).mean())
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-4)


def test_shuffling_costs_what_decoding_the_shuffled_responses_costs(evidence, windows):
    """Against responses that are shuffled themselves; an area without weights costs nothing."""
    members = np.zeros((2, VERTICES), bool)
    members[0, :4], members[1, 4:] = True, True
    regions = Regions(["silent", "rest"], ["area", "area"], members)
    before = {name: value.clone() for name, value in evidence.brain.state_dict().items()}
    with torch.no_grad():
        for lag in evidence.brain.ridge.lags:
            lag.weight[:, :4] = 0
    found = permutation_importance(evidence, windows, regions, shuffles=1, seed=0, batch_size=3)
    rng = np.random.default_rng(seed_for(0, "interpret", "area shuffles"))
    rng.permutation(N)
    shuffled = windows.clone()
    shuffled[:, :, 4:] = windows[torch.from_numpy(rng.permutation(N))][:, :, 4:]
    values = []
    for responses in (windows, shuffled):
        hidden = evidence.brain.ridge(responses)
        values.append(evidence.of(hidden, CLIPS, evidence.leading_concepts(hidden)))
    evidence.brain.load_state_dict(before)
    np.testing.assert_allclose(found[:, :, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found[:, :, 1], (values[0] - values[1]).numpy(), atol=1e-5)
    assert np.abs(found[:, :, 1]).max() > 1e-4


def test_collected_sums_do_not_depend_on_batches():
    rng = np.random.default_rng(1)
    values = torch.from_numpy(rng.normal(size=(4, 10, 6)).astype(np.float32))
    blocks = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3, 3])
    regions = Regions(["a", "b"], ["area", "area"], np.array([[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 1]], bool))
    results = []
    for size in (10, 3):
        collector = Collector(blocks, regions)
        for part in np.array_split(np.arange(10), -(-10 // size)):
            collector.add(part, values[:, part])
        results.append(collector.result())
    np.testing.assert_allclose(results[0].mean, values.numpy().mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(results[0].mean, results[1].mean, atol=1e-6)
    np.testing.assert_allclose(results[0].series[:, :, 0], values.numpy()[:, :, :2].mean(axis=2), atol=1e-6)
    sums = np.stack([values.numpy()[:, blocks == block].sum(axis=1) for block in range(4)])
    np.testing.assert_allclose(results[1].t, sums.sum(0) / np.sqrt((sums**2).sum(0)), rtol=1e-4)


def test_heads_that_read_the_prior_are_refused(evidence):
    with pytest.raises(InputError, match=r"prior.*interpret\.variants"):
        Evidence(evidence.brain, DecouplerModel(decoupler_sizes("prior")), evidence.texts, evidence.truth)
