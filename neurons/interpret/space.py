"""Where the vertices of a study lie: on the standard cortex, in a volume, or nobody knows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, TensorFile, read_table
from neurons.preprocess import atlas

UNKNOWN = (
    "The study does not say which vertices its responses belong to, so there are no maps and no areas: only the "
    "importance of each column of the responses, in their order."
)


@dataclass(frozen=True)
class Space:
    """Places of the vertices that a model reads.

    Attributes
    ----------
    kind
        ``cortex``: `vertex` counts the 59,412 cortical grayordinates; ``volume``: it counts the voxels of a mask in C
        order; ``unknown``: it counts columns of the responses.
    vertex
        int64 (V,).
    areas
        Name of each vertex's area without hemisphere, str (V,); empty where it has none.
    """

    kind: Literal["cortex", "volume", "unknown"]
    vertex: np.ndarray
    areas: np.ndarray


def read_space(vertices: Path, responses: Path) -> Space:
    """Places of the vertices of `responses`.

    Parameters
    ----------
    vertices
        Table with the column ``selected`` and ``grayordinate`` (a row for each of the 59,412 of the fs_LR 32k cortex),
        or ``voxel`` and optionally ``area`` (a volume), or neither (released arrays).
    responses
        Tensor file with ``vertex``, the selected ones in order.

    Raises
    ------
    InputError
        If the table is of another resolution than the cortex, or lists other vertices than the responses have.
    """
    table = read_table(vertices, ["selected"])
    chosen = table[table["selected"].astype(bool)]
    stored = np.asarray(TensorFile(responses)["vertex"]).astype(np.int64)
    if "grayordinate" in table.columns:
        space = _cortical(table, chosen, vertices)
    elif "voxel" in table.columns:
        space = Space("volume", *_sorted(chosen["voxel"], _named_areas(chosen)))
    else:
        space = Space("unknown", stored, np.full(len(stored), "", dtype=object))
    if not np.array_equal(space.vertex, stored):
        raise InputError(
            f"{vertices} selects {len(space.vertex)} vertices, but {responses} holds {len(stored)}, or others. Both must "
            "come from the same run of `preprocess`: rerun it."
        )
    return space


def _cortical(table: pd.DataFrame, chosen: pd.DataFrame, path: Path) -> Space:
    if not np.array_equal(np.sort(table["grayordinate"]), np.arange(atlas.CORTEX)):
        raise InputError(
            f"{path} lists {len(table)} grayordinates up to {table['grayordinate'].max()}, but areas and surfaces are those "
            f"of the fs_LR 32k cortex with {atlas.CORTEX} of them (0 to {atlas.CORTEX - 1}). A list of another resolution "
            "cannot be drawn on this mesh: resample the runs to fs_LR 32k."
        )
    vertex = np.sort(chosen["grayordinate"].to_numpy(np.int64))
    return Space("cortex", vertex, cortical_areas()[vertex])


def cortical_areas() -> np.ndarray:
    """Area of each cortical grayordinate without hemisphere, str (59412,); empty outside of the atlas."""
    return np.array([name[2:] for name in atlas.areas().tolist()], dtype=object)


def _named_areas(chosen: pd.DataFrame) -> pd.Series:
    if "area" in chosen.columns:
        return chosen["area"].fillna("").astype(str)
    return pd.Series("", index=chosen.index)


def _sorted(ids: pd.Series, areas: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    vertex = ids.to_numpy(np.int64)
    order = np.argsort(vertex, kind="stable")
    return vertex[order], areas.to_numpy(object)[order]
