"""The published functions against a plain restatement, on the same weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from neurons.pretrain.model import BrainModel
from neurons.published.convert import convert
from neurons.published.decoupler import CLIP_END, PublishedDecoupler
from neurons.published.prior import MindEye2Prior, PriorSizes, distance_buckets

from . import restated
from .conftest import CHANNELS, FRAMES, HEAD, LEVELS, TEXT, TOKENS, VOXELS

CLIPS = 3


SAMPLED = 1e-3
"""Tolerance of samples: each of eight passes through a random network multiplies what rounding the one before left."""


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-4) -> None:
    """Within a share of the largest value, in float32."""
    assert found.shape == expected.shape
    difference = float((found - expected).abs().max() / expected.abs().max())
    assert difference < tolerance, difference


@pytest.fixture(scope="module")
def brain(neurons_state: dict[str, Tensor]) -> BrainModel:
    converted = convert(neurons_state, 32, 8)
    assert converted.brain is not None
    model = BrainModel(converted.brain)
    constant = {name: model.state_dict()[name] for name in ("token_mean", "token_scale")}
    model.load_state_dict({**converted.translation.brain, **constant})
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def decoupler(neurons_state: dict[str, Tensor]) -> PublishedDecoupler:
    converted = convert(neurons_state, 32, 8)
    assert converted.decoupler is not None
    model = PublishedDecoupler(converted.decoupler)
    model.load_state_dict(converted.translation.decoupler)
    return model.eval().requires_grad_(False)


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_backbone_is_the_whole_mixers_function(neurons_state: dict[str, Tensor], brain: BrainModel) -> None:
    voxels = drawn(CLIPS, VOXELS)
    tokens, video, text = brain(voxels[:, None])
    expected = restated.backbone(neurons_state, voxels, blocks=4)
    close(tokens, expected)
    close(video, restated.motion(neurons_state, expected))
    close(text, restated.text(neurons_state, restated.motion(neurons_state, expected)))


def test_the_mixers_other_half_never_reaches_the_output(neurons_state: dict[str, Tensor]) -> None:
    """Why 134 M parameters are left out: other values of them give the same tokens."""
    voxels = drawn(CLIPS, VOXELS)
    changed = {
        key: 3 * value + 1 if "mixer_blocks1" in key else value for key, value in neurons_state.items()
    }
    for block in range(4):
        changed[f"backbone.mixer_blocks2.{block}.0.weight"] = torch.tensor([7.0])
    torch.testing.assert_close(
        restated.backbone(changed, voxels, 4),
        restated.backbone(neurons_state, voxels, 4),
        atol=1e-5,
        rtol=1e-4,
    )


def test_prior_is_the_published_transformer(
    neurons_state: dict[str, Tensor], decoupler: PublishedDecoupler
) -> None:
    noisy, tokens, levels = drawn(CLIPS, TOKENS, CHANNELS), drawn(CLIPS, TOKENS, CHANNELS), [0, 3, LEVELS - 1]
    found = decoupler.prior(noisy, torch.tensor(levels), tokens)
    for clip, level in enumerate(levels):
        close(found[clip], restated.prior(neurons_state, noisy[clip], level, tokens[clip]))


def test_buckets_of_distance_reach_the_last_one_in_the_published_sequence() -> None:
    found = distance_buckets(513, 32)
    assert found.shape == (513, 514)
    assert int(found.max()) == 31 and int(found[0, 1]) == 0
    for query in (0, 5, 17, 40, 129, 400, 512):
        expected = [restated.bucket(query, key, 32) for key in range(514)]
        assert found[query].tolist() == expected


def test_sampling_through_all_levels_is_ancestral(
    neurons_state: dict[str, Tensor], decoupler: PublishedDecoupler
) -> None:
    tokens, seeds = drawn(2, TOKENS, CHANNELS), [5, 77]
    found = decoupler.prior.sample(tokens, seeds, LEVELS)
    for clip, seed in enumerate(seeds):
        close(found[clip], restated.ancestral(neurons_state, tokens[clip], seed, LEVELS), SAMPLED)


@pytest.mark.parametrize("steps", [3, 5])
def test_sampling_in_fewer_steps_jumps_as_released(
    neurons_state: dict[str, Tensor], decoupler: PublishedDecoupler, steps: int
) -> None:
    tokens = drawn(1, TOKENS, CHANNELS)
    found = decoupler.prior.sample(tokens, [5], steps)
    close(found[0], restated.jumping(neurons_state, tokens[0], 5, LEVELS, steps), SAMPLED)


@pytest.mark.parametrize("steps", [LEVELS, 4])
def test_a_sampler_whose_network_knows_the_truth_returns_it(
    decoupler: PublishedDecoupler, steps: int
) -> None:
    truth = drawn(2, TOKENS, CHANNELS)
    sample = decoupler.prior.schedule.sample(
        lambda noisy, level: truth, (TOKENS, CHANNELS), [1, 2], steps, torch.device("cpu")
    )
    torch.testing.assert_close(sample, truth)


def test_training_forgets_a_fifth_of_each_condition() -> None:
    torch.manual_seed(0)
    prior = MindEye2Prior(PriorSizes(tokens=1, channels=HEAD, layers=1, head_channels=HEAD, levels=LEVELS))
    seen: list[tuple[Tensor, Tensor]] = []
    prior.forward = lambda noisy, level, brain: seen.append((noisy, brain)) or noisy  # type: ignore[method-assign, func-returns-value]
    prior.denoise(drawn(4000, 1, HEAD), drawn(4000, 1, HEAD) + 100)
    noisy, tokens = seen[0]
    image, brain_tokens = (
        (noisy == prior.no_image).all(dim=(1, 2)),
        (tokens == prior.no_brain).all(dim=(1, 2)),
    )
    for forgotten in (image, brain_tokens):
        assert float(forgotten.float().mean()) == pytest.approx(0.2, abs=0.02)
    assert float((image & brain_tokens).float().mean()) == pytest.approx(0.04, abs=0.01)


def test_denoising_error_is_the_mean_square_to_the_noised_truth(decoupler: PublishedDecoupler) -> None:
    """Noised by the schedule: a network that returns its input errs by what the schedule says."""
    prior = decoupler.prior
    clean, noise = drawn(1, TOKENS, CHANNELS), drawn(1, TOKENS, CHANNELS).flip(1)
    signal = restated.cosine(LEVELS)
    for level in (0, 4, LEVELS - 1):
        expected = math.sqrt(signal[level]) * clean + math.sqrt(1 - signal[level]) * noise
        close(prior.schedule.add_noise(clean, noise, torch.tensor([level])), expected)


def test_decoder_is_the_published_one(
    neurons_state: dict[str, Tensor], decoupler: PublishedDecoupler
) -> None:
    video, texts = drawn(CLIPS, FRAMES, TOKENS, CHANNELS), drawn(4, TEXT)
    found = decoupler.decoder.features(video, texts)
    expected = restated.decoder(neurons_state, video, texts)
    close(found, expected)
    close(
        decoupler.decoder.masks(found), restated.convolution(neurons_state, "text_seg_dec.seg_head", expected)
    )
    close(
        decoupler.decoder.latents(found),
        restated.convolution(neurons_state, "text_seg_dec.recon_head", expected),
    )


def gpt2(state: dict[str, Tensor]) -> GPT2LMHeadModel:
    model = GPT2LMHeadModel(GPT2Config(n_embd=64, n_head=1, n_positions=40))
    prefix = "text_dec.decoder."
    model.load_state_dict(
        {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    )
    return model.eval()


def described(state: dict[str, Tensor], text: Tensor) -> list[int]:
    """Greedy words in CLIP's vocabulary after one prefix token, everything computed anew for each word."""
    model = gpt2(state)
    unit = text / text.norm()
    known = restated.linear(state, "text_dec.clip_project.model.0", unit)[None]
    words: list[int] = []
    while len(words) < 30:
        with torch.no_grad():
            word = int(model(inputs_embeds=known[None]).logits[0, -1].argmax())
        if word == CLIP_END:
            break
        words.append(word)
        known = torch.cat([known, state["text_dec.decoder.transformer.wte.weight"][word][None]])
    return words


