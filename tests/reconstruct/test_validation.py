"""Strengths chosen on validation clips: the score, the choice, and that nothing else is read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from neurons.artifacts import TensorFile, provenance, read_json, read_table, write_table, write_tensors
from neurons.reconstruct import tuning_steps
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.decode import DecodedClips, Decoder
from neurons.reconstruct.settings import Reconstruct, Tune
from neurons.reconstruct.validation import Point, best, decode_validation, grid, identification
from tests.reconstruct.trained import FACTS, FRAMES, TOKENS, VERTICES, WIDTH

CLIPS = [f"{movie}:{index}" for movie in ("seg1", "seg2", "seg3") for index in range(4)]


@pytest.fixture
def training(tmp_path):
    """Responses of three training movies, two showings."""
    path = tmp_path / "train.safetensors"
    values = np.random.default_rng(4).normal(size=(len(CLIPS), 2, VERTICES)).astype(np.float32)
    write_tensors(path, {"responses": values}, provenance("test", {}), CLIPS, **FACTS)
    return path


def test_a_perfect_video_is_identified_and_a_shuffled_one_is_not():
    true = torch.randn(20, 8, generator=torch.Generator().manual_seed(0))
    assert identification(true + 0, true).tolist() == [1.0] * 20
    assert identification(-(true - true.mean(0)) + true.mean(0), true).max() == 0.0
    constant = true.mean(0, keepdim=True) + torch.ones(20, 8)
    assert identification(constant, true).mean() == pytest.approx(0.5)


def test_equal_similarities_count_half():
    true = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-2.0, 0.0]])
    assert identification(true, true).tolist() == [0.75, 0.75, 1.0]


def test_of_equal_points_the_one_with_the_highest_cosine_is_chosen():
    rows = [(0.8, 0.0, 1.0, 0.9, 0.1), (0.9, 0.5, 1.0, 0.9, 0.3), (1.0, 0.5, 1.0, 0.9, 0.2)]
    names = ["strength", "control_scale", "mask_floor", "identification", "cosine"]
    assert best(pd.DataFrame(rows, columns=names))[0] == Point(0.9, 0.5, 1.0)


def test_the_choice_is_the_best_mean_over_subjects():
    rows = [(0.8, 0.0, 1.0, 0.9), (0.9, 0.5, 1.0, 0.7), (1.0, 0.5, 1.0, 0.8)]
    other = [(0.8, 0.0, 1.0, 0.4), (0.9, 0.5, 1.0, 0.9), (1.0, 0.5, 1.0, 0.8)]
    names = ["strength", "control_scale", "mask_floor", "identification"]
    table = pd.DataFrame(rows + other, columns=names).assign(cosine=0.5)
    point, means = best(table)
    assert point == Point(0.9, 0.5, 1.0)
    assert means["identification"].tolist() == pytest.approx([0.65, 0.8, 0.8])


def test_the_grid_holds_all_combinations():
    points = grid(Tune(strength=[0.5, 1], control_scale=[0], mask_floor=[0.5, 1], clips=3))
    assert points == [Point(0.5, 0, 0.5), Point(0.5, 0, 1), Point(1, 0, 0.5), Point(1, 0, 1)]


def test_only_validation_clips_are_decoded_each_from_the_mean_of_its_showings(trained, training, tmp_path):
    decoder = Decoder.load(trained.brain_model, trained.decoupler, trained.concepts, torch.device("cpu"))
    settings = Reconstruct()
    whole = decode_validation(decoder, trained.brain_model, training, ["seg2"], 4, settings, torch.float32)
    assert whole.clip_ids == CLIPS[4:8]
    fewer = decode_validation(decoder, trained.brain_model, training, ["seg2"], 2, settings, torch.float32)
    assert fewer.clip_ids == ["seg2:0", "seg2:3"]
    other = tmp_path / "other.safetensors"
    values = np.random.default_rng(4).normal(size=(len(CLIPS), 2, VERTICES)).astype(np.float32)
    values[:4], values[8:] = 0, 0
    values[4:8] = values[4:8].mean(axis=1, keepdims=True)
    write_tensors(other, {"responses": values}, provenance("test", {}), CLIPS, **FACTS)
    same = decode_validation(decoder, trained.brain_model, other, ["seg2"], 4, settings, torch.float32)
    for name, array in whole.tensors.items():
        np.testing.assert_allclose(same.tensors[name], array, atol=1e-2, rtol=1e-2, err_msg=name)


def test_tune_writes_a_table_and_choose_a_configuration(trained, training, models, tmp_path):
    tokens = np.random.default_rng(1).normal(size=(4, FRAMES, TOKENS, WIDTH)).astype(np.float16)
    path = tmp_path / "tokens.safetensors"
    write_tensors(path, {"tokens": tokens}, provenance("test", {}), CLIPS[8:])
    values = models.changed(steps=2, guidance=1.0).model_dump()
    values["tune"] = {"strength": [0.5, 1.0], "control_scale": [0.0, 0.5], "mask_floor": [1.0], "clips": 3}
    for subject in ("subject1", "subject2"):
        tuning_steps.tune(
            subject=subject, responses=training, brain_model=trained.brain_model, decoupler=trained.decoupler,
            concepts=trained.concepts, image_tokens=[path], validation_movies=["seg3"],
            settings=Reconstruct.model_validate(values), vae=models.vae, embed=models.embed, clip_s=2.0, phase=0.5,
            device="cpu", output=tmp_path / f"{subject}.tsv",
        )  # fmt: skip
    table = read_table(tmp_path / "subject1.tsv")
    assert len(table) == 4 and (table["clips"] == 3).all()
    assert table["identification"].between(0, 1).all()
    table.loc[2, "identification"] = 2.0
    write_table(tmp_path / "subject1.tsv", table, provenance("test", {}))
    tuning_steps.choose(
        variant="ours", tables=[tmp_path / f"{subject}.tsv" for subject in ("subject1", "subject2")],
        summary=tmp_path / "tuned.json", configuration=tmp_path / "tuned.yaml",
    )  # fmt: skip
    assert read_json(tmp_path / "tuned.json")["best"] == {
        "strength": 1.0,
        "control_scale": 0.0,
        "mask_floor": 1.0,
    }
    configuration = yaml.safe_load((tmp_path / "tuned.yaml").read_text())
    chosen = configuration["variants"]["ours"]["reconstruct"]
    assert chosen == {"mask_floor": 1.0, "video": {"strength": 1.0, "control_scale": 0.0}}


def test_clips_in_memory_are_as_clips_on_disk(inputs):
    """The same decoded outputs, read from files and given directly, make the same chunk."""

    read = ChunkOfClips.read(inputs.decoded, inputs.table, inputs.control, 0, 1)
    file = TensorFile(inputs.decoded)
    decoded = DecodedClips(file.clip_ids, {name: np.array(file[name]) for name in file.names}, read.captions)
    given = ChunkOfClips.of(decoded, read.controls, Reconstruct(concept_threshold=0.98))
    assert [given.identity(row, {}) for row in range(5)] == [read.identity(row, {}) for row in range(5)]
