"""The step that draws and exports the maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np

from neurons.artifacts import InputError, TensorFile, read_table
from neurons.console import logger
from neurons.interpret import surfaces, volumes
from neurons.interpret.bars import LABELS, draw_areas, write_sentence
from neurons.interpret.settings import Interpret
from neurons.interpret.space import UNKNOWN
from neurons.interpret.statistics import AREA_COLUMNS
from neurons.interpret.tasks import METHODS

IMPORTANCE_UNIT = "contribution to the evidence: mean over its standard error (t over blocks of clips)"
ENCODING_UNIT = "correlation with the response to held-out movies, over the noise ceiling"
NO_AREAS = "The vertices of this study have no area names, or no area has enough of them (interpret.minimum_vertices)."


@dataclass(frozen=True)
class Maps:
    """Maps of one subject and variant, each (V,), by task.

    Attributes
    ----------
    importance, encoding
        What the pictures show: t of the chosen method; correlation over noise ceiling.
    exported
        Everything there is, by ``<method> <task>``.
    vertex
        Places of the values.
    title
        Subject and variant.
    """

    importance: dict[str, np.ndarray]
    encoding: dict[str, np.ndarray]
    exported: dict[str, np.ndarray]
    vertex: np.ndarray
    title: str


def maps(
    *,
    importance: Path,
    encoding: Path,
    table: Path,
    settings: Interpret,
    mask: Path | None = None,
    importance_picture: Path,
    shape_picture: Path,
    encoding_picture: Path,
    areas_picture: Path,
    exports: Path,
    views: Path,
) -> None:
    """Draw importance and encoding on the cortex (or in the volume), and export them for other programs.

    Parameters
    ----------
    importance, encoding, table
        From the other steps of `interpret`, of one subject and variant.
    settings
        Section `interpret` of the configuration.
    mask
        Mask or atlas of a volumetric study, whose grid the voxels are counted in.
    importance_picture, encoding_picture
        Output: flat maps of the four tasks, or glass brains (PNG).
    shape_picture
        Output: inflated maps of the importance, or slices (PNG).
    areas_picture
        Output: functional groups by task, in both directions (PNG).
    exports
        Output: folder with all maps as `maps.dscalar.nii` (Connectome Workbench), or a NIfTI file for each map.
    views
        Output: folder with an interactive view of each task (HTML); empty for volumes and unknown places.
    """
    files = TensorFile(importance), TensorFile(encoding)
    kind = files[0].metadata["kind"]
    found = _read(*files, settings.shown)
    for folder in (exports, views):
        folder.mkdir(parents=True, exist_ok=True)
    pictures = (importance_picture, shape_picture, encoding_picture)
    heading = f"{LABELS[settings.shown]}, {found.title}"
    if kind == "cortex":
        shown = _smoothed(found, settings.smoothing_steps)
        if settings.smoothing_steps:
            heading += f" (each vertex {settings.smoothing_steps} times averaged with its neighbours)"
        _draw_cortex(shown, heading, pictures)
        _export_cortex(shown, exports, views if settings.views else None)
    elif kind == "volume":
        if mask is None:
            raise InputError(
                "this study's vertices are voxels: give the image that they are counted in (preprocess.volume.mask or"
                " preprocess.volume.atlas)"
            )
        _draw_volume(found, heading, pictures, mask, exports)
    else:
        logger.warning(UNKNOWN)
        for picture in pictures:
            write_sentence(picture, UNKNOWN)
    rows = read_table(table, AREA_COLUMNS)
    if len(rows):
        methods = (settings.shown, "permutation", "encoding", "unique")
        draw_areas(areas_picture, rows, methods, f"Functional groups (atlas proxies), {found.title}")
    else:
        write_sentence(areas_picture, NO_AREAS)


def _read(importance: TensorFile, encoding: TensorFile, shown: str) -> Maps:
    facts = importance.metadata
    if not np.array_equal(importance["vertex"], encoding["vertex"]):
        raise InputError(
            f"{importance.path} and {encoding.path} are of different vertices; rerun `interpret`"
        )
    tasks = facts["tasks"]
    sources = {method: (importance, method) for method in METHODS}
    sources |= {f"{method} t": (importance, f"{method}_t") for method in METHODS}
    sources |= {name: (encoding, name) for name in ("encoding", "encoding_normalised", "unique")}
    exported = {
        f"{label} {task}": np.array(file[name][number])
        for label, (file, name) in sources.items()
        for number, task in enumerate(tasks)
    }
    exported["noise ceiling"] = np.array(encoding["ceiling"])
    exported["in the model"] = np.ones(len(exported["noise ceiling"]), np.float32)
    return Maps(
        {task: exported[f"{shown} t {task}"] for task in tasks},
        {task: exported[f"encoding_normalised {task}"] for task in tasks},
        exported,
        np.array(importance["vertex"]),
        f"{facts['subject']}, variant {facts['variant']}",
    )


def _smoothed(found: Maps, steps: int) -> Maps:
    """Maps as they are drawn; what is exported is as it was, with the drawn maps added."""

    def smoothed(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {task: surfaces.smooth(values, found.vertex, steps) for task, values in maps.items()}

    importance, encoding = smoothed(found.importance), smoothed(found.encoding)
    drawn = {f"drawn importance {task}": values for task, values in importance.items()}
    drawn |= {f"drawn encoding {task}": values for task, values in encoding.items()}
    return replace(found, importance=importance, encoding=encoding, exported={**found.exported, **drawn})


def _draw_cortex(found: Maps, heading: str, pictures: tuple[Path, Path, Path]) -> None:
    flat, inflated, predicted = pictures
    placed = {task: surfaces.on_cortex(values, found.vertex) for task, values in found.importance.items()}
    surfaces.draw_flat(flat, placed, heading, IMPORTANCE_UNIT)
    surfaces.draw_inflated(inflated, placed, heading, IMPORTANCE_UNIT)
    placed = {task: surfaces.on_cortex(values, found.vertex) for task, values in found.encoding.items()}
    surfaces.draw_flat(predicted, placed, f"response predicted from each task, {found.title}", ENCODING_UNIT)


def _export_cortex(found: Maps, exports: Path, views: Path | None) -> None:
    whole = {name: surfaces.on_cortex(values, found.vertex) for name, values in found.exported.items()}
    surfaces.write_scalars(exports / "maps.dscalar.nii", whole)
    if views is None:
        return
    top = surfaces.largest(np.stack(list(found.importance.values())))
    for task, values in found.importance.items():
        title = f"{task.replace('_', ' ')}: {found.title}"
        surfaces.write_view(views / f"{task}.html", surfaces.on_cortex(values, found.vertex), title, top)


def _draw_volume(
    found: Maps, heading: str, pictures: tuple[Path, Path, Path], mask: Path, exports: Path
) -> None:
    def placed(maps: dict[str, np.ndarray]) -> dict[str, nib.Nifti1Image]:
        return {name: volumes.in_volume(values, found.vertex, mask) for name, values in maps.items()}

    glass, slices, predicted = pictures
    importance = placed(found.importance)
    volumes.draw_glass(glass, importance, heading, IMPORTANCE_UNIT)
    volumes.draw_slices(slices, importance, mask, heading, IMPORTANCE_UNIT)
    volumes.draw_glass(
        predicted, placed(found.encoding), f"response predicted from each task, {found.title}", ENCODING_UNIT
    )
    for name, image in placed(found.exported).items():
        volumes.write_image(exports / (name.replace(" ", "_") + ".nii"), image)
