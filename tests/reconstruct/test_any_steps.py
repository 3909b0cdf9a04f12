"""`reconstruct clip` and `reconstruct run` on a CIFTI run and models on disk."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import yaml
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, SeriesAxis

from neurons.artifacts import InputError, TensorFile, provenance, read_table, write_tensors
from neurons.config_files import load_files
from neurons.preprocess import atlas
from neurons.preprocess.settings import Volume
from neurons.preprocess.steps import locations
from neurons.reconstruct import any_steps
from neurons.video import write_mp4
from tests.reconstruct.trained import FACTS, VERTEX, VERTICES

VOLUMES = 12


@dataclass(frozen=True)
class Study:
    """Results of a study, a run, and the configuration."""

    model: Path
    bold: Path
    config: Path

    def clip(self, at, output, **options):
        any_steps.clip(
            model=self.model, bold=self.bold, at=at, output=output, config=[self.config], device="cpu", **options
        )  # fmt: skip


@pytest.fixture(scope="module")
def bold(tmp_path_factory):
    """A run on the standard grayordinates: noise."""
    left, right = (
        BrainModelAxis.from_surface(vertices, atlas.MESH_VERTICES, f"CIFTI_STRUCTURE_CORTEX_{side}")
        for vertices, side in zip(atlas.mesh_vertices(), ("LEFT", "RIGHT"), strict=True)
    )
    rest = atlas.GRAYORDINATES - atlas.CORTEX
    stem = BrainModelAxis(
        "CIFTI_STRUCTURE_BRAIN_STEM", voxel=np.stack(np.unravel_index(np.arange(rest), (91, 109, 91)), 1),
        affine=np.eye(4), volume_shape=(91, 109, 91),
    )  # fmt: skip
    data = np.random.default_rng(0).normal(1000, 10, (VOLUMES, atlas.GRAYORDINATES)).astype(np.float32)
    path = tmp_path_factory.mktemp("bold") / "film_1.dtseries.nii"
    nibabel.save(Cifti2Image(data, header=(SeriesAxis(0, 2.0, VOLUMES, "SECOND"), left + right + stem)), path)
    return path


@pytest.fixture
def study(trained, models, bold, tmp_path):
    results = tmp_path / "results" / "study"
    for stage, source in (("pretrain", trained.brain_model), ("decouple", trained.decoupler)):
        folder = results / stage / "ours" / "subject1"
        folder.mkdir(parents=True)
        shutil.copy(source, folder / "model.safetensors")
    (results / "embed").mkdir()
    shutil.copy(trained.concepts, results / "embed" / "concepts.safetensors")
    responses = {"responses": np.zeros((1, 1, VERTICES), np.float32), "vertex": VERTEX}
    write_tensors(
        results / "preprocess/subject1/train.safetensors",
        responses,
        provenance("test", {}),
        ["seg1:0"],
        **FACTS,
    )
    locations(
        subject="subject1", space="fsLR_91k", settings=Volume(),
        locations=results / "preprocess/subject1/locations.parquet",
    )  # fmt: skip
    values = {
        "preprocess": {"detrend_order": 1},
        "embed": {"vae": models.vae.model_dump(), "clip": models.embed.clip.model_dump()},
        "reconstruct": {**models.changed(steps=1, guidance=1.0, strength=1.0).model_dump(), "batch_size": 1},
        "variants": {"ours": {}, "paper": {}},
    }
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(values))
    return Study(results / "reconstruct" / "ours" / "subject1", bold, config)


def frames(folder):
    return np.array(TensorFile(folder / "frames.safetensors")["frames"])


def test_a_clip_alone_is_the_clip_of_the_whole_run(study, tmp_path):
    study.clip(6.0, tmp_path / "one")
    (made,) = (tmp_path / "one").iterdir()
    assert made.name == "film_1_3" and (made / "video.mp4").is_file()
    any_steps.run(
        model=study.model, bold=study.bold, output=tmp_path / "all", config=[study.config], device="cpu"
    )
    table = read_table(tmp_path / "all" / "clips.tsv")
    assert table["start_s"].tolist() == [2.0 * k for k in range(VOLUMES - 2)]
    assert np.abs(frames(made).astype(int) - frames(tmp_path / "all/clips/film_1_3")).max() <= 1
    assert not (tmp_path / "all" / "beside.mp4").exists()


def test_a_run_with_its_movie_has_the_movies_clips_beside_it(study, tmp_path):
    movie = tmp_path / "movie.mp4"
    write_mp4(movie, np.random.default_rng(1).integers(0, 256, (8 * 25, 32, 32, 3), dtype=np.uint8), 25)
    any_steps.run(
        model=study.model, bold=study.bold, output=tmp_path / "all", movie=movie, config=[study.config], device="cpu"
    )  # fmt: skip
    assert len(read_table(tmp_path / "all" / "clips.tsv")) == 4
    assert (tmp_path / "all" / "beside.mp4").is_file()


def test_the_movie_beside_is_shown_at_the_times_of_the_video(study, tmp_path):
    """A square moves by 2 px per frame at 24 Hz: at time t it is where frame floor(24 t) has it."""
    movie = tmp_path / "movie.mp4"
    frames = np.zeros((96, 64, 256, 3), np.uint8)
    for number, frame in enumerate(frames):
        frame[:, 96 + number // 2 : 104 + number // 2] = 255
    write_mp4(movie, frames, 24)
    config = load_files([study.config])
    shown = any_steps.movie_frames(movie, config).astype(float)[..., 0]
    assert shown.shape[:2] == (2, 16)
    scale = 64 / shown.shape[3]
    centre = (shown.sum(axis=2) * (np.arange(shown.shape[3]) + 0.5)).sum(-1) / shown.sum(axis=(2, 3)) * scale
    times = (np.arange(32) + 0.5) / 8
    expected = np.array([100 + int(24 * time + 1e-9) // 2 for time in times]) - 96
    np.testing.assert_allclose(centre.ravel(), expected, atol=0.6)


def test_responses_on_other_vertices_are_refused(study, tmp_path):
    path = study.model.parents[2] / "preprocess/subject1/train.safetensors"
    responses = {"responses": np.zeros((1, 1, VERTICES), np.float32), "vertex": VERTEX + 1}
    for facts, message in (
        (FACTS, "not those that their hash"),
        ({**FACTS, "vertex_hash": "x"}, "vertex_hash"),
    ):
        write_tensors(path, responses, provenance("test", {}), ["seg1:0"], **facts)
        with pytest.raises(InputError, match=message):
            study.clip(6.0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_listed_at_once(study, tmp_path):
    shutil.rmtree(study.model.parents[2] / "embed")
    (study.model.parents[2] / "decouple/ours/subject1/model.safetensors").unlink()
    with pytest.raises(InputError, match=r"there is no .*decouple.*, .*concepts"):
        study.clip(6.0, tmp_path / "out")


def test_confounds_of_the_study_are_asked_for(study, tmp_path):
    values = yaml.safe_load(study.config.read_text())
    study.config.write_text(yaml.safe_dump({**values, "preprocess": {"confounds": ["trans_*"]}}))
    with pytest.raises(InputError, match=r"trans_\*.*--confounds"):
        study.clip(6.0, tmp_path / "out")
