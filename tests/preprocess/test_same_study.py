"""One simulated study in four shapes (cc2017, BIDS with CIFTI, BIDS with volumes, released arrays): the same responses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from neurons.artifacts import InputError, TensorFile, provenance, read_table, write_table
from neurons.config import Study
from neurons.cut import released_steps as cut_released
from neurons.cut import steps as cut
from neurons.cut.settings import Cut
from neurons.preprocess import alignment_steps, selection_steps, steps
from neurons.preprocess.index_steps import index_bids, index_released
from neurons.preprocess.released_steps import released_captions, released_locations, released_run
from neurons.preprocess.settings import Preprocess, Volume
from neurons.simulate import layout_steps, movie_steps
from neurons.simulate import steps as simulate
from neurons.simulate.design import simulated_runs
from neurons.simulate.settings import Simulate
from neurons.study import read_runs

SETTINGS = Simulate(train_movie_s=40, test_movie_s=40, subjects={"subject1": {"signal": 3.0}})
SELECTION = {"correction": "fdr", "minimum": 500, "fallback_top": 500}
MOVIES = ("seg1", "seg2", "seg3", "test1")


@dataclass(frozen=True)
class Shape:
    """Where a processed study lies."""

    folder: Path
    runs: pd.DataFrame

    def of(self, split: str) -> list[Path]:
        rows = self.runs[self.runs["split"] == split]
        return [self.folder / f"{row.movie}_{row.repeat}.safetensors" for row in rows.itertuples()]

    def responses(self, name: str) -> np.ndarray:
        return np.asarray(TensorFile(self.folder / f"{name}.safetensors")["responses"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Movies, runs and cut clips of a small simulated study in the layout of cc2017."""
    folder = tmp_path_factory.mktemp("world")
    root, truth = folder / "data", folder / "truth"
    table = simulated_runs(["subject1"], {"train": (3, 2), "test": (1, 2)})
    write_table(folder / "runs.tsv", table, provenance("simulate run_table", {}))
    for movie in MOVIES:
        named = {name: folder / "notes" / f"{movie}_{name}" for name in ("captions", "instances", "masks")}
        movie_steps.movie(
            runs=folder / "runs.tsv",
            movie=movie,
            settings=SETTINGS,
            video=root / "stimuli" / f"{movie}.mp4",
            captions=named["captions"].with_suffix(".tsv"),
            instances=named["instances"].with_suffix(".tsv"),
            masks=named["masks"].with_suffix(".safetensors"),
            scenes=truth / f"{movie}.parquet",
        )
        cut.clips(
            movie=movie,
            video=root / "stimuli" / f"{movie}.mp4",
            clip_s=2.0,
            settings=Cut(),
            frames=folder / f"cut/{movie}/frames.safetensors",
            clips=folder / f"cut/{movie}/clips.tsv",
            facts=folder / f"cut/{movie}/video.json",
        )
    simulate.brain(
        runs=folder / "runs.tsv", subject="subject1", settings=SETTINGS, vertices=truth / "brain.parquet"
    )
    for row in table.itertuples():
        simulate.run(
            runs=folder / "runs.tsv",
            subject="subject1",
            movie=str(row.movie),
            repeat=int(str(row.repeat)),
            scenes=truth / f"{row.movie}.parquet",
            vertices=truth / "brain.parquet",
            repetition_time_s=2.0,
            settings=SETTINGS,
            bold=root / str(row.bold),
        )
    return folder


def process(world: Path, folder: Path, root: Path, runs: pd.DataFrame, settings: Preprocess) -> Shape:
    """All steps of the stage, as the rules call them."""
    where = folder / "locations.parquet"
    shape = Shape(folder, runs)
    steps.locations(subject="s", space=settings.space, settings=settings.volume, locations=where)
    for row in runs.itertuples():
        steps.run(
            bold=root / str(row.bold),
            subject=str(row.subject),
            movie=str(row.movie),
            repeat=int(str(row.repeat)),
            clips=world / f"cut/{row.movie}/clips.tsv",
            locations=where,
            confounds=root / str(row.confounds) if settings.confounds else None,
            onset_s=float(str(row.onset_s)),
            clip_s=2.0,
            repetition_time_s=2.0,
            tail_s=12.0,
            settings=settings,
            responses=folder / f"{row.movie}_{row.repeat}.safetensors",
        )
    finish(world, shape, str(runs["subject"].iloc[0]), settings)
    return shape


