"""Decoding: independent of batches, driven by the clip's own top concept, and equal after a trip to disk."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurons.artifacts import provenance
from neurons.decouple.decoding import ConceptTexts, DecodedTasks, Decoupler, load_decoupler, save_decoupler
from neurons.decouple.heads import SMALL_VARIANCE, DescriptionHead, Whitening
from neurons.decouple.model import DecouplerModel

from .conftest import WORDS, language_model_config, tokenizer

IDS = [f"test1:{i}" for i in range(7)]
NAMES = ("mask", "concepts", "latents", "image_tokens", "text")


@pytest.fixture(scope="module")
def decoupler(model: DecouplerModel, tmp_path_factory: pytest.TempPathFactory) -> Decoupler:
    path = tmp_path_factory.mktemp("decoupler") / "model.safetensors"
    save_decoupler(path, model, tokenizer().backend_tokenizer, provenance("test", {}), prior_steps=3)
    return load_decoupler(path)


@pytest.fixture(scope="module")
def brain() -> torch.Tensor:
    return torch.randn(7, 16, 16, generator=torch.Generator().manual_seed(4))


@pytest.fixture(scope="module")
def texts() -> ConceptTexts:
    generator = torch.Generator().manual_seed(5)
    return ConceptTexts(torch.randn(51, 3, 12, generator=generator), torch.ones(51, 3, dtype=torch.bool))


def assert_same(one: DecodedTasks, other: DecodedTasks) -> None:
    for name in NAMES:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=2e-5, rtol=1e-4)
    assert one.captions == other.captions


def test_a_stored_model_is_the_same_model(model: DecouplerModel, decoupler: Decoupler) -> None:
    for (name, one), other in zip(
        model.state_dict().items(), decoupler.model.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name


def test_results_do_not_depend_on_batches_or_order(
    decoupler: Decoupler, brain: torch.Tensor, texts: ConceptTexts
) -> None:
    whole = decoupler.decode(brain, IDS, texts, seed=0, batch_size=7)
    assert_same(decoupler.decode(brain, IDS, texts, seed=0, batch_size=2), whole)
    backwards = decoupler.decode(brain.flip(0), IDS[::-1], texts, seed=0, batch_size=3)
    turned = [np.ascontiguousarray(getattr(backwards, name)[::-1]) for name in NAMES]
    assert_same(DecodedTasks(turned[0], turned[1], backwards.captions[::-1], *turned[2:]), whole)


def test_shapes_and_ranges(decoupler: Decoupler, brain: torch.Tensor, texts: ConceptTexts) -> None:
    decoded = decoupler.decode(brain, IDS, texts, seed=0)
    shapes = [(7, 2, 16, 16), (7, 51), (7, 2, 4, 4, 4), (7, 16, 16), (7, 16)]
    assert [getattr(decoded, name).shape for name in NAMES] == shapes
    assert decoded.mask.min() >= 0 and decoded.mask.max() <= 1
    assert len(decoded.captions) == 7 and all(
        set(text.split()) <= set(WORDS[1:]) for text in decoded.captions
    )


def test_the_seed_changes_what_the_prior_draws_and_nothing_else(
    decoupler: Decoupler, brain: torch.Tensor, texts: ConceptTexts
) -> None:
    one, other = (decoupler.decode(brain, IDS, texts, seed=seed) for seed in (0, 1))
    assert not np.allclose(one.image_tokens, other.image_tokens)
    for name in ("mask", "concepts", "latents", "text"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_masks_follow_the_text_of_the_most_probable_concept(
    decoupler: Decoupler, brain: torch.Tensor, texts: ConceptTexts
) -> None:
    before = decoupler.decode(brain, IDS, texts, seed=0)
    top = before.concepts.argmax(axis=1)
    used = ConceptTexts(texts.tokens.clone(), texts.valid)
    used.tokens[int(top[0])] += 1.0
    after = decoupler.decode(brain, IDS, used, seed=0)
    changed = np.abs(after.mask - before.mask).max(axis=(1, 2, 3)) > 0
    assert np.array_equal(changed, top == top[0])


def test_whitened_features_are_uncorrelated_and_small_differences_count() -> None:
    torch.manual_seed(3)
    spread = torch.tensor([3.0, 1.0, 0.5])
    examples = torch.randn(4000, 3) * spread + 5.0
    whitening = Whitening(3)
    whitening.fit(examples)
    covariance = torch.cov(whitening(examples).T)
    expected = spread**2 / (spread**2 + SMALL_VARIANCE * 9.0)
    assert torch.allclose(covariance, torch.diag(expected), atol=0.02)
    assert whitening(examples).mean(dim=0).abs().max() < 1e-4


def test_whitening_does_not_blow_up_a_constant_feature() -> None:
    examples = torch.stack([torch.linspace(-1, 1, 50), torch.full((50,), 2.0)], dim=1)
    whitening = Whitening(2)
    whitening.fit(examples)
    assert whitening(examples)[:, 1].abs().max() < 1e-5


def test_greedy_generation_with_a_cache_equals_one_full_pass_per_token() -> None:
    torch.manual_seed(2)
    head = DescriptionHead(16, language_model_config(), prefix_tokens=2, whiten=False).eval()
    text = torch.randn(6, 16)
    with torch.no_grad():
        fast = head.generate(text, 5)
        for row in range(6):
            ids: list[int] = []
            for _ in range(5):
                so_far = torch.tensor([[*ids, 0]])
                token = int(head(text[row : row + 1], so_far)[0, -1].argmax())
                if token == 0:
                    break
                ids.append(token)
            assert [token for token in fast[row].tolist() if token >= 0] == ids