def test_all_tasks_are_the_published_ones(
    neurons_state: dict[str, Tensor], decoupler: PublishedDecoupler
) -> None:
    tokens, concept_texts, seeds = drawn(CLIPS, TOKENS, CHANNELS), drawn(51, TEXT), [1, 2, 3]
    found = decoupler.run_tasks(tokens, concept_texts, seeds, LEVELS)
    image = torch.stack(
        [restated.ancestral(neurons_state, tokens[i], seeds[i], LEVELS) for i in range(CLIPS)]
    )
    close(found.image_tokens, image, SAMPLED)
    video = restated.motion(neurons_state, found.image_tokens)
    text = restated.text(neurons_state, video)
    close(found.text, text)
    pooled = restated.linear(neurons_state, "classifier.vision_proj_channel", video.mean(dim=1).mean(dim=1))
    concepts = torch.sigmoid(restated.linear(neurons_state, "classifier.classifier", pooled))
    close(found.concepts, concepts)
    driven = restated.decoder(neurons_state, video, concept_texts[concepts.argmax(dim=1)])
    masks = torch.sigmoid(restated.convolution(neurons_state, "text_seg_dec.seg_head", driven))
    close(found.mask, restated.nearest(masks, 32)[:, 0].unflatten(0, (CLIPS, FRAMES)))
    features = restated.decoder(neurons_state, video, text)
    latents = restated.convolution(neurons_state, "text_seg_dec.recon_head", features)
    close(found.latents, restated.nearest(latents, 8).unflatten(0, (CLIPS, FRAMES)))
    for clip in range(CLIPS):
        words = [word for word in found.ids[clip].tolist() if word != -100]
        assert words == described(neurons_state, text[clip])
