"""Each term of the decoupler's objective, as the training loop meets it, against its definition in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from neurons.artifacts import TensorFile
from neurons.decouple.data import BrainTokens, read_columns
from neurons.decouple.decoding import read_concept_texts
from neurons.decouple.fit import Decoupling
from neurons.decouple.losses import SOFT_TEMPERATURES, soft_contrastive
from neurons.decouple.model import DecouplerModel
from neurons.decouple.prior import NOISE_LEVELS
from neurons.decouple.settings import Decouple, TaskWeights
from neurons.pretrain.losses import contrastive
from neurons.training import Progress

from .conftest import CHANNELS, TOKENS, Study

CLIPS = np.array([3, 11, 40, 41, 77])
WEIGHTS = TaskWeights(
    segmentation=2.0, concepts=3.0, description=0.5, blurry_video=1.5, prior=30.0, text=0.25, image=0.7
)


@pytest.fixture(scope="module")
def objective(study: Study, model: DecouplerModel) -> Decoupling:
    names = TensorFile(study.folder / "train.safetensors").clip_ids
    files = {
        "masks": (study.of("labels.safetensors"), "key_mask"),
        "concepts": (study.of("labels.safetensors"), "concepts"),
        "key_concept": (study.of("labels.safetensors"), "key_concept"),
        "ids": (study.of("caption_ids.safetensors"), "ids"),
        "latents": (study.of("latents.safetensors"), "latents"),
        "tokens": (study.of("image_tokens.safetensors"), "tokens"),
        "caption": (study.of("text.safetensors"), "caption"),
    }
    single = torch.randn(len(names), 2, TOKENS, CHANNELS, generator=torch.Generator().manual_seed(8)).half()
    settings = Decouple(weights=WEIGHTS, dice_weight=0.5, caption_reading=0.0, repeat_mixing=False)
    return Decoupling(
        model, BrainTokens(single, single[60:].float().mean(dim=1)), read_columns(names, files),  # type: ignore[arg-type]
        read_concept_texts(study.folder / "concepts.safetensors"), np.arange(60), np.arange(60, 80), names, settings,
        lambda tokens: tokens,
    )  # fmt: skip


@pytest.fixture(scope="module")
def batch(objective: Decoupling) -> dict[str, Tensor]:
    return {"brain": objective.brain.single[CLIPS, 0].float(), **objective._truth(CLIPS)}


@pytest.fixture(scope="module")
def terms(objective: Decoupling, batch: dict[str, Tensor]) -> dict[str, float]:
    torch.manual_seed(4)
    with torch.no_grad():
        return {name: float(value) for name, value in objective.terms(batch, 0.25).items()}


@pytest.fixture(scope="module")
def outputs(objective: Decoupling, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What the heads say, clip by clip."""
    model, found = objective.model, []
    with torch.no_grad():
        for clip in range(len(CLIPS)):
            video, text = model.embed(batch["brain"][clip : clip + 1], batch["brain"][clip : clip + 1])
            concept = batch["key_concept"][clip : clip + 1]
            features = model.decoder.features(
                video, objective.text_tokens[concept], objective.text_valid[concept]
            )
            found.append(
                {
                    "masks": model.decoder.masks(features), "latents": model.decoder.latents(features),
                    "concepts": model.concepts(video), "video": video, "text": text,
                    "words": model.description(text, batch["ids"][clip : clip + 1]),
                }
            )  # fmt: skip
    return {name: torch.cat([part[name] for part in found]) for name in found[0]}


def entropy(logits: Tensor, truth: Tensor) -> float:
    """Mean over all entries of -log of the probability that the logit gives to the truth."""
    values = [
        math.log1p(math.exp(-logit if yes else logit))
        for logit, yes in zip(logits.flatten().tolist(), truth.flatten().tolist(), strict=True)
    ]
    return sum(values) / len(values)


def unit(rows: Tensor) -> list[list[float]]:
    return [(row / row.norm()).tolist() for row in rows.flatten(1).double()]


def similarities(first: Tensor, second: Tensor) -> list[list[float]]:
    return [[sum(a * b for a, b in zip(x, y, strict=True)) for y in unit(second)] for x in unit(first)]


def log_share(values: list[float], index: int) -> float:
    largest = max(values)
    return values[index] - largest - math.log(sum(math.exp(value - largest) for value in values))


def transposed(table: list[list[float]]) -> list[list[float]]:
    return [list(column) for column in zip(*table, strict=True)]


def test_segmentation_is_cross_entropy_of_pixels_and_dice_of_clips(
    terms: dict[str, float], outputs: dict[str, Tensor], batch: dict[str, Tensor]
) -> None:
    logits, truth = outputs["masks"], batch["masks"]
    dice = 0.0
    for clip in range(len(CLIPS)):
        probability, mask = torch.sigmoid(logits[clip]).double(), truth[clip].double()
        dice += 1 - (2 * float((probability * mask).sum()) + 1) / (float(probability.sum() + mask.sum()) + 1)
    expected = entropy(logits, truth) + 0.5 * dice / len(CLIPS)
    assert terms["segmentation"] == pytest.approx(expected, rel=1e-5)


