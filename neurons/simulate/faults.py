"""Faults of real data, written on purpose, so that checks are tested on files.

A fault is ``<fault>:<subject>/<movie>/<repeat>`` for a run (``nan_vertices:subject1/seg3/2``) or
``<fault>:<movie>`` for a movie (``truncated_movie:test1``). The faults `missing_run` and `misnamed_run` leave
no file of the right name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ffmpeg
import imageio_ffmpeg
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurons.artifacts import InputError

RUN_FAULTS: dict[str, str] = {
    "missing_run": "the file of the run is not written",
    "misnamed_run": "a dot instead of the underscore before Atlas (as in cc2017's test1_9.mni.nii.gz)",
    "wrong_volume_count": "the last two volumes are missing",
    "nan_vertices": "five cortical vertices hold NaN",
    "constant_vertices": "five cortical vertices hold one value",
    "out_of_sync": "the scan began 10 s later than the run table says (cc2017: subject 3, test2, repeat 9)",
    "duplicate_run": "the same data as repeat 1",
}
MOVIE_FAULTS: dict[str, str] = {
    "truncated_movie": "the last quarter of the MP4 file is missing",
    "variable_frame_rate": "some frames are dropped from the MP4, their predecessors last longer",
}
OUT_OF_SYNC_S = 10.0
FAULTY_VERTICES = (100, 5_000, 20_000, 35_000, 59_000)
MISSING_VOLUMES = 2
KEPT_SHARE = 0.75
MOVIE_QUALITY = 12
"""Constant rate factor of x264: near the source."""
DROP_FRAMES = r"select=not(eq(mod(n\,7)\,3))"
"""Filter of FFmpeg that drops every seventh frame."""


@dataclass(frozen=True)
class Fault:
    """A fault and what it befalls: ``<subject>/<movie>/<repeat>`` or ``<movie>``."""

    name: str
    target: str


def parse_faults(texts: Sequence[str], runs: pd.DataFrame) -> list[Fault]:
    """Read `simulate.faults` and check it against the run table.

    Raises
    ------
    InputError
        Listing every unknown fault and every target that the run table does not have.
    """
    movies = sorted(set(runs["movie"]))
    keys = zip(runs["subject"], runs["movie"], runs["repeat"], strict=True)
    names = [run_name(str(subject), str(movie), int(repeat)) for subject, movie, repeat in keys]
    problems, faults = [], []
    for text in texts:
        name, _, target = text.partition(":")
        if name not in RUN_FAULTS and name not in MOVIE_FAULTS:
            known = ", ".join([*RUN_FAULTS, *MOVIE_FAULTS])
            problems.append(f"{text!r}: unknown fault {name!r}. Available: {known}")
        elif name in RUN_FAULTS and target not in names:
            problems.append(
                f"{text!r}: the run table has no run {target!r} (expected for example {names[0]!r})"
            )
        elif name in MOVIE_FAULTS and target not in movies:
            problems.append(
                f"{text!r}: the run table has no movie {target!r}. Available: {', '.join(movies)}"
            )
        faults.append(Fault(name, target))
    if problems:
        raise InputError("simulate.faults has these problems:\n" + "\n".join(f"- {p}" for p in problems))
    return faults


def run_name(subject: str, movie: str, repeat: int) -> str:
    """Name of a run as faults address it."""
    return f"{subject}/{movie}/{repeat}"


def faults_of(faults: Sequence[Fault], target: str) -> set[str]:
    """Names of the faults of one run or movie."""
    return {fault.name for fault in faults if fault.target == target}


def spoil(responses: NDArray[np.float32], names: set[str]) -> NDArray[np.float32]:
    """A copy of responses (volumes, grayordinates) with the faults that are in the numbers."""
    spoilt = responses.copy()
    columns = list(FAULTY_VERTICES)
    if "nan_vertices" in names:
        spoilt[:, columns] = np.nan
    if "constant_vertices" in names:
        spoilt[:, columns] = spoilt[0, columns]
    return spoilt[:-MISSING_VOLUMES] if "wrong_volume_count" in names else spoilt


def written_path(path: Path, names: set[str]) -> Path | None:
    """Where a run is really written: None for a missing one, another name for a misnamed one."""
    if "missing_run" in names:
        return None
    return path.with_name(path.name.replace("_Atlas", ".Atlas")) if "misnamed_run" in names else path


def spoil_movie(path: Path, names: set[str]) -> None:
    """Write the faults of a movie into its MP4 file.

    Raises
    ------
    ffmpeg.Error
        If FFmpeg fails.
    """
    if "variable_frame_rate" in names:
        # x264's macroblock tree reads memory that was never written, so its output is not reproducible.
        _rewrite(path, vf=DROP_FRAMES, fps_mode="passthrough", vcodec="libx264", crf=MOVIE_QUALITY, mbtree=0)
    if "truncated_movie" in names:
        # With the index in front players open what is left, and FFmpeg decodes it without an error code.
        _rewrite(path, c="copy", movflags="+faststart")
        with path.open("r+b") as stream:
            stream.truncate(int(path.stat().st_size * KEPT_SHARE))


def _rewrite(path: Path, **options: str | int) -> None:
    """Replace an MP4 file by what FFmpeg makes of it with these output options."""
    bit_exact = {"map_metadata": -1, "fflags": "+bitexact", "flags:v": "+bitexact", "threads": 1}
    rewritten = path.with_name(f"{path.stem}.rewritten.mp4")
    command = ffmpeg.input(str(path)).output(str(rewritten), **options, **bit_exact)
    command.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True, overwrite_output=True)
    rewritten.replace(path)
