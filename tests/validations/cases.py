"""What is validated: each case breaks a real file, and names what a user should be told.

A case is a function of a folder; its docstring says what is wrong, its decorator where that is found and how hard it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import torch
from nibabel.cifti2 import BrainModelAxis
from PIL import Image

from neurons.annotate.released_masks import ReleasedPictures
from neurons.artifacts import TensorFile, hash_vertices, provenance, write_tensors
from neurons.config import Study
from neurons.preprocess import atlas, cc2017, selection_steps
from neurons.preprocess.alignment_steps import movie_features
from neurons.preprocess.index_steps import index_cc2017
from neurons.preprocess.runs import by_movie
from neurons.preprocess.settings import Preprocess
from neurons.pretrain.checks import check_batch_size, check_models
from neurons.pretrain.data import split_movies
from neurons.pretrain.features import Features
from neurons.pretrain.store import check_vertices
from neurons.published.convert import convert
from neurons.simulate.cortex import grayordinate_axis
from neurons.simulate.faults import parse_faults, spoil, spoil_movie
from neurons.simulate.settings import Simulate
from neurons.study import check_files, read_runs
from tests.validations import files

Action = Callable[[Path], None]


@dataclass(frozen=True)
class Case:
    """A validation: stage, level, what is wrong, and how to make it so and ask."""

    stage: str
    level: str
    wrong: str
    act: Action


CASES: list[Case] = []


def case(stage: str, level: str) -> Callable[[Action], Action]:
    """Put a function into the list."""

    def add(act: Action) -> Action:
        CASES.append(Case(stage, level, " ".join((act.__doc__ or "").split()), act))
        return act

    return add


# Folders and tables


def _skeleton(folder: Path) -> Path:
    (folder / "stimuli").mkdir()
    for movie, split in cc2017.MOVIES.items():
        (folder / "stimuli" / f"{movie}.mp4").touch()
        place = folder / "subject1" / "fmri" / movie / "cifti"
        place.mkdir(parents=True)
        for repeat in range(1, cc2017.REPEATS[split] + 1):
            (place / cc2017.bold_names(movie, repeat)[0]).touch()
    return folder


def _index(folder: Path) -> None:
    index_cc2017(folder, runs=folder / "runs.tsv", subjects=("subject1",))


@case("index-cc2017", "error")
def missing_run(folder: Path) -> None:
    """Runs are missing (here seg3 and one repeat of test2)."""
    place = _skeleton(folder) / "subject1" / "fmri"
    for name in ("seg3/cifti/seg3_1", "seg3/cifti/seg3_2", "test2/cifti/test2_4"):
        (place / f"{name}_Atlas.dtseries.nii").unlink()
    _index(folder)


@case("index-cc2017", "note")
def misnamed_run(folder: Path) -> None:
    """A run is misnamed as in the published data; it is taken as it is."""
    place = _skeleton(folder) / "subject1" / "fmri" / "test1" / "cifti"
    right, wrong = cc2017.bold_names("test1", 9)
    (place / right).rename(place / wrong)
    _index(folder)


@case("index-cc2017", "error")
def wrong_count_for_the_name(folder: Path) -> None:
    """Volume count and name do not belong together."""
    path = _skeleton(folder) / "subject1/fmri/seg1/cifti/seg1_1_Atlas.dtseries.nii"
    files.bold(path.parent, name=path.name)
    _index(folder)


def _table(folder: Path, **columns: object) -> Path:
    names = ("seg1", "seg2", "seg10", "test1")
    rows = {
        "subject": "s1", "split": ["train"] * 3 + ["test"], "movie": names, "repeat": 1,
        "bold": [f"s1/{name}.dtseries.nii" for name in names], "stimulus": [f"stimuli/{name}.mp4" for name in names],
        "onset_s": 2.0,
    }  # fmt: skip
    pd.DataFrame({**rows, **columns}).to_csv(folder / "runs.tsv", sep="\t", index=False)
    return folder / "runs.tsv"


STUDY = Study(validation_movies=["seg10"])


@case("run table", "error")
def file_under_two_names(folder: Path) -> None:
    """One file is named for two runs."""
    read_runs(
        _table(folder, bold=["a.dtseries.nii", "a.dtseries.nii", "b.dtseries.nii", "c.dtseries.nii"]), STUDY
    )


@case("run table", "error")
def movie_in_both_splits(folder: Path) -> None:
    """A movie is trained on and tested on."""
    read_runs(_table(folder, movie=["seg1", "seg2", "seg10", "seg1"], repeat=[1, 1, 1, 2]), STUDY)


@case("run table", "error")
def missing_files(folder: Path) -> None:
    """Files of the run table do not exist; listed before anything runs."""
    check_files(read_runs(_table(folder), STUDY), folder)


@case("run table", "error")
def unknown_exclusion(folder: Path) -> None:
    """study.exclude names a run that does not exist."""
    read_runs(_table(folder), Study(validation_movies=["seg10"], exclude={"s1/seg11/1": "late"}))


@case("run table", "ordered")
def order_of_names(folder: Path) -> None:
    """seg10 sorted before seg2: names are put into natural order everywhere."""
    order = read_runs(_table(folder), STUDY)["movie"].tolist()
    raise AssertionError if order != ["seg1", "seg2", "seg10", "test1"] else Ordered(" < ".join(order))


class Ordered(Exception):
    """Not an error: what the order is."""


# Runs


@case("preprocess run", "error")
def no_file(folder: Path) -> None:
    """The file does not exist."""
    files.preprocess(folder, folder / "seg1_1_Atlas.dtseries.nii")


@case("preprocess run", "error")
def truncated_cifti(folder: Path) -> None:
    """A CIFTI file breaks off."""
    files.preprocess(folder, files.halve(files.bold(folder)))


@case("preprocess run", "error")
def contradicting_cifti(folder: Path) -> None:
    """A CIFTI file holds another number of volumes than its axes describe."""
    path = files.bold(folder)
    path.write_bytes(path.read_bytes().replace(b'NumberOfSeriesPoints="21"', b'NumberOfSeriesPoints="20"'))
    files.preprocess(folder, path)


@case("preprocess run", "error")
def truncated_nifti(folder: Path) -> None:
    """A NIfTI file breaks off."""
    path, where = files.volume(folder, "nii")
    files.read_volume(files.halve(path), where)


@case("preprocess run", "error")
def truncated_gzip(folder: Path) -> None:
    """A compressed NIfTI file breaks off."""
    path, where = files.volume(folder)
    files.read_volume(files.halve(path), where)


@case("preprocess run", "error")
def other_grid(folder: Path) -> None:
    """Mask and run are on different grids."""
    path, where = files.volume(folder)
    files.read_volume(path, where.assign(x_mm=where["x_mm"] + 2))


@case("preprocess run", "error")
def wrong_volume_count(folder: Path) -> None:
    """Volumes are missing (fault wrong_volume_count)."""
    files.preprocess(
        folder, files.change(files.bold(folder), lambda data: spoil(data, {"wrong_volume_count"}))
    )


@case("preprocess run", "error")
def nan_vertices(folder: Path) -> None:
    """Vertices hold NaN (fault nan_vertices)."""
    files.preprocess(folder, files.change(files.bold(folder), lambda data: spoil(data, {"nan_vertices"})))


@case("preprocess run", "warning")
def constant_vertices(folder: Path) -> None:
    """Vertices do not change (fault constant_vertices); they are never selected."""
    files.preprocess(
        folder, files.change(files.bold(folder), lambda data: spoil(data, {"constant_vertices"}))
    )


@case("preprocess run", "warning")
def faint_vertices(folder: Path) -> None:
    """Vertices hardly change, as rounding makes them."""

    def hardly(data: np.ndarray) -> np.ndarray:
        data[:, 100:107] = 10_000 + (data[:, 100:107] - 10_000) / 200
        return data

    files.preprocess(folder, files.change(files.bold(folder), hardly))


@case("preprocess run", "warning")
def spikes_in_one_volume(folder: Path) -> None:
    """One volume is far from the others in many vertices, as after a jolt."""

    def jolt(data: np.ndarray) -> np.ndarray:
        data[10, ::20] += 3_000
        return data

    files.preprocess(folder, files.change(files.bold(folder), jolt))


def _parts() -> tuple[BrainModelAxis, BrainModelAxis, BrainModelAxis]:
    axis = grayordinate_axis()
    return axis[atlas.LEFT], axis[atlas.RIGHT], axis[atlas.CORTEX :]


@case("preprocess run", "error")
def right_before_left(folder: Path) -> None:
    """The right cortex comes before the left one."""
    left, right, rest = _parts()
    axis = right + left + rest
    files.preprocess(
        folder, files.cifti(folder / "run.dtseries.nii", np.ones((files.VOLUMES, len(axis))), axis)
    )


@case("preprocess run", "error")
def other_number_of_grayordinates(folder: Path) -> None:
    """Only the cortex is there."""
    left, right, _ = _parts()
    axis = left + right
    files.preprocess(
        folder, files.cifti(folder / "run.dtseries.nii", np.ones((files.VOLUMES, len(axis))), axis)
    )


@case("preprocess run", "error")
def other_mesh(folder: Path) -> None:
    """The shape is right, but the vertices are those of another mesh."""
    _, right, rest = _parts()
    left = BrainModelAxis.from_surface(np.arange(29_696), atlas.MESH_VERTICES, "CIFTI_STRUCTURE_CORTEX_LEFT")
    axis = left + right + rest
    files.preprocess(
        folder, files.cifti(folder / "run.dtseries.nii", np.ones((files.VOLUMES, len(axis))), axis)
    )


@case("preprocess run", "warning")
def header_repetition_time(folder: Path) -> None:
    """The header states another repetition time."""
    files.preprocess(folder, files.bold(folder, step_s=1.0))


@case("preprocess run", "error")
def scan_too_short(folder: Path) -> None:
    """The scan ends before the last clip's response."""
    settings = Preprocess(hemodynamic_delay_s=16.0)
    files.preprocess(folder, files.bold(folder), settings=settings)


