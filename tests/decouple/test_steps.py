"""The step: a linear study is decoded, variants run, and wrong inputs are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neurons.artifacts import (
    InputError,
    TensorFile,
    hash_vertices,
    provenance,
    read_json,
    read_table,
    write_tensors,
)
from neurons.decouple.decoding import load_decoupler
from neurons.decouple.settings import Decouple, TaskWeights
from neurons.decouple.steps import fit
from neurons.pretrain.store import load_brain_model
from neurons.published.prior import MindEye2Prior, PriorSizes
from neurons.sections import Model, Optimiser

from .conftest import CHANNELS, TOKENS, Study


def settings_for(study: Study, **changes: object) -> Decouple:
    """Settings for the study, whose brain model is untrained: its motion projection has to learn too."""
    values = {
        "train_motion": True,
        "decoder_width": 16,
        "prior_blocks": 1,
        "dropout": 0.0,
        "language_model": Model(path=str(study.folder / "gpt2")),
        "optimiser": Optimiser(epochs=30, batch_size=20, learning_rate=1e-2),
    }
    return Decouple(**{**values, **changes})  # type: ignore[arg-type]


def run(study: Study, folder: Path, vae: Model, settings: Decouple, **changes: object) -> dict:
    arguments = {
        "subject": "subject1",
        "variant": "ours",
        "responses": study.folder / "train.safetensors",
        "brain_model": study.folder / "brain.safetensors",
        "image_tokens": study.of("image_tokens.safetensors"),
        "text": study.of("text.safetensors"),
        "latents": study.of("latents.safetensors"),
        "caption_ids": study.of("caption_ids.safetensors"),
        "labels": study.of("labels.safetensors"),
        "annotation": study.of("annotation.parquet"),
        "frames": study.of("frames.safetensors"),
        "concepts": study.folder / "concepts.safetensors",
        "vae": vae,
        "validation_movies": ["seg4"],
        "settings": settings,
        "device": "cpu",
        "checkpoints": folder / "checkpoints",
        "model": folder / "model.safetensors",
        "log": folder / "training.tsv",
        "summary": folder / "validation.json",
        "picture": folder / "early_look.png",
    }
    fit(**{**arguments, **changes})  # type: ignore[arg-type]
    return read_json(folder / "validation.json")["scores"]


@pytest.fixture(scope="module")
def folder(study: Study, vae: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    run(study, folder, vae, settings_for(study))
    return folder


def test_every_task_of_a_linear_study_beats_the_best_constant_answer(folder: Path) -> None:
    scores = read_json(folder / "validation.json")["scores"]
    assert scores["segmentation_dice"]["value"] > max(0.8, scores["segmentation_dice"]["constant"])
    assert scores["concepts_top1_present"]["value"] > max(0.8, scores["concepts_top1_present"]["constant"])
    assert (
        scores["concepts_average_precision"]["value"] > scores["concepts_average_precision"]["constant"] + 0.2
    )
    assert scores["description_word_f1"]["value"] > scores["description_word_f1"]["constant"] + 0.1
    assert scores["blurry_video_correlation"]["value"] > 0.7
    assert scores["prior_correlation"]["value"] > 0.7
    error = scores["blurry_video_mean_absolute_error"]
    assert error["value"] < error["constant"]


def test_the_log_names_every_loss_and_the_picture_exists(folder: Path) -> None:
    losses = ("segmentation", "concepts", "description", "blurry_video", "prior", "text")
    history = read_table(folder / "training.tsv", ["epoch", *(f"train_{name}" for name in losses)])
    assert "train_image" not in read_table(folder / "training.tsv").columns, "an image loss without a weight"
    assert list(history["epoch"]) == list(range(1, 31))
    assert (folder / "early_look.png").read_bytes().startswith(b"\x89PNG")
    assert not (folder / "checkpoints").exists()


def test_text_projection_stays_and_motion_projection_learns(study: Study, folder: Path) -> None:
    brain, _ = load_brain_model(study.folder / "brain.safetensors")
    decoupler = load_decoupler(folder / "model.safetensors").model
    for name, value in brain.text.state_dict().items():
        assert torch.equal(decoupler.text.state_dict()[name], value)
    assert not torch.equal(decoupler.motion.linear.weight, brain.motion.linear.weight)


def test_an_image_loss_with_a_weight_is_learned_from_and_logged(
    study: Study, vae: Model, tmp_path: Path
) -> None:
    optimiser = Optimiser(epochs=1, batch_size=20, learning_rate=1e-3)
    run(study, tmp_path, vae, settings_for(study, optimiser=optimiser, weights=TaskWeights(image=1.0)))
    history = read_table(tmp_path / "training.tsv", ["train_loss", "train_image"])
    assert history["train_image"].iloc[0] > 0


def test_motion_projection_stays_by_default(study: Study, vae: Model, tmp_path: Path) -> None:
    optimiser = Optimiser(epochs=1, batch_size=20, learning_rate=1e-2)
    run(study, tmp_path, vae, settings_for(study, optimiser=optimiser, train_motion=Decouple().train_motion))
    brain, _ = load_brain_model(study.folder / "brain.safetensors")
    decoupler = load_decoupler(tmp_path / "model.safetensors").model
    for name, value in brain.motion.state_dict().items():
        assert torch.equal(decoupler.motion.state_dict()[name], value)


def test_the_model_says_which_brain_model_it_was_trained_on(study: Study, folder: Path) -> None:
    metadata = load_decoupler(folder / "model.safetensors").metadata
    brain = TensorFile(study.folder / "brain.safetensors").metadata
    assert metadata["brain_model"] == brain["content_hash"]
    assert metadata["vertex_hash"] == brain["vertex_hash"]


@pytest.mark.parametrize(
    "changes",
    [
        {"heads_input": "prior"},
        {"prior": "mindeye2"},
        {
            "progressive": False,
            "dice_weight": 1.0,
            "prefix_tokens": 3,
            "whiten_text": False,
            "caption_reading": 0.0,
        },
    ],
    ids=["heads read the prior", "MindEye2's prior", "dice"],
)
def test_variants_run(study: Study, vae: Model, tmp_path: Path, changes: dict) -> None:
    optimiser = Optimiser(epochs=5, batch_size=20, learning_rate=1e-2)
    scores = run(study, tmp_path, vae, settings_for(study, optimiser=optimiser, **changes))
    assert scores["segmentation_dice"]["value"] > 0.3


def test_the_language_model_learns_to_read_from_captions_alone(
    study: Study, vae: Model, tmp_path: Path
) -> None:
    run(study, tmp_path, vae, settings_for(study, caption_reading=1.0))
    losses = read_table(tmp_path / "training.tsv", ["epoch", "train_description", "validation_description"])
    assert losses["train_description"].iloc[-1] < 0.3
    assert losses["validation_description"].iloc[-1] > losses["train_description"].iloc[-1]


def test_responses_on_other_vertices_are_refused(study: Study, vae: Model, tmp_path: Path) -> None:
    file = TensorFile(study.folder / "train.safetensors")
    vertex = np.arange(20)[::-1].copy()
    other = tmp_path / "train.safetensors"
    arrays = {"responses": np.array(file["responses"]), "vertex": vertex}
    facts = {"subject": "subject1", "vertex_hash": hash_vertices(vertex)}
    write_tensors(other, arrays, provenance("test", {}), file.clip_ids, **facts)
    with pytest.raises(InputError, match="vertex_hash"):
        run(study, tmp_path, vae, settings_for(study), responses=other)


def test_a_released_prior_can_be_started_from(study: Study, vae: Model, tmp_path: Path) -> None:
    """With a learning rate of nearly nothing, it is what is stored."""
    prior = MindEye2Prior(PriorSizes(TOKENS, CHANNELS, layers=1, head_channels=CHANNELS))
    weights = {f"prior.{name}": value.numpy() for name, value in prior.state_dict().items()}
    start = tmp_path / "start.safetensors"
    write_tensors(start, weights, provenance("test", {}))
    optimiser = Optimiser(epochs=1, batch_size=20, learning_rate=1e-12)
    released = {"prior": "mindeye2", "released_prior": str(start), "optimiser": optimiser}
    run(study, tmp_path, vae, settings_for(study, **released))
    begun = TensorFile(tmp_path / "model.safetensors")
    for name, value in weights.items():
        np.testing.assert_allclose(begun[name], value, atol=1e-6, err_msg=name)
    with pytest.raises(ValueError, match="released_prior"):
        settings_for(study, **{**released, "prior": "paired"})


@pytest.mark.parametrize("steps", [1, 101])
def test_a_released_prior_has_a_hundred_levels_to_sample_through(steps: int) -> None:
    with pytest.raises(ValueError, match="sampled in 2 to 100 steps"):
        Decouple(prior="mindeye2", prior_steps=steps)


def test_a_batch_larger_than_the_training_set_is_refused(study: Study, vae: Model, tmp_path: Path) -> None:
    optimiser = Optimiser(epochs=1, batch_size=121, learning_rate=1e-3)
    with pytest.raises(
        InputError, match=r"decouple\.optimiser\.batch_size is 121, .* only 120 training pairs"
    ):
        run(study, tmp_path, vae, settings_for(study, optimiser=optimiser))


def test_captions_in_another_models_tokens_are_refused(study: Study, vae: Model, tmp_path: Path) -> None:
    file = TensorFile(study.of("caption_ids.safetensors")[0])
    other = tmp_path / "seg1.safetensors"
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "gpt2/config.json").write_text("{}")
    made_by = provenance("embed captions", {"language_model": tmp_path / "gpt2"}, {})
    write_tensors(other, {"ids": np.array(file["ids"])}, made_by, file.clip_ids)
    with pytest.raises(InputError, match=r"language_model: .*seg1.* in this step \("):
        run(
            study,
            tmp_path,
            vae,
            settings_for(study),
            caption_ids=[other, *study.of("caption_ids.safetensors")[1:]],
        )


@pytest.mark.parametrize("role", ["latents", "labels", "caption_ids", "annotation"])
def test_clips_that_a_stage_has_not_made_are_listed(
    study: Study, vae: Model, tmp_path: Path, role: str
) -> None:
    name = f"{role}.{'parquet' if role == 'annotation' else 'safetensors'}"
    with pytest.raises(InputError, match=r"lacks 20 of 80 clips: seg2:0"):
        run(
            study,
            tmp_path,
            vae,
            settings_for(study),
            **{role: [p for p in study.of(name) if p.parent.name != "seg2"]},
        )
