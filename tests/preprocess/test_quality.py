"""Agreement between repeats, as numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurons.preprocess import atlas
from neurons.preprocess.quality import area_table, mean_correlation
from neurons.preprocess.standardise import standardise


def test_mean_correlation_equals_all_pairs() -> None:
    random = np.random.default_rng(4)
    repeats = (random.standard_normal((4, 12, 30)) + random.standard_normal((12, 30))).astype(np.float32)
    for repeat in repeats:
        standardise(repeat, 2)
    r = [np.corrcoef(repeats[:, vertex])[np.triu_indices(4, 1)].mean() for vertex in range(12)]
    np.testing.assert_allclose(mean_correlation(repeats.sum(axis=0).T, 4), r, atol=1e-5)


def test_areas_are_summed_up() -> None:
    vertices = pd.DataFrame(
        {"r": [0.5, 0.3, 0.1, 0.0, 0.9], "selected": [True, False, True, True, True], "constant": [False] * 5}
    )
    areas = np.array(["L_V1", "L_V1", "L_V2", "L_V2", ""])
    table = area_table(vertices, areas, np.array([90.0, 20.0, 100.0, 110.0, 5.0]))
    assert table["area"].tolist() == ["L_V2", "L_V1"], "the largest share of selected vertices first"
    assert table["selected"].tolist() == [2, 1] and table["share"].tolist() == [1.0, 0.5]
    assert table["median_r"].tolist() == [0.05, 0.4] and table["median_tsnr"].tolist() == [105.0, 55.0]
    assert table["drop_outs"].tolist() == [0, 1]  # 20 is below a third of the median 90


def test_areas_are_joined_by_name() -> None:
    areas = atlas.areas()
    assert {area[0] for area in areas[atlas.LEFT]} == {"L"} and {area[0] for area in areas[atlas.RIGHT]} == {
        "R"
    }
    counts = {
        name: int(np.isin(areas, [f"L_{name}", f"R_{name}"]).sum()) for name in ("V1", "V2", "MT", "FFC")
    }
    assert counts == {"V1": 1618, "V2": 1220, "MT": 100, "FFC": 318}  # counted in the published dlabel file
    assert all(
        np.isin([f"L_{area}", f"R_{area}"], areas).all()
        for group in atlas.VISUAL_AREAS.values()
        for area in group
    )


def test_cortex_on_the_mesh() -> None:
    values = np.arange(atlas.CORTEX, dtype=np.float64)
    left, right = (atlas.to_mesh(values, side) for side in "LR")
    assert np.isnan(left).sum() == 32_492 - 29_696 and np.isnan(right).sum() == 32_492 - 29_716
    np.testing.assert_array_equal(np.concatenate([left[~np.isnan(left)], right[~np.isnan(right)]]), values)