@case("preprocess run", "warning")
def moving_head(folder: Path) -> None:
    """The head moved much (confounds table of fMRIPrep)."""
    moved = pd.DataFrame({"framewise_displacement": [np.nan] + [0.8] * (files.VOLUMES - 1)})
    moved.to_csv(folder / "confounds.tsv", sep="\t", index=False, na_rep="n/a")
    files.preprocess(folder, files.bold(folder), confounds=folder / "confounds.tsv")


@case("preprocess run", "error")
def confounds_of_another_run(folder: Path) -> None:
    """The confounds table has another number of rows."""
    pd.DataFrame({"trans_x": np.arange(9.0)}).to_csv(folder / "confounds.tsv", sep="\t", index=False)
    settings = Preprocess(confounds=["trans_x"])
    files.preprocess(folder, files.bold(folder), confounds=folder / "confounds.tsv", settings=settings)


# Runs together


@case("preprocess select", "error")
def same_file_twice(folder: Path) -> None:
    """A repeat is a copy of another (fault duplicate_run)."""
    run = files.bold(folder)
    by_movie([files.preprocess(folder, run, repeat=1), files.preprocess(folder, run, repeat=2)], "subject1")


@case("preprocess select", "error")
def copied_vertices(folder: Path) -> None:
    """A repeat is a copy of another in part of the vertices."""
    first = files.bold(folder)
    whole = np.asarray(nibabel.load(first).dataobj).copy()
    second = files.bold(folder, seed=1, name="seg1_2_Atlas.dtseries.nii")

    def copy(data: np.ndarray) -> np.ndarray:
        data[:, 40_000:41_000] = whole[:, 40_000:41_000]
        return data

    runs = [files.preprocess(folder, first), files.preprocess(folder, files.change(second, copy), repeat=2)]
    others = [
        files.preprocess(
            folder, files.bold(folder, 2 + repeat, f"seg2_{repeat}.dtseries.nii"), "seg2", repeat
        )
        for repeat in (1, 2)
    ]
    _select(folder, [*runs, *others])


