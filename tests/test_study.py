"""The run table: order, and a sentence for every mistake."""

import pandas as pd
import pytest

from neurons.artifacts import InputError
from neurons.config import Study
from neurons.study import check_files, natural_key, read_runs

STUDY = Study(validation_movies=["seg2"])


def table(**changes):
    rows = []
    for movie, split in (("seg10", "train"), ("seg2", "train"), ("test1", "test")):
        for repeat in (2, 1):
            rows.append(
                {
                    "subject": "s1",
                    "split": split,
                    "movie": movie,
                    "repeat": repeat,
                    "bold": f"s1/{movie}_{repeat}.dtseries.nii",
                    "stimulus": f"stimuli/{movie}.mp4",
                    "onset_s": 2.0,
                }
            )
    frame = pd.DataFrame(rows)
    for column, (row, value) in changes.items():
        frame[column] = frame[column].astype(object)
        frame.loc[row, column] = value
    return frame


def write(tmp_path, frame):
    path = tmp_path / "runs.tsv"
    frame.to_csv(path, sep="\t", index=False)
    return path


def test_order_is_natural_training_first(tmp_path):
    runs = read_runs(write(tmp_path, table()), STUDY)
    assert list(runs["movie"]) == ["seg2", "seg2", "seg10", "seg10", "test1", "test1"]
    assert list(runs["repeat"]) == [1, 2, 1, 2, 1, 2]


def test_natural_key():
    assert sorted(["seg10", "seg2", "seg1"], key=natural_key) == ["seg1", "seg2", "seg10"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": (0, "valid")}, "split 'valid' is neither train nor test"),
        ({"repeat": (1, 2)}, "run s1/seg10/2 occurs more than once"),
        ({"bold": (1, "s1/seg10_2.dtseries.nii")}, "is named by more than one run"),
        ({"split": (0, "test")}, "movie seg10 is both train and test"),
        ({"stimulus": (0, "stimuli/other.mp4")}, "movie seg10 has several stimulus files"),
        ({"onset_s": (0, "soon")}, "onset_s 'soon' is not a number"),
        ({"subject": (0, "s1; rm -rf x")}, "has characters other than"),
        ({"bold": (0, "$(reboot).nii")}, "has characters other than"),
        ({"movie": (0, None)}, "column movie is empty in 1 rows"),
    ],
)
def test_mistakes_are_named(tmp_path, changes, message):
    with pytest.raises(InputError) as caught:
        read_runs(write(tmp_path, table(**changes)), STUDY)
    assert message in str(caught.value)


def test_validation_movies_must_be_training_movies_and_not_all(tmp_path):
    path = write(tmp_path, table())
    with pytest.raises(
        InputError, match=r"names \['test1'\], which are not training movies; those are \['seg2', 'seg10'\]"
    ):
        read_runs(path, Study(validation_movies=["test1"]))
    with pytest.raises(InputError, match="none is left to train on"):
        read_runs(path, Study(validation_movies=["seg2", "seg10"]))


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(InputError, match=r"lacks the columns \['onset_s'\]"):
        read_runs(write(tmp_path, table().drop(columns="onset_s")), STUDY)


def test_missing_files_are_listed_at_once_by_subject(tmp_path):
    runs = read_runs(write(tmp_path, table()), STUDY)
    for path in {*runs["bold"], *runs["stimulus"]} - {"s1/seg2_1.dtseries.nii", "stimuli/seg10.mp4"}:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    with pytest.raises(InputError) as caught:
        check_files(runs, tmp_path)
    assert "2 files of the run table" in str(caught.value)
    assert "- s1: s1/seg2_1.dtseries.nii\n- movies: stimuli/seg10.mp4\n" in str(caught.value)


def test_excluded_runs_are_left_out(tmp_path):
    path = write(tmp_path, table())
    study = Study(validation_movies=["seg2"], exclude={"s1/seg10/2": "asleep"})
    runs = read_runs(path, study)
    assert len(runs) == 5 and runs.loc[runs["movie"] == "seg10", "repeat"].tolist() == [1]
    every_test = {"s1/test1/1": "lost", "s1/test1/2": "lost"}
    with pytest.raises(InputError, match=r"both train and test runs, after study\.exclude"):
        read_runs(path, Study(validation_movies=["seg2"], exclude=every_test))
    both = {"s1/seg2/1": "lost", "s1/seg2/2": "lost"}
    with pytest.raises(InputError, match=r"\['seg2'\], which are not training movies"):
        read_runs(path, Study(validation_movies=["seg2"], exclude=both))


def test_one_scan_may_hold_several_movies(tmp_path):
    frame = table()
    frame["bold"] = ["s1/scan1.nii", "s1/scan2.nii"] * 3
    frame["onset_s"] = [0.0, 0.0, -60.0, -60.0, -120.0, -120.0]
    assert len(read_runs(write(tmp_path, frame), STUDY)) == 6
