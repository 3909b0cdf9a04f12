"""The models of a subject and variant, found in a study's results, with the configuration that they were made with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurons.artifacts import InputError, TensorFile, hash_vertices, read_table
from neurons.config import Config
from neurons.preprocess.cifti import BoldRun, open_run
from neurons.preprocess.confounds import confound_basis, read_confounds, remove_confounds
from neurons.preprocess.images import VolumeRun, open_volume_run
from neurons.preprocess.locations import VOXEL_COLUMNS
from neurons.pretrain.store import check_vertices
from neurons.reconstruct.decode import Decoder


@dataclass(frozen=True)
class VariantFolder:
    """Where the parts of a subject's variant lie; `folder` is ``results/<study>/<stage>/<variant>/<subject>``."""

    folder: Path

    def __post_init__(self) -> None:
        parts = (self.brain_model, self.decoupler, self.concepts, self.responses, self.locations)
        missing = [str(path) for path in parts if not path.is_file()]
        if missing:
            raise InputError(
                f"--model {self.folder} is no folder of a subject and variant with trained models: there is no "
                f"{', '.join(missing)}. Expected results/<study>/reconstruct/<variant>/<subject> of a finished study."
            )

    @property
    def subject(self) -> str:
        """Name of the subject."""
        return self.folder.absolute().name

    @property
    def variant(self) -> str:
        """Name of the variant."""
        return self.folder.absolute().parent.name

    @property
    def results(self) -> Path:
        """Folder of the study's results."""
        return self.folder.absolute().parents[2]

    @property
    def brain_model(self) -> Path:
        """Weights from `pretrain fit`."""
        return self.results / "pretrain" / self.variant / self.subject / "model.safetensors"

    @property
    def decoupler(self) -> Path:
        """Weights from `decouple fit`."""
        return self.results / "decouple" / self.variant / self.subject / "model.safetensors"

    @property
    def concepts(self) -> Path:
        """Texts of the concepts."""
        return self.results / "embed" / "concepts.safetensors"

    @property
    def responses(self) -> Path:
        """Training responses, which say what the selected vertices are."""
        return self.results / "preprocess" / self.subject / "train.safetensors"

    @property
    def locations(self) -> Path:
        """Where responses are measured."""
        return self.results / "preprocess" / self.subject / "locations.parquet"

    def vertices(self, decoder: Decoder) -> np.ndarray:
        """The selected locations, in the order in which the brain model reads them.

        Raises
        ------
        InputError
            If they are not those that the brain model was trained on.
        """
        file = TensorFile(self.responses)
        check_vertices(decoder.facts, file, self.brain_model)
        vertices = np.array(file["vertex"])
        if hash_vertices(vertices) != decoder.facts["vertex_hash"]:
            raise InputError(
                f"the vertices in {self.responses} are not those that their hash was made of; rerun the workflow"
            )
        return vertices

    def open(self, bold: Path, config: Config) -> BoldRun | VolumeRun:
        """Open a run of the kind that the study has."""
        if config.preprocess.space == "volume":
            return open_volume_run(bold, read_table(self.locations, VOXEL_COLUMNS))
        return open_run(bold)


def clean_courses(run: BoldRun | VolumeRun, confounds: Path | None, config: Config) -> np.ndarray:
    """Time courses (locations, volumes) without what the study regresses out.

    Raises
    ------
    InputError
        If the study regresses out confounds and no table was given.
    """
    courses = np.ascontiguousarray(run.series().T)
    names, order = config.preprocess.confounds, config.preprocess.detrend_order
    if not names:
        return courses
    if confounds is None:
        raise InputError(
            f"the study regresses out {', '.join(names)} (preprocess.confounds): give the run's table, --confounds"
        )
    remove_confounds(courses, confound_basis(read_confounds(confounds, names, run.volumes), order))
    return courses


def run_name(bold: Path) -> str:
    """Name of a run in clip ids: that of its file without endings, other characters than letters and digits replaced."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", bold.name.split(".")[0]).strip("-_") or "run"