@case("preprocess select", "error")
def nothing_repeats(folder: Path) -> None:
    """Responses do not repeat at all."""
    runs = [
        files.preprocess(
            folder, files.bold(folder, 2 * number + repeat, f"{movie}_{repeat}.dtseries.nii"), movie, repeat
        )
        for number, movie in enumerate(("seg1", "seg2"))
        for repeat in (1, 2)
    ]
    _select(folder, runs)


def _select(folder: Path, runs: list[Path]) -> None:
    selection_steps.select(
        subject="subject1",
        runs=runs,
        frames=[],
        locations=folder / "locations.parquet",
        settings=Preprocess(),
        selection=folder / "selection.parquet",
    )


@case("preprocess select", "error")
def movie_under_two_names(folder: Path) -> None:
    """A movie's file lies under two names."""
    pictures = np.random.default_rng(0).integers(0, 255, (files.CLIPS, 6, 16, 16, 3), np.uint8)
    frames = [folder / f"{movie}_frames.safetensors" for movie in ("seg1", "seg2", "seg3")]
    for path, content in zip(frames, (pictures, pictures[::-1], pictures), strict=True):
        ids = [f"{path.name.split('_')[0]}:{index}" for index in range(files.CLIPS)]
        write_tensors(path, {"frames": np.ascontiguousarray(content)}, provenance("cut clips", {}), ids)
    movie_features(frames, 4)