def finish(world: Path, shape: Shape, subject: str, settings: Preprocess) -> None:
    folder = shape.folder
    frames = {movie: world / f"cut/{movie}/frames.safetensors" for movie in MOVIES}
    selection_steps.select(
        subject=subject,
        runs=shape.of("train"),
        frames=[frames[movie] for movie in MOVIES if movie.startswith("seg")],
        locations=folder / "locations.parquet",
        settings=settings,
        selection=folder / "selection.parquet",
    )
    for split in ("train", "test"):
        alignment_steps.alignment(
            subject=subject,
            split=split,
            train_runs=shape.of("train"),
            test_runs=shape.of("test") if split == "test" else None,
            frames=list(frames.values()),
            selection=folder / "selection.parquet",
            clip_s=2.0,
            settings=settings,
            table=folder / f"alignment_{split}.tsv",
        )
    selection_steps.quality(
        subject=subject,
        runs=[*shape.of("train"), *shape.of("test")],
        selection=folder / "selection.parquet",
        alignment=[folder / f"alignment_{split}.tsv" for split in ("train", "test")],
        locations=folder / "locations.parquet",
        table=folder / "quality.tsv",
        areas=folder / "areas.tsv",
        summary=folder / "quality.json",
        picture=folder / "quality.png",
    )
    steps.gather_train(
        subject=subject,
        runs=shape.of("train"),
        selection=folder / "selection.parquet",
        alignment=folder / "alignment_train.tsv",
        action="stop",
        responses=folder / "train.safetensors",
    )
    steps.gather_test(
        subject=subject,
        runs=shape.of("test"),
        train_runs=shape.of("train"),
        selection=folder / "selection.parquet",
        alignment=folder / "alignment_test.tsv",
        action="stop",
        responses=folder / "test.safetensors",
    )


@pytest.fixture(scope="module")
def raw(world: Path) -> Shape:
    runs = read_runs(world / "runs.tsv", Study(validation_movies=["seg3"]))
    return process(world, world / "raw", world / "data", runs, Preprocess(selection=SELECTION))


def bids_runs(world: Path, root: Path, space: str, output: Path) -> pd.DataFrame:
    index_bids(root, test_movies=["test1"], space=space, runs=output)
    return read_runs(output, Study(source="files", validation_movies=["seg3"]))


def test_bids_with_cifti(world: Path, raw: Shape) -> None:
    root = world / "bids"
    layout_steps.bids(runs=world / "runs.tsv", root=world / "data", folder=root)
    runs = bids_runs(world, root, "fsLR", world / "bids.tsv")
    assert runs[["split", "movie", "repeat", "onset_s"]].equals(
        raw.runs[["split", "movie", "repeat", "onset_s"]]
    )
    assert set(runs["subject"]) == {"sub-subject1"}
    shape = process(world, world / "from_bids", root, runs, Preprocess(selection=SELECTION))
    for name in ("train", "test"):
        np.testing.assert_array_equal(shape.responses(name), raw.responses(name))


def test_bids_with_volumes_and_an_atlas(world: Path, raw: Shape) -> None:
    root = world / "bids_volume"
    layout_steps.bids(runs=world / "runs.tsv", root=world / "data", folder=root, space="volume")
    runs = bids_runs(world, root, "MNI152NLin2009cAsym", world / "bids_volume.tsv")
    atlas = root / "derivatives/fmriprep/atlas"
    volume = Volume(atlas=str(next(atlas.glob("*_dseg.nii.gz"))), labels=str(atlas / "areas_dseg.tsv"))
    settings = Preprocess(selection=SELECTION, space="volume", volume=volume)
    shape = process(world, world / "from_volumes", root, runs, settings)
    for name in ("train", "test"):
        np.testing.assert_allclose(shape.responses(name), raw.responses(name), atol=1e-5)
    areas = [read_table(part.folder / "locations.parquet")["area"].tolist() for part in (raw, shape)]
    assert areas[0] == areas[1]
    first, second = (read_table(part.folder / "areas.tsv") for part in (raw, shape))
    pd.testing.assert_frame_equal(first, second, atol=1e-4)


