"""A study on the cortex whose truth is known: V4 carries colour, FFC kind (and side), V1 nothing; models trained on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import gather, hash_vertices, provenance, read_table, write_table, write_tensors
from neurons.decouple import steps as decouple
from neurons.decouple.settings import Decouple
from neurons.interpret.area_steps import areas
from neurons.interpret.encoding_steps import encoding
from neurons.interpret.importance_steps import importance
from neurons.interpret.settings import Interpret
from neurons.preprocess import atlas
from neurons.preprocess.locations import cortex_locations
from neurons.pretrain import steps as pretrain
from neurons.pretrain.settings import Pretrain
from neurons.sections import Model, Optimiser
from tests.decouple.conftest import Study, make_study

MADE_BY = provenance("test", {})
EACH = 20
HELD_OUT = ["seg3", "seg4"]
SETTINGS = Interpret(
    block_clips=4, bootstrap=200, permutations=2000, minimum_vertices=5, components=4, contrasts=3, batch_size=16
)  # fmt: skip


@dataclass(frozen=True)
class Interpreted:
    """Files of a subject."""

    study: Study
    folder: Path

    @property
    def inputs(self) -> dict[str, object]:
        """Arguments that importance and encoding have in common."""
        return {
            "subject": "subject1",
            "variant": "ours",
            "responses": self.folder / "train.safetensors",
            "vertices": self.folder / "selection.parquet",
            "locations": self.folder / "locations.parquet",
            "brain_model": self.folder / "brain.safetensors",
            "decoupler": self.folder / "decoupler.safetensors",
            "concepts": self.study.folder / "concepts.safetensors",
            "validation_movies": HELD_OUT,
            "settings": SETTINGS,
            "device": "cpu",
        }

    def importance(self, **changes: object) -> None:
        importance(
            **{
                **self.inputs,
                "labels": self.study.of("labels.safetensors"),
                "latents": self.study.of("latents.safetensors"),
                "caption_ids": self.study.of("caption_ids.safetensors"),
                "output": self.folder / "importance.safetensors",
                **changes,
            }
        )  # type: ignore[arg-type]

    def encoding(self, **changes: object) -> None:
        tokens = {"image_tokens": self.study.of("image_tokens.safetensors")}
        encoding(**{**self.inputs, **tokens, "output": self.folder / "encoding.safetensors", **changes})  # type: ignore[arg-type]

    def areas(self, **changes: object) -> None:
        areas(
            **{
                "importance": self.folder / "importance.safetensors",
                "encoding": self.folder / "encoding.safetensors",
                "settings": SETTINGS,
                "table": self.folder / "areas.tsv",
                "agreement": self.folder / "agreement.tsv",
                "summary": self.folder / "summary.json",
                **changes,
            }
        )  # type: ignore[arg-type]


def vertices_of(area: str) -> np.ndarray:
    """The first grayordinates of an area, from both hemispheres."""
    return np.concatenate([np.flatnonzero(atlas.areas() == f"{side}_{area}")[: EACH // 2] for side in "LR"])


def write_responses(study: Study, folder: Path, signal: float) -> None:
    """Responses and vertex table of a subject: 20 vertices in V1, V4 and FFC each."""
    labels, ids = gather(study.of("labels.safetensors"), "concepts")
    annotation = pd.concat([read_table(path) for path in study.of("annotation.parquet")])
    captions = annotation.set_index("clip")["caption"]
    kind = np.where(labels[:, 2] > 0, 1.0, -1.0)
    colour = np.where(captions[ids].str.contains("red"), 1.0, -1.0)
    rng = np.random.default_rng(5)
    vertex = np.concatenate([vertices_of(area) for area in ("V1", "V4", "FFC")])
    carried = np.repeat(np.stack([0 * kind, colour, kind]), EACH, axis=0).T
    gains = rng.choice([-1.0, 1.0], 3 * EACH)
    noise = rng.normal(size=(len(ids), 2, 3 * EACH))
    values = (signal * 0.7 * (carried * gains)[:, None] + noise).astype(np.float32)
    order = np.argsort(vertex)
    facts = {"subject": "subject1", "space": "fsLR_91k", "vertex_hash": hash_vertices(vertex[order])}
    arrays = {"responses": values[:, :, order], "vertex": vertex[order]}
    write_tensors(folder / "train.safetensors", arrays, MADE_BY, ids, **facts)
    grayordinate = np.arange(atlas.CORTEX)
    table = pd.DataFrame({"grayordinate": grayordinate, "selected": np.isin(grayordinate, vertex)})
    write_table(folder / "selection.parquet", table, MADE_BY)
    write_table(folder / "locations.parquet", cortex_locations(), MADE_BY)


def train(study: Study, folder: Path) -> None:
    """Brain model and decoupler of the responses in `folder`."""
    common = {"subject": "subject1", "variant": "ours", "responses": folder / "train.safetensors"}
    common |= {"image_tokens": study.of("image_tokens.safetensors"), "text": study.of("text.safetensors")}
    common |= {"validation_movies": HELD_OUT, "device": "cpu", "checkpoints": folder / "checkpoints"}
    optimiser = Optimiser(epochs=8, batch_size=20, learning_rate=3e-3)
    brain = Pretrain(hidden_width=2, blocks=1, dropout=0.0, window_tr=[0], optimiser=optimiser)
    pretrain.fit(
        **common, settings=brain, model=folder / "brain.safetensors", log=folder / "pretraining.tsv",
        summary=folder / "pretraining.json",
    )  # type: ignore[arg-type]  # fmt: skip
    language_model = Model(path=str(study.folder / "gpt2"))
    heads = Decouple(
        decoder_width=16, prior_blocks=1, dropout=0.0, language_model=language_model,
        optimiser=Optimiser(epochs=25, batch_size=20, learning_rate=1e-2),
    )  # fmt: skip
    decouple.fit(
        **common, brain_model=folder / "brain.safetensors", latents=study.of("latents.safetensors"),
        caption_ids=study.of("caption_ids.safetensors"), labels=study.of("labels.safetensors"),
        annotation=study.of("annotation.parquet"), frames=study.of("frames.safetensors"),
        concepts=study.folder / "concepts.safetensors", vae=Model(path=str(study.folder / "vae")), settings=heads,
        model=folder / "decoupler.safetensors", log=folder / "decoupling.tsv", summary=folder / "decoupling.json",
        picture=folder / "early_look.png",
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.fixture(scope="session")
def truth_known(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return make_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="session")
def interpreted(truth_known: Study, tmp_path_factory: pytest.TempPathFactory) -> Interpreted:
    """A subject with signal, interpreted."""
    return interpret(truth_known, tmp_path_factory.mktemp("signal"), signal=1.0)


@pytest.fixture(scope="session")
def noise_only(truth_known: Study, tmp_path_factory: pytest.TempPathFactory) -> Interpreted:
    """A subject whose responses carry nothing, interpreted."""
    return interpret(truth_known, tmp_path_factory.mktemp("noise"), signal=0.0)


def interpret(study: Study, folder: Path, signal: float) -> Interpreted:
    write_responses(study, folder, signal)
    train(study, folder)
    made = Interpreted(study, folder)
    made.importance()
    made.encoding()
    made.areas()
    return made
