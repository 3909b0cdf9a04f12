"""Confounds out: head motion and the like, as fMRIPrep tabulates them, one row per volume."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from neurons.artifacts import InputError, read_table
from neurons.preprocess.standardise import polynomial_basis


def read_confounds(path: Path, wanted: list[str], volumes: int) -> np.ndarray:
    """Columns of a confounds table.

    Parameters
    ----------
    path
        TSV with one row per volume. ``n/a`` (the first value of temporal derivatives) becomes the mean of its column.
    wanted
        Names or patterns such as ``trans_*``.
    volumes
        Of the run.

    Returns
    -------
    numpy.ndarray
        float64 (volumes, columns), in the order of the table.

    Raises
    ------
    InputError
        If a pattern fits no column, rows and volumes differ in number, or a column is empty.
    """
    table = read_table(path)
    missing = [name for name in wanted if not any(fnmatchcase(column, name) for column in table.columns)]
    if missing:
        raise InputError(
            f"{path} has no column for {missing} (preprocess.confounds). Available: {', '.join(table.columns)}"
        )
    if len(table) != volumes:
        raise InputError(
            f"{path} has {len(table)} rows, the run has {volumes} volumes: they do not belong together"
        )
    columns = [name for name in table.columns if any(fnmatchcase(name, pattern) for pattern in wanted)]
    values = table[columns].replace("n/a", np.nan).astype(float)
    empty = [name for name in columns if values[name].isna().all()]
    if empty:
        raise InputError(
            f"{path}: the columns {empty} hold no number; leave them out of preprocess.confounds"
        )
    return values.fillna(values.mean()).to_numpy(np.float64)


def framewise_displacement(path: Path) -> float | None:
    """Mean head movement from volume to volume, in mm; None if the table does not have it (`framewise_displacement`)."""
    table = read_table(path)
    if "framewise_displacement" not in table:
        return None
    return float(pd.to_numeric(table["framewise_displacement"], errors="coerce").mean())


def confound_basis(confounds: np.ndarray, order: int) -> np.ndarray:
    """What confounds vary in beyond slow drifts, as orthonormal courses; float64 (volumes, at most columns).

    Removing these removes what confounds explain when they and a polynomial are fitted together (Lindquist et al. 2019: one
    after the other would bring drifts back).

    Parameters
    ----------
    confounds
        float64 (volumes, columns); columns that are constant or depend on others add nothing.
    order
        Of the polynomial.

    Raises
    ------
    InputError
        If fewer than two degrees of freedom would remain.
    """
    volumes = len(confounds)
    drifts = polynomial_basis(volumes, order)
    centred = confounds - confounds.mean(axis=0)
    scale = np.linalg.norm(centred, axis=0)
    used = scale > 0
    scaled = centred[:, used] / scale[used]
    own = scaled - drifts @ (drifts.T @ scaled)
    basis, strength, _ = np.linalg.svd(own, full_matrices=False)
    basis = basis[:, strength > 1e-6]
    if volumes < order + 3 + basis.shape[1]:
        raise InputError(
            f"{basis.shape[1]} confounds and a polynomial of order {order} leave nothing of {volumes} volumes; name fewer "
            "columns in preprocess.confounds"
        )
    return basis


def remove_confounds(courses: np.ndarray, basis: np.ndarray) -> None:
    """Remove from time courses what confounds explain, by least squares, **in place**; the mean stays.

    Parameters
    ----------
    courses
        float32 (vertices, volumes).
    basis
        From `confound_basis`.
    """
    fitted = basis.astype(np.float32)
    mean = courses.mean(axis=1, dtype=np.float64).astype(np.float32)
    courses -= mean[:, None]  # first, so that large intensities cost no precision
    courses -= (courses @ fitted) @ fitted.T
    courses += mean[:, None]