@case("preprocess select", "error")
def run_of_another_subject(folder: Path) -> None:
    """A run is of another subject."""
    by_movie([files.preprocess(folder, files.bold(folder))], "subject2")


@case("reconstruct decode", "error")
def model_of_another_subject(folder: Path) -> None:
    """A model meets responses of other vertices (another subject's, with the same number of them)."""
    vertices = np.arange(10)
    path = folder / "test.safetensors"
    write_tensors(
        path, {"vertex": vertices}, provenance("preprocess gather-test", {}), subject="subject2",
        vertex_hash=hash_vertices(vertices),
    )  # fmt: skip
    trained = {"subject": "subject1", "vertex_hash": hash_vertices(vertices + 1)}
    check_vertices(trained, TensorFile(path), folder / "model.safetensors")


# Training


def _features(folder: Path, movie: str, clip: str, values: np.ndarray) -> Path:
    """Features of a movie, made by the CLIP model in a folder."""
    (folder / clip).mkdir(exist_ok=True)
    (folder / clip / "weights").write_text(clip)
    path = folder / f"{movie}.safetensors"
    ids = [f"{movie}:{index}" for index in range(len(values))]
    write_tensors(path, {"tokens": values}, provenance("embed images", {"clip": folder / clip}), ids)
    return path


@case("pretrain fit", "error")
def features_of_two_models(folder: Path) -> None:
    """Features of some movies were made by another model."""
    check_models(
        [
            _features(folder, movie, clip, np.zeros((1, 2)))
            for movie, clip in (("seg1", "one"), ("seg2", "two"))
        ]
    )


@case("pretrain fit", "error")
def features_of_another_type(folder: Path) -> None:
    """Features are whole numbers."""
    Features([_features(folder, "seg1", "one", np.zeros((1, 2), np.int64))], "tokens", "f")


@case("pretrain fit", "error")
def missing_features(folder: Path) -> None:
    """A clip has no features."""
    Features([_features(folder, "seg1", "one", np.zeros((2, 2)))], "tokens").locate(["seg1:1", "seg1:2"])


@case("pretrain fit", "error")
def no_validation_movie(folder: Path) -> None:
    """The validation movies hold no training clips."""
    split_movies(["seg1:0", "seg2:0"], ["seg3"], "train.safetensors")


@case("pretrain fit", "error")
def batch_larger_than_data(folder: Path) -> None:
    """A batch is larger than the training set."""
    check_batch_size(64, 48, "pretrain.optimiser.batch_size")


@case("annotate released-masks", "error")
def other_masks(folder: Path) -> None:
    """Released masks are of more clips than there are (here those of the other split)."""
    (folder / "masks").mkdir()
    for clip in (0, 1200):
        picture = Image.new("L", (8, 8), 1)
        picture.save(folder / "masks" / f"mask_{clip}_f0_1.png")
    (folder / "names.json").write_text('{"mask_0_f0": {"1": "dog"}}')
    ReleasedPictures(folder / "masks", folder / "names.json", 1200, 6)


@case("annotate released-masks", "warning")
def masks_without_a_name(folder: Path) -> None:
    """A released mask has no name; it is left out."""
    (folder / "masks").mkdir()
    for label in (1, 2):
        Image.new("L", (8, 8), 1).save(folder / "masks" / f"mask_0_f0_{label}.png")
    (folder / "names.json").write_text('{"mask_0_f0": {"1": "dog"}}')
    ReleasedPictures(folder / "masks", folder / "names.json", 1200, 6)


@case("pretrain fit", "error")
def processes_without_a_pair(folder: Path) -> None:
    """More processes share a batch than it has pairs."""
    check_batch_size(8, 100, "pretrain.optimiser.batch_size", processes=16)


