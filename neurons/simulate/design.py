"""The design of the simulated study: who watches what, how often, and when the scan begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from neurons.study import COLUMNS

PREFIX: dict[str, str] = {"train": "seg", "test": "test"}
LATE_ONSET_S = 2.0


def onset_s(movie: str) -> float:
    """Movie time at which the scan begins, as in cc2017: 2 s for seg* and test1, 0 s for test2, test3, ..."""
    return 0.0 if movie.startswith("test") and movie != "test1" else LATE_ONSET_S


def simulated_runs(subjects: Sequence[str], counts: Mapping[str, tuple[int, int]]) -> pd.DataFrame:
    """Run table of a study in the folder layout of cc2017.

    Parameters
    ----------
    subjects
        Names, which are also the folders.
    counts
        Movies and repeats of the splits ``train`` and ``test``.
    """
    rows = [
        (
            subject,
            split,
            movie,
            repeat,
            f"{subject}/fmri/{movie}/cifti/{movie}_{repeat}_Atlas.dtseries.nii",
            f"stimuli/{movie}.mp4",
            onset_s(movie),
        )
        for subject in subjects
        for split, (movies, repeats) in counts.items()
        for movie in (f"{PREFIX[split]}{number}" for number in range(1, movies + 1))
        for repeat in range(1, repeats + 1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))
