"""The steps: known answers of a small study, nothing where there is nothing, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from neurons.artifacts import TensorFile
from neurons.interpret.tasks import TASKS
from neurons.preprocess import atlas
from tests.interpret.conftest import Interpreted

CARRIERS = {
    "segmentation": ("FFC",),
    "concepts": ("FFC",),
    "description": ("FFC", "V4"),
    "blurry_video": ("FFC", "V4"),
}


def auc(values: np.ndarray, positive: np.ndarray) -> float:
    return float(
        mannwhitneyu(values[positive], values[~positive]).statistic / (positive.sum() * (~positive).sum())
    )


@pytest.mark.parametrize("method", ["gradient", "integrated", "haufe", "encoding"])
@pytest.mark.parametrize("task", TASKS)
def test_vertices_that_carry_a_task_are_found(interpreted: Interpreted, method: str, task: str) -> None:
    name = "encoding" if method == "encoding" else "importance"
    file = TensorFile(interpreted.folder / f"{name}.safetensors")
    areas = np.array([area[2:] for area in atlas.areas()[file["vertex"]].tolist()])
    if task == "blurry_video" and method == "encoding":
        pytest.skip("every output of this study's heads follows kind and colour")
    assert auc(np.array(file[method][TASKS.index(task)]), np.isin(areas, CARRIERS[task])) > 0.9
