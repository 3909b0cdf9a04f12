"""What is refused before the first step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurons.artifacts import InputError, TensorFile, provenance, write_tensors
from neurons.pretrain.checks import check_batch_size, check_models
from neurons.pretrain.data import read_responses
from neurons.pretrain.features import Features
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.pretrain.released_start import start_from
from neurons.pretrain.settings import Pretrain
from neurons.sections import Model, Optimiser

from .conftest import Study
from .test_steps import SETTINGS, TRAINED, run


def features(folder: Path, movie: str, clip: str, revision: str | None = None) -> Path:
    """An artifact of `embed`, made by the CLIP model in a folder or, with a revision, from a hub."""
    models = {} if revision else {"clip": folder / clip}
    if not revision:
        (folder / clip).mkdir(exist_ok=True)
        (folder / clip / "model").write_text(clip)
    made_by = provenance("embed images", models, {"clip": {"path": clip, "revision": revision}})
    path = folder / f"{movie}.safetensors"
    write_tensors(path, {"tokens": np.zeros((1, 2), np.float16)}, made_by, [f"{movie}:0"])
    return path


def test_features_of_two_models_are_refused_and_both_are_named(tmp_path: Path) -> None:
    files = [
        features(tmp_path, "seg1", "one"),
        features(tmp_path, "seg2", "one"),
        features(tmp_path, "seg3", "two"),
    ]
    check_models(files[:2])
    with pytest.raises(InputError, match=r"(?s)clip: .*seg1.*seg3.*Rerun `embed` for all movies"):
        check_models(files)


def test_models_of_a_hub_are_known_by_their_revision(tmp_path: Path) -> None:
    files = [features(tmp_path, "seg1", "laion/big", "a"), features(tmp_path, "seg2", "laion/big", "b")]
    with pytest.raises(InputError, match=r"laion/big at a in .*laion/big at b in"):
        check_models(files)


def test_the_model_that_a_step_uses_itself_belongs_to_them(tmp_path: Path) -> None:
    files = [features(tmp_path, "seg1", "one"), features(tmp_path, "seg2", "one")]
    check_models(files, {"clip": Model(path=str(tmp_path / "one")), "vae": Model(path="elsewhere")})
    (tmp_path / "two").mkdir()
    with pytest.raises(InputError, match=r"in this step \(.*two\)"):
        check_models(files, {"clip": Model(path=str(tmp_path / "two"))})


@pytest.mark.parametrize(
    ("dtype", "kinds", "word"), [(np.int64, "f", "floating-point"), (np.float32, "iub", "whole")]
)
def test_features_of_a_wrong_type_are_refused(tmp_path: Path, dtype: type, kinds: str, word: str) -> None:
    path = tmp_path / "seg1.safetensors"
    write_tensors(path, {"tokens": np.zeros((2, 3), dtype)}, provenance("test", {}), ["seg1:0", "seg1:1"])
    with pytest.raises(
        InputError, match=rf"'tokens' must hold {word} numbers: .*seg1\.safetensors: {np.dtype(dtype)}"
    ):
        Features([path], "tokens", kinds)


@pytest.mark.parametrize("responses", [np.zeros((2, 2, 3), np.int16), np.zeros((2, 3), np.float32)])
def test_responses_of_a_wrong_type_or_shape_are_refused(tmp_path: Path, responses: np.ndarray) -> None:
    path = tmp_path / "train.safetensors"
    write_tensors(path, {"responses": responses}, provenance("test", {}), ["seg1:0", "seg1:1"])
    with pytest.raises(
        InputError, match=r"responses are \w+ of shape .*\(clips, repeats, vertices\) are expected"
    ):
        read_responses(path, [0])


def test_a_batch_larger_than_the_training_set_is_refused_before_the_first_step(
    study: Study, tmp_path: Path
) -> None:
    check_batch_size(192, 192, "x")
    settings = SETTINGS.model_copy(
        update={"optimiser": Optimiser(epochs=1, batch_size=193, learning_rate=0.1)}
    )
    with pytest.raises(
        InputError, match=r"pretrain\.optimiser\.batch_size is 193, .* only 192 training pairs"
    ):
        run(study, tmp_path, settings)
    assert not (tmp_path / "checkpoints").exists()


def test_no_validation_clips_are_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"validation movies \['seg99'\].*it has: seg1, seg2"):
        run(study, tmp_path, validation_movies=["seg99"])


RELEASED = {**TRAINED.model_dump(), "backbone": "mindeye2", "released": "start.safetensors"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": "residual"}, "backbone: mindeye2"),
        ({"ridge": "closed_form"}, "ridge: trained"),
        ({"standardise_targets": True}, "standardise_targets: false"),
    ],
)
def test_released_weights_need_the_function_that_they_were_trained_for(change: dict, message: str) -> None:
    assert Pretrain.model_validate(RELEASED).released
    with pytest.raises(ValueError, match=message):
        Pretrain.model_validate({**RELEASED, **change})


def test_training_starts_from_released_weights(study: Study, tmp_path: Path) -> None:
    """With a learning rate of nearly nothing, they are what is stored."""
    run(study, tmp_path / "other", TRAINED.model_copy(update={"backbone": "mindeye2", "seed": 5}))
    file = TensorFile(tmp_path / "other/model.safetensors")
    parts = ("backbone.", "unfold.", "projector.")
    weights = {name: np.array(file[name]) for name in file.names if name.startswith(parts)}
    start = tmp_path / "start.safetensors"
    write_tensors(start, weights, provenance("test", {}))
    optimiser = Optimiser(epochs=1, batch_size=16, learning_rate=1e-12)
    run(
        study,
        tmp_path,
        Pretrain.model_validate({**RELEASED, "released": str(start), "optimiser": optimiser.model_dump()}),
    )
    begun = TensorFile(tmp_path / "model.safetensors")
    for name, value in weights.items():
        np.testing.assert_allclose(begun[name], value, atol=1e-6, err_msg=name)
    assert abs(np.array(begun["motion.linear.weight"]) - np.array(file["motion.linear.weight"])).max() > 0.01


def test_a_start_of_other_sizes_lists_what_does_not_fit(study: Study, tmp_path: Path) -> None:
    model = BrainModel(BrainSizes(5, 1, 6, 2, 2, 4, 8, 8, residual_projector=False, backbone="mindeye2"))
    path = tmp_path / "start.safetensors"
    weights = {"unfold.weight": np.zeros((3, 6), np.float32), "unfold.other": np.zeros(1, np.float32)}
    write_tensors(path, weights, provenance("test", {}))
    expected = r"unfold\.bias: missing; .*unfold\.other: the model has no such weight|unfold\.weight: \(3, 6\) in the file"
    with pytest.raises(InputError, match=expected):
        start_from(model, path, {"unfold.": "unfold."}, "pretrain.released")
    with pytest.raises(InputError, match=r"pretrain\.released: .* holds none of backbone\."):
        start_from(model, path, {"backbone.": "backbone."}, "pretrain.released")
