"""Small CIFTI-2 runs on the standard 91,282 grayordinates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, SeriesAxis

from neurons.artifacts import provenance, write_table, write_tensors
from neurons.preprocess import atlas

WriteRun = Callable[..., Path]
VOLUME = (91, 109, 91)


def cortex_model(side: str, vertices: np.ndarray) -> BrainModelAxis:
    return BrainModelAxis.from_surface(vertices, atlas.MESH_VERTICES, f"CIFTI_STRUCTURE_CORTEX_{side}")


def subcortex_model(voxels: int) -> BrainModelAxis:
    positions = np.stack(np.unravel_index(np.arange(voxels), VOLUME), axis=1)
    return BrainModelAxis(
        "CIFTI_STRUCTURE_BRAIN_STEM", voxel=positions, affine=np.eye(4), volume_shape=VOLUME
    )


@pytest.fixture(scope="session")
def models() -> dict[str, BrainModelAxis]:
    """The parts of the standard grayordinates."""
    left, right = atlas.mesh_vertices()
    rest = subcortex_model(atlas.GRAYORDINATES - atlas.CORTEX)
    return {"left": cortex_model("LEFT", left), "right": cortex_model("RIGHT", right), "rest": rest}


@pytest.fixture(scope="session")
def write_run(models: dict[str, BrainModelAxis]) -> WriteRun:
    """Write cortical time courses (volumes, 59412) as dtseries, on grayordinates made of the parts in `order`."""
    spaces: dict[str, BrainModelAxis] = {}

    def write(path: Path, data: np.ndarray, step_s: float = 2.0, order: str = "left right rest") -> Path:
        if order not in spaces:
            first, *others = (models[part] for part in order.split())
            spaces[order] = sum(others, first)
        space = spaces[order]
        whole = np.zeros((len(data), len(space)), np.float32)
        columns = min(data.shape[1], len(space))
        whole[:, :columns] = data[:, :columns]
        image = Cifti2Image(whole, header=(SeriesAxis(0, step_s, len(data), "SECOND"), space))
        nibabel.save(image, path)
        return path

    return write


@pytest.fixture(scope="session")
def write_clips() -> Callable[[Path, str, int], Path]:
    """Write the clip table of a movie, as the stage `cut` does."""

    def write(path: Path, movie: str, clips: int) -> Path:
        table = pd.DataFrame({"clip": [f"{movie}:{index}" for index in range(clips)], "movie": movie})
        write_table(path, table, provenance("cut clips", {}))
        return path

    return write


@pytest.fixture(scope="session")
def write_frames() -> Callable[[Path, str, int], Path]:
    """Write frames of a movie, as the stage `cut` does: noise, which drives nothing."""

    def write(path: Path, movie: str, clips: int) -> Path:
        random = np.random.default_rng(sum(movie.encode()))
        frames = random.integers(0, 256, (clips, 2, 8, 8, 3), np.uint8)
        identities = [f"{movie}:{index}" for index in range(clips)]
        write_tensors(path, {"frames": frames}, provenance("cut clips", {}), identities)
        return path

    return write
