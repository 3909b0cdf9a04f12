"""The cortex of the simulated brain, and the CIFTI axes of its runs: fs_LR 32k grayordinates with areas and positions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import nibabel as nib
import numpy as np
from nibabel.cifti2 import BrainModelAxis, SeriesAxis
from numpy.typing import NDArray

from neurons.preprocess import atlas

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


@dataclass(frozen=True)
class Cortex:
    """Cortical grayordinates: area names (HCP-MMP, without hemisphere) and hemisphere, both (59412,) str."""

    area: NDArray[np.str_]
    hemisphere: NDArray[np.str_]


@lru_cache(maxsize=1)
def load_cortex() -> Cortex:
    """Area and hemisphere (``left`` or ``right``) of the 59,412 cortical grayordinates, by name."""
    split = [name.split("_", 1) if name else ["", ""] for name in atlas.areas().tolist()]
    hemispheres = {"L": "left", "R": "right", "": ""}
    return Cortex(
        area=np.array([area for _, area in split]),
        hemisphere=np.array([hemispheres[side] for side, _ in split]),
    )


def sphere_positions() -> NDArray[np.float32]:
    """Unit vectors of the cortical grayordinates on the spheres of their hemispheres, (59412, 3)."""
    parts = []
    for side, vertices in zip("LR", atlas.mesh_vertices(), strict=True):
        points = np.asarray(atlas.surface("sphere", side)[0], np.float32)[vertices]
        parts.append(points / np.linalg.norm(points, axis=1, keepdims=True))
    return np.concatenate(parts)


@lru_cache(maxsize=1)
def grayordinate_axis() -> BrainModelAxis:
    """The 91,282 grayordinates in the order of HCP files: left cortex, right cortex, subcortical structures.

    Counts and surface vertices are the real ones. The voxel indices are placeholders (distinct, in the 2 mm
    MNI grid): nothing in the project looks at subcortical places.
    """
    left, right = atlas.mesh_vertices()
    axis = BrainModelAxis.from_surface(left, atlas.MESH_VERTICES, "CortexLeft")
    axis += BrainModelAxis.from_surface(right, atlas.MESH_VERTICES, "CortexRight")
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