def test_concepts_are_independent_yes_and_no_answers(
    terms: dict[str, float], outputs: dict[str, Tensor], batch: dict[str, Tensor]
) -> None:
    assert terms["concepts"] == pytest.approx(entropy(outputs["concepts"], batch["concepts"]), rel=1e-5)


def test_description_is_the_mean_surprise_of_the_words_there_are(
    terms: dict[str, float], outputs: dict[str, Tensor], batch: dict[str, Tensor]
) -> None:
    surprises = [
        -log_share(outputs["words"][clip, place].tolist(), int(word))
        for clip in range(len(CLIPS))
        for place, word in enumerate(batch["ids"][clip].tolist())
        if word >= 0
    ]
    assert terms["description"] == pytest.approx(sum(surprises) / len(surprises), rel=1e-5)


def test_blurry_video_is_the_mean_absolute_difference_of_latents(
    terms: dict[str, float], outputs: dict[str, Tensor], batch: dict[str, Tensor]
) -> None:
    pairs = zip(outputs["latents"].flatten().tolist(), batch["latents"].flatten().tolist(), strict=True)
    differences = [abs(one - other) for one, other in pairs]
    assert terms["blurry_video"] == pytest.approx(sum(differences) / len(differences), rel=1e-5)


def test_text_is_infonce_in_both_directions(
    terms: dict[str, float], outputs: dict[str, Tensor], batch: dict[str, Tensor]
) -> None:
    table = [[value / 0.1 for value in row] for row in similarities(outputs["text"], batch["caption"])]
    each = [-log_share(one[i], i) for one in (table, transposed(table)) for i in range(len(CLIPS))]
    assert terms["text"] == pytest.approx(sum(each) / len(each), rel=1e-4)


def test_image_is_softclip_at_the_temperature_of_the_hour(
    terms: dict[str, float], outputs: dict[str, Tensor], batch: dict[str, Tensor]
) -> None:
    """A quarter of training done: the cosine from .004 to .0075 has come a seventh of its way."""
    temperature = 0.0075 + (0.004 - 0.0075) * (1 + math.cos(math.pi / 4)) / 2
    video, truth = outputs["video"], batch["tokens"].float()
    table = [[value / temperature for value in row] for row in similarities(video, truth)]
    teacher = [[value / temperature for value in row] for row in similarities(truth, truth)]
    total = 0.0
    for logits in (table, transposed(table)):
        for i in range(len(CLIPS)):
            for j in range(len(CLIPS)):
                total -= math.exp(log_share(teacher[i], j)) * log_share(logits[i], j)
    assert terms["image"] == pytest.approx(total / (2 * len(CLIPS)), rel=1e-4)


def test_prior_is_the_squared_error_of_clean_tokens_from_noised_ones(
    objective: Decoupling, terms: dict[str, float], batch: dict[str, Tensor]
) -> None:
    """The squared cosine schedule, from the same random numbers: first the noise, then the levels."""
    prior = objective.model.prior
    clean = (batch["tokens"][:, 1] - prior.mean) / prior.deviation
    torch.manual_seed(4)
    noise, levels = torch.randn(clean.shape), torch.randint(NOISE_LEVELS, (len(CLIPS),))

    def squared(time: int) -> float:
        return math.cos((time / NOISE_LEVELS + 0.008) / 1.008 * math.pi / 2) ** 2

    total = 0.0
    for clip, level in enumerate(levels.tolist()):
        signal = 1.0
        for time in range(level + 1):
            signal *= 1 - min(1 - squared(time + 1) / squared(time), 0.999)
        noisy = math.sqrt(signal) * clean[clip] + math.sqrt(1 - signal) * noise[clip]
        with torch.no_grad():
            predicted = prior(noisy[None], torch.tensor([level]), batch["brain"][clip : clip + 1])[0]
        total += float((predicted - clean[clip]).double().square().sum())
    assert terms["prior"] == pytest.approx(total / clean.numel(), rel=1e-4)


def test_the_loss_is_the_sum_of_terms_by_their_weights_and_the_hour(
    objective: Decoupling, terms: dict[str, float], batch: dict[str, Tensor]
) -> None:
    """Epoch 2 of 10, batch 3 of 6 (a quarter done): segmentation and concepts are in their periods, the others at 1."""
    torch.manual_seed(4)
    with torch.no_grad():
        losses = objective.loss(batch, Progress(epoch=2, batch=3, epochs=10, batches=6))
    hour = {
        "segmentation": 1 + 9 * math.sin(math.pi * 2.5 / 4),
        "concepts": 1 + 9 * math.sin(math.pi * 0.5 / 4),
    }
    factors = WEIGHTS.model_dump()
    expected = sum(factors[name] * hour.get(name, 1.0) * value for name, value in terms.items())
    assert float(losses["loss"]) == pytest.approx(expected, rel=1e-5)


def test_softclip_of_orthogonal_targets_is_infonce() -> None:
    """Its limit: targets that resemble nothing but themselves."""
    predicted = torch.randn(6, 8, generator=torch.Generator().manual_seed(1))
    for progress, temperature in zip((0.0, 1.0), SOFT_TEMPERATURES, strict=True):
        torch.testing.assert_close(
            soft_contrastive(predicted, torch.eye(6, 8), progress),
            contrastive(predicted, torch.eye(6, 8), temperature),
        )