@case("pretrain import-checkpoint", "error")
def unknown_weight(folder: Path) -> None:
    """A released checkpoint holds a weight that nobody knows."""
    convert({f"{part}.new.weight": torch.zeros(1) for part in ("ridge", "backbone", "clipproj")}, 224, 28)


@case("simulate", "error")
def unknown_fault(folder: Path) -> None:
    """simulate.faults names a fault or a run that does not exist."""
    parse_faults(
        Simulate(faults=["nan_vertices:subject9/seg1/1"]).faults, pd.read_csv(_table(folder), sep="\t")
    )


# Movies


@case("cut clips", "error")
def missing_movie(folder: Path) -> None:
    """The movie does not exist."""
    files.cut_movie(folder / "seg1.mp4")


@case("cut clips", "error")
def zero_length_movie(folder: Path) -> None:
    """The movie has zero bytes."""
    (folder / "seg1.mp4").touch()
    files.cut_movie(folder / "seg1.mp4")


@case("cut clips", "error")
def truncated_movie(folder: Path) -> None:
    """A movie with its index at the end breaks off."""
    files.cut_movie(files.halve(files.movie(folder)))


@case("cut clips", "error")
def truncated_fast_start_movie(folder: Path) -> None:
    """A movie with its index in front breaks off (fault truncated_movie): FFmpeg decodes it without an error code."""
    path = files.movie(folder, faststart=True)
    spoil_movie(path, {"truncated_movie"})
    files.cut_movie(path)


@case("cut clips", "error")
def short_movie(folder: Path) -> None:
    """The movie is shorter than a clip."""
    files.cut_movie(files.movie(folder, frames=40))


@case("cut clips", "warning")
def rest_of_movie(folder: Path) -> None:
    """The movie is no whole number of clips."""
    files.cut_movie(files.movie(folder, frames=150))


@case("cut clips", "warning")
def variable_frame_rate(folder: Path) -> None:
    """Frames are not shown equally long (fault variable_frame_rate)."""
    path = files.movie(folder)
    spoil_movie(path, {"variable_frame_rate"})
    files.cut_movie(path)


@case("cut clips", "note")
def ntsc_rate(folder: Path) -> None:
    """29.97 frames per second: frames are chosen by time, so that nothing drifts; the rate is recorded."""
    files.cut_movie(files.movie(folder, frames=1800, rate=Fraction(30000, 1001)))
    from neurons.artifacts import read_json

    facts = read_json(folder / "video.json")
    raise Ordered(f"frame_rate {facts['frame_rate']}, {facts['clips']} clips in {facts['duration_s']:.2f} s")


@case("cut clips", "warning")
def late_start(folder: Path) -> None:
    """Time stamps do not begin at 0."""
    times = [Fraction(1, 2) + Fraction(n, 30) for n in range(120)]
    files.cut_movie(files.movie(folder, times=times))


@case("cut clips", "warning")
def rotated(folder: Path) -> None:
    """The file asks players to turn the picture."""
    files.cut_movie(files.movie(folder, rotation=90))


@case("cut clips", "warning")
def oblong_pixels(folder: Path) -> None:
    """Pixels are not square."""
    files.cut_movie(files.movie(folder, aspect=Fraction(4, 3)))


@case("cut clips", "warning")
def ten_bits(folder: Path) -> None:
    """Ten bits per component."""
    files.cut_movie(files.movie(folder, pixel_format="yuv420p10le"))


@case("cut clips", "warning")
def full_range(folder: Path) -> None:
    """Full colour range."""
    files.cut_movie(files.movie(folder, pixel_format="yuvj420p"))


@case("cut clips", "error")
def repeated_time_stamps(folder: Path) -> None:
    """Frames have the same presentation time."""
    files.cut_movie(files.halting(files.movie(folder)))


@case("cut clips", "warning")
def interlaced(folder: Path) -> None:
    """The movie is interlaced."""
    files.cut_movie(files.movie(folder, interlaced=True))


@case("cut clips", "warning")
def frozen(folder: Path) -> None:
    """A clip does not change."""
    files.cut_movie(files.movie(folder, still=range(60, 120)))


@case("cut clips", "warning")
def black(folder: Path) -> None:
    """A clip is black."""
    files.cut_movie(files.movie(folder, dark=range(60)))
