"""Where responses are measured: cortical grayordinates of CIFTI files, or voxels of a mask, each with its area's name.

A location is known by its number: the grayordinate, or the voxel's place in its grid counted in C order. Tables call it
`grayordinate` in both cases.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from nibabel.affines import apply_affine

from neurons.artifacts import InputError, read_table
from neurons.preprocess import atlas
from neurons.preprocess.images import check_same_grid, open_image, whole_numbers

COLUMNS = ("grayordinate", "area")
VOXEL_COLUMNS = (*COLUMNS, "i", "j", "k", "x_mm", "y_mm", "z_mm")
NO_AREA = ""


def cortex_locations() -> pd.DataFrame:
    """The 59,412 cortical grayordinates with the names of the HCP-MMP parcellation, such as ``L_V1``."""
    return pd.DataFrame({"grayordinate": np.arange(atlas.CORTEX), "area": atlas.areas()})


def unknown_locations(count: int) -> pd.DataFrame:
    """Locations of arrays that come without vertex ids: numbered, without areas."""
    return pd.DataFrame({"grayordinate": np.arange(count), "area": NO_AREA})


def voxel_locations(mask: Path | None, atlas_image: Path | None, labels: Path | None) -> pd.DataFrame:
    """Voxels of a mask, of an atlas, or of both.

    Parameters
    ----------
    mask
        NIfTI image; voxels that are not 0 are used. None: those with a label in the atlas.
    atlas_image
        NIfTI image of whole numbers, one per area, 0 outside. None: areas have no names.
    labels
        TSV with the columns `index` and `name`, as BIDS derivatives have it.

    Returns
    -------
    pandas.DataFrame
        `grayordinate` (C-order place in the grid), `area`, `i, j, k`, `x_mm, y_mm, z_mm`, in the order of the grid.

    Raises
    ------
    InputError
        If neither is given, they are on different grids, numbers have no name, or no voxel is left.
    """
    if mask is None and atlas_image is None:
        raise InputError(
            "preprocess.space is volume: name preprocess.volume.mask, preprocess.volume.atlas, or both"
        )
    if (atlas_image is None) != (labels is None):
        raise InputError(
            "preprocess.volume.atlas and preprocess.volume.labels belong together: name both or none"
        )
    images = {path: open_image(path) for path in (mask, atlas_image) if path is not None}
    first, *others = images
    for other in others:
        check_same_grid(images[first], first, images[other], other)
    numbers = None if atlas_image is None else whole_numbers(images[atlas_image], atlas_image)
    inside = np.asarray(images[first].dataobj) > 0
    places = np.flatnonzero(inside)
    if not len(places):
        raise InputError(f"{first}: no voxel is marked")
    voxels = np.column_stack(np.unravel_index(places, inside.shape))
    middles = apply_affine(images[first].affine, voxels)
    return pd.DataFrame(
        {
            "grayordinate": places,
            "area": NO_AREA if numbers is None else _names(numbers.ravel()[places], labels, atlas_image),
            **dict(zip("ijk", voxels.T, strict=True)),
            **dict(zip(("x_mm", "y_mm", "z_mm"), middles.T, strict=True)),
        }
    )


def _names(numbers: np.ndarray, labels: Path | None, atlas_image: Path | None) -> list[str]:
    table = read_table(Path(str(labels)), ["index", "name"])
    name_of = dict(zip(table["index"].astype(int), table["name"].astype(str), strict=True)) | {0: NO_AREA}
    unnamed = sorted(set(numbers.tolist()) - set(name_of))
    if unnamed:
        raise InputError(f"{labels} has no name for the numbers {unnamed[:10]} of {atlas_image}")
    return [name_of[number] for number in numbers.tolist()]


def in_areas(locations: pd.DataFrame, wanted: list[str]) -> np.ndarray:
    """Which locations lie in the named areas, with or without the hemisphere (``V1`` means ``L_V1`` and ``R_V1``).

    Raises
    ------
    InputError
        Listing unknown areas and those there are.
    """
    names = locations["area"].to_numpy()
    known = sorted(set(names.tolist()) - {NO_AREA})
    both = {area: [name for name in known if name == area or name[2:] == area] for area in wanted}
    unknown = [area for area, found in both.items() if not found]
    if unknown:
        listed = ", ".join(known) if known else "none (these data come without an atlas)"
        raise InputError(f"unknown areas {unknown} (preprocess.selection.areas). Available: {listed}")
    return np.isin(names, [name for found in both.values() for name in found])
