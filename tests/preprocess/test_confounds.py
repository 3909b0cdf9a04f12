"""Regressing out head motion, against plain least squares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError
from neurons.preprocess.confounds import confound_basis, read_confounds, remove_confounds
from neurons.preprocess.standardise import standardise


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(4)


def test_what_is_left_equals_a_joint_fit_by_least_squares(random: np.random.Generator) -> None:
    volumes, order = 60, 3
    confounds = np.cumsum(random.standard_normal((volumes, 4)), axis=0)
    dependent = np.column_stack([confounds, confounds[:, 0] + confounds[:, 1], np.full(volumes, 7.0)])
    drifts = np.vander(np.linspace(-1, 1, volumes), order + 1)
    courses = 10_000 + random.standard_normal((20, volumes)) + (confounds @ random.standard_normal((4, 20))).T
    cleaned = courses.astype(np.float32)
    remove_confounds(cleaned, confound_basis(dependent, order))
    np.testing.assert_allclose(cleaned.mean(axis=1), courses.mean(axis=1), atol=2e-3)
    design = np.column_stack([drifts, confounds])
    residual = courses.T - design @ np.linalg.lstsq(design, courses.T, rcond=None)[0]
    standardise(cleaned, order)
    np.testing.assert_allclose(cleaned, (residual / residual.std(axis=0, ddof=1)).T, atol=2e-3)


def test_too_many_confounds(random: np.random.Generator) -> None:
    with pytest.raises(
        InputError, match=r"16 confounds and a polynomial of order 4 leave nothing of 22 volumes"
    ):
        confound_basis(random.standard_normal((22, 16)), 4)


def write(path: Path) -> Path:
    table = pd.DataFrame(
        {"trans_x": [1.0, 2, 3], "trans_y": [0.0, 1, 0], "rot_x": [np.nan, 2, 4], "csf": [np.nan] * 3}
    )
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def test_columns_are_chosen_by_name_or_pattern_and_the_missing_start_is_the_mean(tmp_path: Path) -> None:
    values = read_confounds(write(tmp_path / "c.tsv"), ["rot_x", "trans_*"], 3)
    assert values.tolist() == [[1, 0, 3], [2, 1, 2], [3, 0, 4]]


@pytest.mark.parametrize(
    ("wanted", "volumes", "message"),
    [
        (
            ["rot_*", "white_matter"],
            3,
            r"no column for \['white_matter'\].*Available: trans_x, trans_y, rot_x, csf",
        ),
        (["trans_x"], 4, "3 rows, the run has 4 volumes"),
        (["csf"], 3, r"\['csf'\] hold no number"),
    ],
)
def test_tables_that_do_not_fit(tmp_path: Path, wanted: list[str], volumes: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_confounds(write(tmp_path / "c.tsv"), wanted, volumes)
