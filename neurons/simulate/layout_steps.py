"""Steps, called by hand, that write the simulated study once more in another layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
import pandas as pd
import torch

from neurons.artifacts import InputError, TensorFile, atomic, read_table
from neurons.console import track
from neurons.preprocess import atlas
from neurons.simulate import other_layouts as layout
from neurons.study import COLUMNS, natural_key


def bids(
    *,
    runs: Path,
    root: Path,
    folder: Path,
    space: Literal["fsLR", "volume"] = "fsLR",
    repetition_time_s: float = 2.0,
    seed: int = 0,
) -> None:
    """Write a study that lies in the layout of cc2017 as a BIDS study that fMRIPrep has processed.

    CIFTI runs are linked (or copied); as volumes, each grayordinate becomes a voxel, with an atlas beside them. Run table,
    movies and runs must exist (``snakemake`` makes those of the simulated study).

    Parameters
    ----------
    runs
        Run table of the study.
    root
        Folder that its paths start from.
    folder
        BIDS folder to write.
    space
        CIFTI-91k, or NIfTI volumes.
    repetition_time_s
        Time between volumes, in s.
    seed
        Of the confounds.
    """
    table = read_table(runs, COLUMNS)
    missing = sorted({name for name in [*table["bold"], *table["stimulus"]] if not (root / name).is_file()})
    if missing:
        raise InputError(
            f"{root} lacks {len(missing)} files of {runs}, such as {missing[0]}; make the study first"
        )
    derivatives = folder / "derivatives" / "fmriprep"
    for place, derivative in ((folder, False), (derivatives, True)):
        place.mkdir(parents=True, exist_ok=True)
        (place / "dataset_description.json").write_text(layout.description("simulated", derivative))
    for stimulus in sorted(set(table["stimulus"])):
        _link(root / stimulus, folder / "stimuli" / Path(stimulus).name)
    if space == "volume":
        image, names = layout.atlas_image()
        _save(derivatives / "atlas" / f"space-{layout.VOLUME_SPACE}_desc-areas_dseg.nii.gz", image)
        layout.write_tsv(derivatives / "atlas" / "areas_dseg.tsv", names)
    for subject, rows in table.groupby("subject"):
        for number, row in enumerate(track(list(rows.itertuples()), "runs"), start=1):
            run = Scan(str(subject), str(row.movie), int(str(row.repeat)), number, float(str(row.onset_s)))
            _write_scan(run, root / str(row.bold), folder, space, repetition_time_s, seed)


@dataclass(frozen=True)
class Scan:
    """One scan of the study: who, what, which showing, which of the person's scans, and when it began."""

    subject: str
    movie: str
    repeat: int
    number: int
    onset_s: float


def _write_scan(run: Scan, bold: Path, folder: Path, space: str, repetition_time_s: float, seed: int) -> None:
    """Events, confounds, the run itself and the JSON file beside it."""
    stem = layout.scan_stem(run.subject, run.number)
    func = Path(f"sub-{layout.bids_subject(run.subject)}") / "func"
    derived = folder / "derivatives" / "fmriprep" / func
    image = nib.load(bold)
    events = layout.events_table(run.movie, run.onset_s, image.shape[0] * repetition_time_s)
    layout.write_tsv(folder / func / f"{stem}_events.tsv", events)
    confounds = layout.confounds_table(seed, run.subject, f"{run.movie}/{run.repeat}", image.shape[0])
    layout.write_tsv(derived / f"{stem}_desc-confounds_timeseries.tsv", confounds)
    if space == "fsLR":
        name = f"{stem}_space-fsLR_den-91k_bold"
        _link(bold, derived / f"{name}.dtseries.nii")
    else:
        name = f"{stem}_space-{layout.VOLUME_SPACE}_desc-preproc_bold"
        cortex = np.asarray(image.dataobj[:, : atlas.CORTEX], np.float32)
        _save(derived / f"{name}.nii.gz", layout.volume_image(cortex, repetition_time_s))
    (derived / f"{name}.json").write_text(layout.sidecar(repetition_time_s))


def released(
    *,
    subject: str,
    train_runs: list[Path],
    test_runs: list[Path],
    selection: Path,
    train_frames: list[Path],
    test_frames: list[Path],
    annotations: Path,
    folder: Path,
) -> None:
    """Write preprocessed responses, frames and captions as the arrays that NeuroClips released, in its file names.

    Parameters
    ----------
    subject
        The person, such as ``subject1``; the files are called after its number.
    train_runs, test_runs
        Preprocessed runs; every movie with as many repeats.
    selection
        Vertices to write (without their ids, as in the release).
    train_frames, test_frames
        Frames of the movies.
    annotations
        Folder with the captions of the movies.
    folder
        Where the ``.pt`` files are written.
    """
    chosen = read_table(selection, ["selected"])["selected"].to_numpy(bool)
    number = "".join(character for character in subject if character.isdigit())
    for split, runs in (("train", train_runs), ("test", test_runs)):
        responses = torch.from_numpy(_by_clip(runs, chosen))
        _save_tensor(folder / f"subj0{number}_{split}_fmri.pt", responses)
    for split, frames in (("train", train_frames), ("test", test_frames)):
        files = sorted((TensorFile(path) for path in frames), key=lambda file: natural_key(file.clip_ids[0]))
        pictures = np.concatenate([np.asarray(file["frames"]) for file in files])
        _save_tensor(
            folder / f"GT_{split}_3fps.pt", torch.from_numpy(pictures).permute(0, 1, 4, 2, 3).float() / 255
        )
        captions = [text for file in files for text in _captions(file.clip_ids, annotations)]
        _save_tensor(folder / f"GT_{split}_caption.pt", captions)


def _by_clip(runs: Sequence[Path], chosen: np.ndarray) -> np.ndarray:
    """Responses (clips, repeats, vertices), movies in natural order."""
    movies: dict[str, list[TensorFile]] = {}
    for file in sorted((TensorFile(path) for path in runs), key=lambda file: file.metadata["repeat"]):
        movies.setdefault(file.metadata["movie"], []).append(file)
    ordered = [movies[movie] for movie in sorted(movies, key=natural_key)]
    return np.concatenate(
        [np.stack([file["responses"][:, chosen] for file in repeats], 1) for repeats in ordered]
    )


def _captions(clips: Sequence[str], annotations: Path) -> list[str]:
    """The caption of the scene at the middle of each clip of a movie."""
    movie = clips[0].rpartition(":")[0]
    scenes = read_table(annotations / f"{movie}_captions.tsv", ["start_s", "caption"])
    middles = 2.0 * np.arange(len(clips)) + 1.0
    return (
        pd.Series(scenes["caption"])
        .iloc[np.searchsorted(scenes["start_s"], middles, side="right") - 1]
        .tolist()
    )


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copyfile(source, target)


def _save(path: Path, image: nib.Nifti1Image) -> None:
    with atomic(path) as temporary:
        renamed = temporary.with_name(f"{temporary.name}.nii.gz")
        nib.save(image, renamed)
        renamed.replace(temporary)


def _save_tensor(path: Path, content: object) -> None:
    with atomic(path) as temporary:
        torch.save(content, temporary)
