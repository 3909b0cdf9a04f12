"""One backbone for several subjects: what is shared, what a new subject gains, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from neurons.artifacts import InputError, TensorFile, hash_vertices, provenance, read_json, write_tensors
from neurons.parallel import Group
from neurons.pretrain.data import HiddenInputs, read_responses, read_targets, split_movies
from neurons.pretrain.fit import Alignment
from neurons.pretrain.model import BrainModel
from neurons.pretrain.settings import Pretrain
from neurons.pretrain.shared import SharedAlignment
from neurons.pretrain.shared_steps import shared
from neurons.pretrain.steps import brain_sizes
from neurons.pretrain.store import load_brain_model
from tests.pretrain.test_steps import SETTINGS, run

VALIDATION = ["seg2", "seg5"]
OTHERS = SETTINGS.model_copy(update={"start": "others"})


def write_other(study, path: Path, *, clips: slice = slice(None), repeats: slice = slice(None)) -> Path:  # type: ignore[no-untyped-def]
    """Another brain that saw the same clips: fewer vertices, elsewhere, with noise of its own."""
    file = TensorFile(study.responses)
    rng = np.random.default_rng(8)
    values = np.array(file["responses"])[:, :, rng.permutation(90)[:70]]
    values = (values + 0.5 * rng.normal(size=values.shape)).astype(np.float32)
    vertex = np.arange(200, 270)
    write_tensors(
        path, {"responses": values[clips, repeats], "vertex": vertex}, provenance("test", {}), file.clip_ids[clips],
        subject="subject2", vertex_hash=hash_vertices(vertex),
    )  # fmt: skip
    return path


def train_shared(study, folder: Path, responses: dict[str, Path]) -> Path:  # type: ignore[no-untyped-def]
    shared(
        subjects=list(responses), responses=list(responses.values()), image_tokens=study.image_tokens, text=study.text,
        validation_movies=VALIDATION, settings=SETTINGS, device="cpu", checkpoints=folder / "checkpoints",
        model=folder / "start.safetensors", log=folder / "start.tsv",
    )  # fmt: skip
    return folder / "start.safetensors"


@pytest.fixture(scope="module")
def backbone(study, tmp_path_factory: pytest.TempPathFactory) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("shared")
    other = write_other(study, folder / "train.safetensors")
    return train_shared(study, folder, {"subject2": other})


def test_what_is_shared_is_all_that_comes_after_the_ridge(study, backbone: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """With steps of no size a subject's model is the shared one, but for the ridge."""
    still = OTHERS.model_copy(
        update={"optimiser": OTHERS.optimiser.model_copy(update={"epochs": 1, "learning_rate": 1e-30})}
    )
    run(study, tmp_path, still, start=backbone)
    model, facts = load_brain_model(tmp_path / "model.safetensors")
    file = TensorFile(backbone)
    own = {name: value for name, value in model.state_dict().items() if not name.startswith("ridge.")}
    assert set(own) == set(file.names) - {"scores"}
    for name, value in own.items():
        np.testing.assert_array_equal(value.numpy(), file[name])
    assert file.metadata["subjects"] == ["subject2"] and facts["subject"] == "subject1"


