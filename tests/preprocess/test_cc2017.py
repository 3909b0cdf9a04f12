"""The published layout: unpacked, indexed, and refused with a list of what is missing."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from neurons.artifacts import InputError, read_table
from neurons.config import Study, load
from neurons.preprocess import atlas, cc2017
from neurons.preprocess.index_steps import index_cc2017, unpack_cc2017
from neurons.study import read_runs

ROOT = Path(__file__).parents[2]
WriteRun = Callable[..., Path]


def skeleton(root: Path, subjects: tuple[str, ...] = cc2017.SUBJECTS) -> Path:
    """Empty files of the right names (one with the misspelling that occurs)."""
    (root / "stimuli").mkdir(parents=True)
    for movie, split in cc2017.MOVIES.items():
        (root / "stimuli" / f"{movie}.mp4").touch()
        for subject in subjects:
            folder = root / subject / "fmri" / movie / "cifti"
            folder.mkdir(parents=True)
            for repeat in range(1, cc2017.REPEATS[split] + 1):
                misspelt = (subject, movie, repeat) == ("subject1", "test1", 9)
                (folder / cc2017.bold_names(movie, repeat)[misspelt]).touch()
    return root


def test_a_complete_folder_gives_the_whole_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    skeleton(tmp_path / "data" / "video_fmri_dataset")
    with caplog.at_level("INFO", "neurons"):
        index_cc2017(tmp_path / "data", runs=tmp_path / "runs.tsv")
    table = read_table(tmp_path / "runs.tsv")
    assert len(table) == 3 * (18 * 2 + 5 * 10)
    onsets = table.groupby("movie")["onset_s"].unique().map(list)
    late = {"test2", "test3", "test4", "test5"}
    assert all(onsets[movie] == [0.0 if movie in late else 2.0] for movie in cc2017.MOVIES)
    assert {cc2017.expected_volumes(m) for m in cc2017.MOVIES if m not in late} == {245}
    assert {cc2017.expected_volumes(movie) for movie in late} == {246}
    text = "\n".join(caplog.messages)
    assert "test1_9.Atlas.dtseries.nii is misnamed" in text
    assert "subject3/test2/9 is left out" in text and "about 10 s behind" in text
    assert "281 files are empty" in text  # 258 runs and 23 movies


def test_the_shipped_configuration_leaves_the_late_run_out(tmp_path: Path) -> None:
    config = load(yaml.safe_load((ROOT / "config/cc2017.yaml").read_text()))
    assert config.study.exclude == cc2017.OUT_OF_STEP
    skeleton(tmp_path / "d")
    index_cc2017(tmp_path / "d", runs=tmp_path / "runs.tsv")
    runs = read_runs(tmp_path / "runs.tsv", config.study)
    here = runs[(runs["subject"] == "subject3") & (runs["movie"] == "test2")]
    assert here["repeat"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 10] and len(runs) == 257
    movies = runs.loc[runs["subject"] == "subject1", "movie"].drop_duplicates().tolist()
    assert movies == list(cc2017.MOVIES), "seg2 comes before seg10"


def test_everything_missing_is_listed_at_once(tmp_path: Path) -> None:
    skeleton(tmp_path)
    for name in ("seg3_1", "seg3_2", "seg7_2"):
        movie = name.split("_")[0]
        (tmp_path / f"subject2/fmri/{movie}/cifti/{name}_Atlas.dtseries.nii").unlink()
    (tmp_path / "stimuli/test4.mp4").unlink()
    with pytest.raises(InputError) as caught:
        index_cc2017(tmp_path, runs=tmp_path / "runs.tsv")
    message = str(caught.value)
    assert "255 of 258 runs" in message and message.count("\n- ") == 3
    assert "subject2: seg3, repeats 1, 2 (of 2)" in message and "stimuli: test4.mp4" in message
    assert not (tmp_path / "runs.tsv").exists()
    index_cc2017(tmp_path, runs=tmp_path / "runs.tsv", allow_missing=True)
    assert len(read_table(tmp_path / "runs.tsv")) == 255


@pytest.mark.parametrize(
    ("movie", "volumes", "sound"),
    [("seg1", 245, True), ("seg1", 246, False), ("test2", 245, False), ("test2", 246, True)],
)
def test_name_and_volume_count_decide_together(
    tmp_path: Path, write_run: WriteRun, movie: str, volumes: int, sound: bool
) -> None:
    skeleton(tmp_path, ("subject1",))
    path = tmp_path / f"subject1/fmri/{movie}/cifti/{movie}_1_Atlas.dtseries.nii"
    write_run(path, np.zeros((volumes, atlas.CORTEX), np.float32))
    if sound:
        index_cc2017(tmp_path, runs=tmp_path / "runs.tsv", subjects=("subject1",))
        return
    with pytest.raises(InputError, match=rf"{movie}_1_Atlas.* has {volumes} volumes; runs of {movie} have"):
        index_cc2017(tmp_path, runs=tmp_path / "runs.tsv", subjects=("subject1",))


def double_zip(path: Path, files: dict[str, bytes], stored: bool) -> Path:
    """An archive as it is published: a zip file in a zip file."""
    inner = path.with_name("bundle.zip")
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"video_fmri_dataset/{name}", content)
    how = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w", how) as outer:
        outer.writestr("10.4231_R7X63K3M/README.txt", "about")
        outer.write(inner, "10.4231_R7X63K3M/bundle.zip")
    inner.unlink()
    return path


FILES = {
    "stimuli/seg1.mp4": bytes(range(256)) * 40,
    "subject1/fmri/seg1/cifti/seg1_1_Atlas.dtseries.nii": b"run" * 900,
    "subject1/fmri/seg1/raw/seg1_1.nii.gz": b"not wanted",
    "../../etc/passwd": b"nor this",
}


@pytest.mark.parametrize("stored", [True, False])
def test_both_wrappings_are_opened_and_only_what_is_wanted_is_written(tmp_path: Path, stored: bool) -> None:
    archive = double_zip(tmp_path / "a.zip", FILES, stored)
    folder = tmp_path / "out"
    unpack_cc2017(archive=[archive], folder=folder)
    written = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert written == {name: FILES[name] for name in list(FILES)[:2]}
    times = [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.*"))]
    unpack_cc2017(archive=[archive], folder=folder)
    assert [path.stat().st_mtime_ns for path in sorted(folder.rglob("*.*"))] == times, "sound files are kept"
    half = folder / "stimuli/seg1.mp4"
    half.write_bytes(half.read_bytes()[:100])
    unpack_cc2017(archive=[archive], folder=folder)
    assert half.read_bytes() == FILES["stimuli/seg1.mp4"], "a partial file is written anew"


def test_a_damaged_archive_leaves_no_file_that_looks_sound(tmp_path: Path) -> None:
    archive = double_zip(tmp_path / "a.zip", FILES, stored=True)
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as outer:
        start = outer.getinfo("10.4231_R7X63K3M/bundle.zip").header_offset
    content[start + 180] ^= 255
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"seg1\.mp4 is damaged"):
        unpack_cc2017(archive=[archive], folder=tmp_path / "out")
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    archive.write_bytes(content[:-400])
    with pytest.raises(InputError, match=r"a\.zip cannot be read as a zip file"):
        unpack_cc2017(archive=[archive], folder=tmp_path / "out")


def test_an_unknown_excluded_run_is_named_with_the_nearest(tmp_path: Path) -> None:
    skeleton(tmp_path)
    index_cc2017(tmp_path, runs=tmp_path / "runs.tsv")
    with pytest.raises(
        InputError, match=r"'subject3/test22/9', which is no run; did you mean 'subject3/test2/9'"
    ):
        read_runs(tmp_path / "runs.tsv", Study(exclude={"subject3/test22/9": "late"}))
