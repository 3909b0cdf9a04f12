"""Scores of decoded tasks on held-out training clips, from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurons.artifacts import InputError, provenance, read_json, read_table, write_table
from neurons.decouple.settings import Decouple
from neurons.evaluate.ablation_steps import held_out
from neurons.evaluate.settings import Evaluate
from neurons.pretrain.store import load_brain_model, save_brain_model
from neurons.sections import Model
from tests.decouple.conftest import Study, make_study
from tests.decouple.test_steps import run, settings_for


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = make_study(tmp_path_factory.mktemp("study"))
    for path in study.of("annotation.parquet"):
        table = read_table(path, ["clip", "caption"])
        noun = table["caption"].str.split().str[-1]
        write_table(path, table.assign(key_tag=noun, tags=noun), provenance("test", {}))
    return study


@pytest.fixture(scope="module")
def folder(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    settings: Decouple = settings_for(study)
    run(study, folder, Model(path=str(study.folder / "vae")), settings)
    return folder


def score(study: Study, folder: Path, output: Path, **changes: object) -> None:
    arguments = {
        "responses": study.folder / "train.safetensors",
        "brain_model": study.folder / "brain.safetensors",
        "decoupler": folder / "model.safetensors",
        "concepts": study.folder / "concepts.safetensors",
        "validation_movies": ["seg4"],
        "settings": Evaluate(),
        "device": "cpu",
        "output": output,
    }
    for name in ("image_tokens", "text", "latents", "labels"):
        arguments[name] = study.of(f"{name}.safetensors")
    arguments["annotation"] = study.of("annotation.parquet")
    held_out(**{**arguments, **changes})  # type: ignore[arg-type]


def test_what_a_model_decodes_is_scored_clip_by_clip(study: Study, folder: Path, tmp_path: Path) -> None:
    score(study, folder, tmp_path / "tasks.parquet")
    table = read_table(tmp_path / "tasks.parquet")
    assert list(table["clip"]) == [f"seg4:{index}" for index in range(20)]
    assert {"dice", "concept_ranking", "caption_cider", "caption_subject", "text_2way", "tokens_2way"} <= {
        *table
    }
    known = read_json(folder / "validation.json")["scores"]
    # the brain model of this study is untrained: what its heads see is told by the validation of `decouple fit`
    assert table["dice"].mean() == pytest.approx(known["segmentation_dice"]["value"], abs=1e-6)
    assert table["latents_correlation"].mean() == pytest.approx(
        known["blurry_video_correlation"]["value"], abs=1e-3
    )
    assert table["concept_ranking"].mean() > 0.9
    assert table["text_2way"].mean() > 0.75
    assert np.isfinite(table.drop(columns="clip")["tokens_2way"]).all()


def test_heads_of_another_brain_model_are_refused(study: Study, folder: Path, tmp_path: Path) -> None:
    model, facts = load_brain_model(study.folder / "brain.safetensors")
    kept = {key: facts[key] for key in ("subject", "vertex_hash", "window_tr", "target")}
    model.text.linear.bias.data += 1
    save_brain_model(tmp_path / "other.safetensors", model, provenance("test", {}), **kept)
    with pytest.raises(InputError, match="was trained on another brain model"):
        score(study, folder, tmp_path / "tasks.parquet", brain_model=tmp_path / "other.safetensors")
    assert not (tmp_path / "tasks.parquet").exists()


def test_no_other_clips_than_the_held_out_ones_are_scored(study: Study, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="validation movies"):
        score(study, folder, tmp_path / "tasks.parquet", validation_movies=["test1"])
    assert not (tmp_path / "tasks.parquet").exists()