def test_a_new_subject_with_few_clips_gains(study, backbone: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    few = {"training_clips": 32}
    own = run(study, tmp_path / "own", SETTINGS.model_copy(update=few))
    gained = run(study, tmp_path / "others", OTHERS.model_copy(update=few), start=backbone)
    assert own["train_clips"] == gained["train_clips"] == 32
    assert gained["regression"] < own["regression"]
    assert gained["image_top1"] > own["image_top1"]


def test_one_backbone_serves_two_subjects(study, backbone: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    other = backbone.parent / "train.safetensors"
    both = train_shared(study, tmp_path, {"subject1": study.responses, "subject2": other})
    together = SETTINGS.model_copy(update={"start": "all"})
    for name, responses in {"subject1": study.responses, "subject2": other}.items():
        scores = run(study, tmp_path / name, together, start=both, responses=responses, subject=name)
        assert scores["image_top1"] > 8 * scores["chance"]


def alignment(study, responses: Path, seed: int) -> Alignment:  # type: ignore[no-untyped-def]
    data = read_responses(responses, [0])
    targets = read_targets(data.clip_ids, study.image_tokens, study.text)
    model = BrainModel(brain_sizes(SETTINGS, targets, 1, 1))
    generator = torch.Generator().manual_seed(seed)
    inputs = HiddenInputs(torch.randn(len(data.clip_ids), 2, 6, generator=generator), model.ridge)
    split = split_movies(data.clip_ids, VALIDATION, "file")
    return Alignment(model, data, inputs, targets, split, SETTINGS)


def test_a_mixed_batch_holds_each_subject_s_own_samples(study, backbone: Path) -> None:  # type: ignore[no-untyped-def]
    parts = {
        "subject1": alignment(study, study.responses, 1),
        "subject2": alignment(study, backbone.parent / "train.safetensors", 2),
    }
    every = SharedAlignment(parts)
    count = len(parts["subject1"].samples)
    assert (
        every.samples[0] == "subject1 seg1:0 repeat 1" and every.samples[count] == "subject2 seg1:0 repeat 1"
    )
    batch = every.fetch(np.array([count + 5, 3, count, count - 1]))
    first, second = (
        parts["subject1"].fetch(np.array([3, count - 1])),
        parts["subject2"].fetch(np.array([5, 0])),
    )
    for name, values in batch.items():
        assert torch.equal(values, torch.cat([first[name], second[name]])), name


def test_processes_share_a_mixed_batch_without_changing_its_order(study, backbone: Path) -> None:  # type: ignore[no-untyped-def]
    every = SharedAlignment(
        {
            "subject1": alignment(study, study.responses, 1),
            "subject2": alignment(study, backbone.parent / "train.safetensors", 2),
        }
    )
    indices = np.random.default_rng(3).permutation(len(every.samples))[:11]
    whole = every.fetch(indices)
    shares = [every.fetch(Group(rank, 3).part(every.arrange(indices))) for rank in range(3)]
    for name, values in whole.items():
        assert torch.equal(values, torch.cat([share[name] for share in shares])), name


@pytest.mark.parametrize(
    ("settings", "given", "said"),
    [
        (OTHERS, None, "need the file of `pretrain shared`"),
        (SETTINGS, "backbone", "own needs none"),
        (OTHERS.model_copy(update={"hidden_width": 5}), "backbone", "hidden: 6 there, 5 here"),
        (OTHERS.model_copy(update={"target": "frame"}), "backbone", "target: video there, frame here"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(
    study, backbone: Path, tmp_path: Path, settings, given, said
) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=said):
        run(study, tmp_path, settings, start=backbone if given else None)


@pytest.mark.parametrize(
    ("cut", "said"),
    [
        ({"clips": slice(24, None)}, "120 clips, not the 144 of subject1"),
        ({"repeats": slice(1)}, "1 repeats"),
    ],
)
def test_subjects_who_saw_other_clips_are_refused(study, tmp_path: Path, cut, said: str) -> None:  # type: ignore[no-untyped-def]
    other = write_other(study, tmp_path / "other.safetensors", **cut)
    with pytest.raises(InputError, match=f"subject2: {said}"):
        train_shared(study, tmp_path, {"subject1": study.responses, "subject2": other})


def test_a_trained_ridge_cannot_be_shared() -> None:
    with pytest.raises(ValidationError, match="needs ridge closed_form"):
        Pretrain(start="others", ridge="trained")


def test_more_clips_than_there_are_is_an_error(study, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"training_clips is 97.*has 96 training clips"):
        run(study, tmp_path, SETTINGS.model_copy(update={"training_clips": 97}))
    assert not (tmp_path / "validation.json").exists()


def test_the_first_clips_are_learned_from(study, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    run(study, tmp_path, SETTINGS.model_copy(update={"training_clips": 40}))
    clips = TensorFile(tmp_path / "model.safetensors").metadata["held_out_clips"]
    assert clips == [*(f"seg1:{i}" for i in range(24)), *(f"seg3:{i}" for i in range(16))]
    assert read_json(tmp_path / "validation.json")["validation_clips"] == 48
