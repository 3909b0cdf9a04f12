"""Two processes train the decoupler that one trains, every term of its loss included."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from neurons.artifacts import TensorFile, read_table
from neurons.decouple.settings import Decouple, TaskWeights
from neurons.sections import Model, Optimiser

from .conftest import Study
from .test_steps import run, settings_for


@pytest.fixture(scope="module")
def settings(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Decouple:
    """Nothing is dropped, for dropout masks are each process's own; 120 pairs in 9 batches of 13 or 14."""
    folder = tmp_path_factory.mktemp("models") / "gpt2"
    shutil.copytree(study.folder / "gpt2", folder)
    facts = json.loads((folder / "config.json").read_text())
    nothing = {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}
    (folder / "config.json").write_text(json.dumps(facts | nothing))
    return settings_for(
        study,
        dice_weight=0.5,
        weights=TaskWeights(image=0.3),
        language_model=Model(path=str(folder)),
        optimiser=Optimiser(epochs=2, batch_size=14, learning_rate=3e-3),
    )


def train_by_two(study: Study, vae: Model, settings: Decouple, folder: Path) -> None:
    lists = {
        name: study.of(f"{name.replace('-', '_')}.safetensors")
        for name in ("image-tokens", "text", "latents", "caption-ids", "labels", "frames")
    }
    lists |= {"annotation": study.of("annotation.parquet"), "validation-movies": ["seg4"]}  # type: ignore[dict-item]
    single = {
        "subject": "subject1",
        "variant": "ours",
        "responses": study.folder / "train.safetensors",
        "brain-model": study.folder / "brain.safetensors",
        "concepts": study.folder / "concepts.safetensors",
        "vae": vae.model_dump_json(),
        "settings": settings.model_dump_json(),
        "device": "cpu",
        "processes": 2,
        "checkpoints": folder / "checkpoints",
        "model": folder / "model.safetensors",
        "log": folder / "training.tsv",
        "summary": folder / "validation.json",
        "picture": folder / "early_look.png",
    }
    words = [sys.executable, "-m", "neurons", "decouple", "fit"]
    for name, value in single.items():
        words += [f"--{name}", str(value)]
    for name, values in lists.items():
        words += [f"--{name}", *map(str, values)]
    subprocess.run(words, check=True)


def test_two_processes_give_what_one_gives(
    study: Study, vae: Model, settings: Decouple, tmp_path: Path
) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    run(study, folders[0], vae, settings)
    train_by_two(study, vae, settings, folders[1])
    logs = [read_table(folder / "training.tsv") for folder in folders]
    pd.testing.assert_frame_equal(*logs, rtol=1e-5)
    one, two = (TensorFile(folder / "model.safetensors") for folder in folders)
    # A bias of attention's keys adds the same to every similarity, which softmax does not see: its gradient is nothing but
    # rounding, of which AdamW makes whole steps.
    unseen = ("key.bias", "c_attn.bias")
    for name in (name for name in one.names if not name.endswith(unseen)):
        first, second = (torch.from_numpy(file[name].copy()).float() for file in (one, two))
        assert torch.dist(first, second) <= 1e-5 * first.norm(), name
