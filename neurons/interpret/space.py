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


KINDS: dict[str, Literal["cortex", "volume", "unknown"]] = {
    "fsLR_91k": "cortex",
    "volume": "volume",
    "unknown": "unknown",
}
"""By the `space` that preprocessed responses are marked with."""


@dataclass(frozen=True)
class Space:
    """Places of the vertices that a model reads.

    Attributes
    ----------
    kind
        ``cortex``: `vertex` counts the 59,412 cortical grayordinates; ``volume``: it counts all voxels of an image's grid in
        C order; ``unknown``: it counts columns of the responses.
    vertex
        int64 (V,).
    areas
        Name of each vertex's area without hemisphere, str (V,); empty where it has none.
    """

    kind: Literal["cortex", "volume", "unknown"]
    vertex: np.ndarray
    areas: np.ndarray


def read_space(vertices: Path, locations: Path, responses: Path) -> Space:
    """Places of the vertices of `responses`.

    Parameters
    ----------
    vertices
        From `preprocess select`: ``grayordinate`` and ``selected`` of every vertex.
    locations
        From `preprocess locations`: ``grayordinate`` and ``area`` of every vertex.
    responses
        Tensor file with ``vertex``, the selected ones in order, and the space that they lie in.

    Raises
    ------
    InputError
        If a table is of another resolution than the cortex, or lists other vertices than the responses have.
    """
    table = read_table(vertices, ["grayordinate", "selected"])
    places = read_table(locations, ["grayordinate", "area"])
    file = TensorFile(responses)
    space = file.metadata.get("space")
    if space not in KINDS:
        raise InputError(
            f"{responses} does not say where its vertices lie (space: {space}; expected {', '.join(KINDS)}). Rerun"
            " preprocess."
        )
    vertex = np.sort(table.loc[table["selected"].astype(bool), "grayordinate"].to_numpy(np.int64))
    stored = np.asarray(file["vertex"]).astype(np.int64)
    if KINDS[space] == "cortex":
        _check_cortex(table, vertices)
    if not np.array_equal(vertex, stored):
        raise InputError(
            f"{vertices} selects {len(vertex)} vertices, but {responses} holds {len(stored)}, or others. Both must "
            "come from the same run of `preprocess`: rerun it."
        )
    absent = np.setdiff1d(vertex, places["grayordinate"])
    if len(absent):
        raise InputError(
            f"{locations} lacks {len(absent)} of the selected vertices, the first is {absent[0]}. Rerun preprocess."
        )
    named = places.set_index("grayordinate")["area"].fillna("").astype(str)[vertex]
    return Space(KINDS[space], vertex, np.array([_without_hemisphere(name) for name in named], dtype=object))


def _check_cortex(table: pd.DataFrame, path: Path) -> None:
    if not np.array_equal(np.sort(table["grayordinate"]), np.arange(atlas.CORTEX)):
        raise InputError(
            f"{path} lists {len(table)} grayordinates up to {table['grayordinate'].max()}, but areas and surfaces are those "
            f"of the fs_LR 32k cortex with {atlas.CORTEX} of them (0 to {atlas.CORTEX - 1}). A list of another resolution "
            "cannot be drawn on this mesh: resample the runs to fs_LR 32k."
        )


def _without_hemisphere(name: str) -> str:
    return name[2:] if name[:2] in ("L_", "R_") else name


def cortical_areas() -> np.ndarray:
    """Area of each cortical grayordinate without hemisphere, str (59412,); empty outside of the atlas."""
    return np.array([_without_hemisphere(name) for name in atlas.areas().tolist()], dtype=object)
