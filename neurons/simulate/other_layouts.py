"""The simulated study in other layouts: BIDS with fMRIPrep derivatives, and the arrays that NeuroClips released."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurons.artifacts import seed_for
from neurons.preprocess import atlas
from neurons.simulate.cortex import load_cortex
from neurons.simulate.runs import artefact_courses

GRID = (42, 40, 36)
"""Voxels of the simulated volume; the first 59,412, in C order, are the cortical grayordinates in their order."""
VOXEL_MM = 3.0
VOLUME_SPACE = "MNI152NLin2009cAsym"
AFFINE = np.diag([VOXEL_MM, VOXEL_MM, VOXEL_MM, 1.0])
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")


def bids_subject(subject: str) -> str:
    """Label of a person: letters and digits only."""
    return "".join(character for character in subject if character.isalnum())


def scan_stem(subject: str, run: int) -> str:
    """What the file names of a scan have in common."""
    return f"sub-{bids_subject(subject)}_task-movie_run-{run:02d}"


def volume_image(cortex: NDArray[np.float32], repetition_time_s: float) -> nib.Nifti1Image:
    """A 4-D image of responses (volumes, 59412), each grayordinate in its voxel."""
    data = np.zeros((int(np.prod(GRID)), len(cortex)), np.float32)
    data[: atlas.CORTEX] = cortex.T
    image = nib.Nifti1Image(data.reshape(*GRID, len(cortex)), AFFINE)
    image.header.set_zooms((VOXEL_MM, VOXEL_MM, VOXEL_MM, repetition_time_s))
    image.header.set_xyzt_units("mm", "sec")
    return image


def atlas_image() -> tuple[nib.Nifti1Image, pd.DataFrame]:
    """Areas of the voxels as numbers, and their names (columns index, name) as BIDS derivatives have them."""
    cortex = load_cortex()
    sides = {"left": "L", "right": "R", "": ""}
    names = [f"{sides[side]}_{area}" for side, area in zip(cortex.hemisphere, cortex.area, strict=True)]
    labels, numbers = np.unique(names, return_inverse=True)
    data = np.zeros(int(np.prod(GRID)), np.int16)
    data[: atlas.CORTEX] = numbers + 1
    table = pd.DataFrame({"index": np.arange(1, len(labels) + 1), "name": labels})
    return nib.Nifti1Image(data.reshape(GRID), AFFINE), table


def confounds_table(seed: int, subject: str, run: str, volumes: int) -> pd.DataFrame:
    """Head motion and its derivatives as fMRIPrep tabulates them (they have no part in the simulated responses)."""
    rng = np.random.default_rng(seed_for(seed, "simulate", "confounds", subject, run))
    motion = np.concatenate([artefact_courses(rng, volumes), artefact_courses(rng, volumes)], axis=1) * 0.1
    table = pd.DataFrame(motion, columns=list(MOTION))
    for name in MOTION:
        table[f"{name}_derivative1"] = table[name].diff()
    table["framewise_displacement"] = (
        table[[f"{name}_derivative1" for name in MOTION]].abs().sum(axis=1, min_count=1)
    )
    return table.round(6)


def events_table(movie: str, onset_s: float, duration_s: float) -> pd.DataFrame:
    """Events of a scan that shows one movie; a scan that began later than the movie has a negative onset."""
    row = {"onset": -onset_s, "duration": duration_s, "trial_type": "movie", "stim_file": f"{movie}.mp4"}
    return pd.DataFrame([row])


def sidecar(repetition_time_s: float) -> str:
    """The JSON file beside a run."""
    return json.dumps({"RepetitionTime": repetition_time_s, "TaskName": "movie"}) + "\n"


def description(name: str, derivative: bool) -> str:
    """``dataset_description.json``."""
    content = {"Name": name, "BIDSVersion": "1.10.0", "DatasetType": "derivative" if derivative else "raw"}
    if derivative:
        content["GeneratedBy"] = [{"Name": "fMRIPrep", "Description": "simulated, not processed"}]  # type: ignore[assignment]
    return json.dumps(content, indent=1) + "\n"


def write_tsv(path: Path, table: pd.DataFrame) -> None:
    """A TSV as BIDS wants it: ``n/a`` for what is missing, no comment line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")
