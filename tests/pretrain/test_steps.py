"""The step: known answers, chance without signal, resuming, and what is refused."""

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
from neurons.pretrain.settings import Pretrain
from neurons.pretrain.steps import fit
from neurons.pretrain.store import brain_embeddings, check_vertices, load_brain_model, read_held_out
from neurons.sections import Optimiser

SETTINGS = Pretrain(
    hidden_width=6,
    blocks=1,
    dropout=0.0,
    window_tr=[0],
    text_weight=1.0,
    optimiser=Optimiser(epochs=20, batch_size=16, learning_rate=1e-2, checkpoint_every=4),
)
PAPER = {"ridge": "trained", "standardise_targets": False, "repeat_mixing": False, "regression_weight": 0.0}
TRAINED = SETTINGS.model_copy(update={**PAPER, "hidden_width": 32, "mixco_temperature": 0.006})
CHANCE = 1 / 48


def run(study, folder: Path, settings: Pretrain = SETTINGS, **changes: object) -> dict:  # type: ignore[no-untyped-def]
    arguments = {
        "subject": "subject1",
        "variant": "ours",
        "responses": study.responses,
        "image_tokens": study.image_tokens,
        "text": study.text,
        "validation_movies": ["seg2", "seg5"],
        "settings": settings,
        "device": "cpu",
        "checkpoints": folder / "checkpoints",
        "model": folder / "model.safetensors",
        "log": folder / "training.tsv",
        "summary": folder / "validation.json",
    }
    fit(**{**arguments, **changes})  # type: ignore[arg-type]
    return read_json(folder / "validation.json")


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("fit")
    run(study, folder)
    return folder


def test_a_linear_study_is_recovered(folder: Path) -> None:
    scores = read_json(folder / "validation.json")
    assert scores["chance"] == pytest.approx(CHANCE)
    assert scores["image_top1"] > 10 * CHANCE
    assert scores["text_top1"] > 6 * CHANCE
    assert scores["train_clips"] == 96 and scores["validation_clips"] == 48 and scores["repeats"] == 2


def test_a_trained_ridge_recovers_it_too(study, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run(study, tmp_path, TRAINED)["image_top1"] > 10 * CHANCE
    assert read_held_out(tmp_path / "model.safetensors") is None


@pytest.mark.parametrize("settings", [SETTINGS, TRAINED], ids=["closed form", "trained"])
def test_without_signal_retrieval_is_at_chance(silent_study, tmp_path: Path, settings: Pretrain) -> None:  # type: ignore[no-untyped-def]
    run(silent_study, tmp_path, settings)
    history = read_table(tmp_path / "training.tsv")
    assert history["validation_image_top1"].mean() < 3 * CHANCE
    assert history["validation_text_top1"].mean() < 3 * CHANCE


def test_the_log_has_a_row_per_epoch_and_the_checkpoints_are_gone(folder: Path) -> None:
    history = read_table(
        folder / "training.tsv", ["epoch", "train_loss", "validation_score", "validation_image_top1"]
    )
    assert list(history["epoch"]) == list(range(1, 21))
    best = int(history["validation_score"].idxmin())
    assert read_json(folder / "validation.json")["epoch"] == best + 1
    assert not (folder / "checkpoints").exists()


def test_the_same_inputs_give_the_same_bytes(study, folder: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run(study, tmp_path)
    for name in ("model.safetensors", "training.tsv", "validation.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_embeddings_do_not_depend_on_batch_or_order(study, folder: Path) -> None:  # type: ignore[no-untyped-def]
    model, metadata = load_brain_model(folder / "model.safetensors")
    file = TensorFile(study.responses)
    responses, ids = np.array(file["responses"]).mean(axis=1), file.clip_ids
    wanted = ["seg5:3", "seg2:0", "seg5:23", "seg2:7"]
    arguments = {"window_tr": metadata["window_tr"], "where": "test"}
    one = brain_embeddings(model, responses, ids, wanted, batch_size=3, **arguments)
    other = brain_embeddings(model, responses, ids, wanted[::-1], batch_size=1, **arguments)
    assert one.shape == (4, 4, 8)
    torch.testing.assert_close(one, other.flip(0))


def test_held_out_features_are_kept_beside_the_model_and_differ_from_its_own_fit(study, folder: Path) -> None:  # type: ignore[no-untyped-def]
    model, _ = load_brain_model(folder / "model.safetensors")
    stored = read_held_out(folder / "model.safetensors")
    assert stored is not None
    clips, hidden = stored
    assert len(clips) == 96 and hidden.shape == (96, 2, 6)
    with torch.no_grad():
        rows = torch.from_numpy(TensorFile(study.responses).rows("responses", clips))
        own = model.ridge(rows.flatten(0, 1).unsqueeze(1)).view_as(hidden)
    truth_error = (hidden - own).abs().mean()
    assert float(truth_error) > 0.05 * float(own.abs().mean())
    assert float(np.corrcoef(hidden.flatten(), own.flatten())[0, 1]) > 0.5


def test_responses_on_other_vertices_are_refused(folder: Path, tmp_path: Path) -> None:
    _, metadata = load_brain_model(folder / "model.safetensors")
    vertex = np.arange(1, 91)
    path = tmp_path / "test.safetensors"
    arrays = {"responses": np.zeros((1, 90), np.float32), "vertex": vertex}
    write_tensors(
        path, arrays, provenance("t", {}), ["a:0"], subject="subject1", vertex_hash=hash_vertices(vertex)
    )
    with pytest.raises(InputError, match="vertex_hash"):
        check_vertices(metadata, TensorFile(path), folder / "model.safetensors")


def test_responses_of_another_subject_are_refused(study, folder: Path) -> None:  # type: ignore[no-untyped-def]
    _, metadata = load_brain_model(folder / "model.safetensors")
    with pytest.raises(InputError, match="subject: model 'subject2', responses 'subject1'"):
        check_vertices(
            {**metadata, "subject": "subject2"}, TensorFile(study.responses), folder / "model.safetensors"
        )


def test_clips_without_features_are_listed(study, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"lacks 24 of 144 clips: seg4:0"):
        run(study, tmp_path, image_tokens=[path for path in study.image_tokens if path.parent.name != "seg4"])


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "frame"},
        {"window_tr": [-1, 0, 1]},
        {"ridge": "trained", "hidden_width": 32},
        {"backbone": "mindeye2"},
    ],
    ids=["frame", "window", "trained with mixed repeats", "MindEye2's backbone"],
)
def test_variants_run(study, tmp_path: Path, changes: dict) -> None:  # type: ignore[no-untyped-def]
    optimiser = SETTINGS.optimiser.model_copy(update={"epochs": 8})
    settings = SETTINGS.model_copy(update={**changes, "optimiser": optimiser})
    assert run(study, tmp_path, settings)["image_top1"] > 3 * CHANCE