def test_released_arrays(world: Path, raw: Shape, caplog: pytest.LogCaptureFixture) -> None:
    root, folder = world / "released", world / "from_released"
    frames = {movie: world / f"cut/{movie}/frames.safetensors" for movie in MOVIES}
    layout_steps.released(
        subject="subject1",
        train_runs=raw.of("train"),
        test_runs=raw.of("test"),
        selection=raw.folder / "selection.parquet",
        train_frames=[frames[movie] for movie in MOVIES[:3]],
        test_frames=[frames["test1"]],
        annotations=world / "notes",
        folder=root,
    )
    index_released(
        root,
        runs=world / "released.tsv",
        subjects=("subject1",),
        train_movies=MOVIES[:3],
        test_movies=("test1",),
    )
    runs = read_runs(world / "released.tsv", Study(source="released", validation_movies=["seg3"]))
    for movie in MOVIES:
        row = runs[runs["movie"] == movie].iloc[0]
        cut_released.released(
            array=root / row["stimulus"],
            movie=movie,
            first_clip=int(row["first_clip"]),
            count=int(row["clips"]),
            clip_s=2.0,
            settings=Cut(),
            frames=folder / f"cut/{movie}/frames.safetensors",
            clips=folder / f"cut/{movie}/clips.tsv",
            facts=folder / f"cut/{movie}/video.json",
        )
        ours, theirs = (TensorFile(part / f"cut/{movie}/frames.safetensors") for part in (world, folder))
        np.testing.assert_array_equal(ours["frames"], theirs["frames"])
        np.testing.assert_allclose(ours["time_s"], theirs["time_s"])
    first = runs.iloc[0]
    released_locations(array=root / first["bold"], subject="subject1", locations=folder / "locations.parquet")
    for row in runs.itertuples():
        released_run(
            array=root / str(row.bold),
            subject="subject1",
            movie=str(row.movie),
            repeat=int(str(row.repeat)),
            first_clip=int(str(row.first_clip)),
            clips=folder / f"cut/{row.movie}/clips.tsv",
            responses=folder / f"{row.movie}_{row.repeat}.safetensors",
        )
    shape = Shape(folder, runs)
    finish(folder, shape, "subject1", Preprocess(selection={"by": "all", "minimum": 1}))
    for name in ("train", "test"):
        np.testing.assert_array_equal(shape.responses(name), raw.responses(name))
    assert TensorFile(folder / "train.safetensors").metadata["space"] == "unknown"
    assert "without ids" in "\n".join(caplog.messages)
    released_captions(
        array=root / "GT_test_caption.pt", runs=world / "released.tsv", folder=folder / "notes", split="test"
    )
    captions = read_table(folder / "notes" / "test1_captions.tsv")["caption"].tolist()
    assert len(captions) == 20 and set(captions) == set(
        read_table(world / "notes/test1_captions.tsv")["caption"]
    )


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[..., Path]:
    def write(responses: torch.Tensor, frames: torch.Tensor) -> Path:
        for split in ("train", "test"):
            torch.save(responses, tmp_path / f"subj01_{split}_fmri.pt")
            torch.save(frames, tmp_path / f"GT_{split}_3fps.pt")
        return tmp_path

    return write


def released_frames(root: Path, **changes: object) -> None:
    arguments = {
        "array": root / "GT_train_3fps.pt", "movie": "seg1", "first_clip": 0, "count": 4, "clip_s": 2.0,
        "settings": Cut(frame_size_px=16), "frames": root / "f.safetensors",
        "clips": root / "c.tsv", "facts": root / "v.json",
    }  # fmt: skip
    cut_released.released(**{**arguments, **changes})


def test_released_files_that_cannot_be_used(arrays: Callable[..., Path]) -> None:
    frames = torch.rand(8, 6, 3, 16, 16)
    root = arrays(torch.randn(8, 2, 5), frames)
    with pytest.raises(InputError, match=r"cut.frame_size_px asks for 3 x 64 x 64.*Nothing is resized"):
        released_frames(root, settings=Cut())
    torch.save(frames * 255, root / "GT_train_3fps.pt")
    with pytest.raises(InputError, match=r"span .* not 0 to 1"):
        released_frames(root)
    torch.save(Path("code"), root / "GT_train_3fps.pt")
    with pytest.raises(InputError, match="asks for more than plain tensors, which could run code"):
        released_frames(root)
    whole = (root / "GT_test_3fps.pt").read_bytes()
    (root / "GT_train_3fps.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"GT_train_3fps.pt cannot be read .*truncated"):
        released_frames(root)
    torch.save(torch.randn(7, 2, 5), root / "subj01_train_fmri.pt")
    torch.save(frames, root / "GT_train_3fps.pt")
    with pytest.raises(InputError, match=r"subj01_train_fmri.pt is 7 x 2 x 5 .*has 8 clips"):
        index_released(
            root, runs=root / "r.tsv", subjects=("subject1",), train_movies=("a", "b"), test_movies=("t",)
        )


def test_everything_wrong_with_a_bids_study_is_listed_at_once(world: Path) -> None:
    root = world / "broken"
    layout_steps.bids(runs=world / "runs.tsv", root=world / "data", folder=root)
    func, derived = root / "sub-subject1/func", root / "derivatives/fmriprep/sub-subject1/func"
    stem = "sub-subject1_task-movie_run-"
    (func / f"{stem}01_events.tsv").unlink()
    (func / f"{stem}02_events.tsv").write_text("onset\tduration\tstim_file\n0\t40\tbeep.wav\n")
    (derived / f"{stem}03_desc-confounds_timeseries.tsv").unlink()
    (root / "stimuli/seg3.mp4").unlink()
    (derived / f"{stem}04_space-fsLR_den-91k_bold.json").write_text(json.dumps({"RepetitionTime": 1.5}))
    with pytest.raises(InputError) as caught:
        index_bids(root, test_movies=["test1", "test9"], runs=world / "never.tsv")
    message = str(caught.value)
    for part in (
        "run-01_events.tsv does not exist", "run-02_events.tsv: no row names a movie", "run-03: ", "seg3.mp4 does not exist",
        "no run shows the test movies ['test9']", "2 s: 7 runs, such as sub-subject1_task-movie_run-01; 1.5 s: 1 runs",
    ):  # fmt: skip
        assert part in message
    assert message.count("\n- ") == 6 and not (world / "never.tsv").exists()
    with pytest.raises(InputError, match=r"no \*_desc-preproc_bold.nii.gz with space-T1w"):
        index_bids(root, test_movies=["test1"], space="T1w", runs=world / "never.tsv")
