"""Where vertices lie, their areas by name, and maps on cortex and volume."""

from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError, write_table, write_tensors
from neurons.interpret import surfaces, volumes
from neurons.interpret.regions import find_regions
from neurons.interpret.settings import Interpret
from neurons.interpret.space import cortical_areas, read_space
from neurons.preprocess import atlas
from neurons.preprocess.locations import cortex_locations, unknown_locations, voxel_locations
from tests.interpret.conftest import MADE_BY

VERTEX = np.array([3, 700, 30_000, 59_000])


def written(
    folder,
    table: pd.DataFrame,
    vertex: np.ndarray,
    locations: pd.DataFrame | None = None,
    space: str = "fsLR_91k",
):
    write_table(folder / "vertices.parquet", table, MADE_BY)
    write_table(folder / "locations.parquet", cortex_locations() if locations is None else locations, MADE_BY)
    write_tensors(folder / "responses.safetensors", {"vertex": np.asarray(vertex)}, MADE_BY, space=space)
    return folder / "vertices.parquet", folder / "locations.parquet", folder / "responses.safetensors"


def cortex_table(count: int = atlas.CORTEX) -> pd.DataFrame:
    numbers = np.arange(count)
    return pd.DataFrame({"grayordinate": numbers, "selected": np.isin(numbers, VERTEX)})


def test_cortical_vertices_have_their_atlas_names(tmp_path):
    space = read_space(*written(tmp_path, cortex_table(), VERTEX))
    assert space.kind == "cortex"
    assert space.areas.tolist() == [name[2:] for name in atlas.areas()[VERTEX].tolist()]


def test_a_list_of_another_resolution_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"64984 grayordinates.*another resolution"):
        read_space(*written(tmp_path, cortex_table(64_984), VERTEX))


def test_other_vertices_than_the_responses_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"selects 4 vertices, but .* holds 3"):
        read_space(*written(tmp_path, cortex_table(), VERTEX[:3]))


def test_volumes_and_unknown_places(tmp_path):
    table = pd.DataFrame({"grayordinate": [2, 7, 9], "selected": [True, True, False]})
    named = pd.DataFrame({"grayordinate": [2, 7, 9], "area": ["A", "R_B", ""]})
    space = read_space(*written(tmp_path, table, np.array([2, 7]), named, "volume"))
    assert (space.kind, space.areas.tolist()) == ("volume", ["A", "B"])
    with pytest.raises(InputError, match=r"lacks 1 of the selected vertices, the first is 7"):
        read_space(*written(tmp_path, table, np.array([2, 7]), named[named["grayordinate"] != 7], "volume"))
    with pytest.raises(InputError, match=r"does not say where its vertices lie \(space: moon"):
        read_space(*written(tmp_path, table, np.array([2, 7]), named, "moon"))
    space = read_space(*written(tmp_path, table, np.array([2, 7]), unknown_locations(10), "unknown"))
    assert space.kind == "unknown"
    assert find_regions(space, Interpret().groups, 1).names == []


def test_regions_join_hemispheres_and_groups_are_unions(tmp_path):
    areas = cortical_areas()
    vertex = np.flatnonzero(np.isin(areas, ["LO1", "LO2", "V1"]))[::7]
    numbers = np.arange(atlas.CORTEX)
    table = pd.DataFrame({"grayordinate": numbers, "selected": np.isin(numbers, vertex)})
    regions = find_regions(read_space(*written(tmp_path, table, vertex)), Interpret().groups, 5)
    sizes = dict(zip(zip(regions.levels, regions.names, strict=True), regions.counts.tolist(), strict=True))
    assert sizes["group", "LOC"] == sizes["area", "LO1"] + sizes["area", "LO2"]
    assert sizes["area", "V1"] == (areas[vertex] == "V1").sum() == sizes["group", "V1"]
    sides = {name[0] for name in atlas.areas()[vertex[regions.members[regions.names.index("V1")]]].tolist()}
    assert sides == {"L", "R"}
    values = np.arange(len(vertex), dtype=float)
    np.testing.assert_allclose(regions.means(values)[0], values[regions.members[0]].mean())


def test_an_unknown_area_is_named_with_the_valid_ones(tmp_path):
    space = read_space(*written(tmp_path, cortex_table(), VERTEX))
    with pytest.raises(InputError) as error:
        find_regions(space, {"face": ["FFA"], "MT": ["MT"]}, 1)
    text = str(error.value)
    assert "unknown area 'FFA'" in text and "180 valid names" in text
    assert all(re.search(rf"\b{name}\b", text) for name in ("V1", "FFC", "PHA1", "p32"))


def test_exported_scalars_lie_where_the_vertices_are(tmp_path):
    values = np.array([1.0, 2.0, 3.0, 4.0], np.float32)
    path = tmp_path / "maps.dscalar.nii"
    surfaces.write_scalars(path, {"a": surfaces.on_cortex(values, VERTEX), "b": np.zeros(atlas.CORTEX)})
    image = nib.load(path)
    names, space = (image.header.get_axis(axis) for axis in (0, 1))
    assert image.nifti_header.get_intent()[0] == "ConnDenseScalar"
    assert names.name.tolist() == ["a", "b"]
    structures = [name.removeprefix("CIFTI_STRUCTURE_") for name, _, _ in space.iter_structures()]
    assert structures == ["CORTEX_LEFT", "CORTEX_RIGHT"]
    left, right = atlas.mesh_vertices()
    assert space.vertex.tolist() == [*left.tolist(), *right.tolist()]
    data = image.get_fdata()
    assert data[0, VERTEX].tolist() == values.tolist() and np.count_nonzero(data[0]) == 4


def test_smoothing_keeps_a_constant_and_spreads_a_peak():
    vertex = np.flatnonzero(cortical_areas() == "V1")
    constant = surfaces.smooth(np.ones((2, len(vertex)), np.float32), vertex, 3)
    np.testing.assert_allclose(constant, 1, rtol=1e-5)
    peak = np.zeros(len(vertex), np.float32)
    peak[50] = 1
    spread = surfaces.smooth(peak, vertex, 2)
    assert spread[50] == spread.max() < 1
    assert 7 <= np.count_nonzero(spread) <= 40
    assert surfaces.smooth(peak, vertex, 0) is peak


def test_a_view_needs_no_network(tmp_path):
    surfaces.write_view(tmp_path / "view.html", np.random.default_rng(0).random(atlas.CORTEX), "title", 1.0)
    text = (tmp_path / "view.html").read_text()
    assert not re.search(r"<(?:script|link|img|iframe)[^>]+(?:src|href)\s*=\s*[\"']?(?:https?:)?//", text)
    assert len(text) > 2e6


def mask(folder, count_off: int = 0):
    inside = np.zeros((6, 7, 5), np.uint8)
    inside[1:5, 1:6, 1:4] = 1
    inside.reshape(-1)[np.flatnonzero(inside)[:count_off]] = 0
    path = folder / "mask.nii"
    nib.save(nib.Nifti1Image(inside, np.diag([20.0, 20.0, 20.0, 1.0])), path)
    return path, inside


def test_volumes_are_filled_where_preprocess_read_them(tmp_path):
    from nilearn.masking import apply_mask

    path, inside = mask(tmp_path)
    places = voxel_locations(path, None, None)["grayordinate"].to_numpy()
    chosen = np.array([0, 10, 59])
    image = volumes.in_volume(np.array([1.0, 2.0, 3.0]), places[chosen], path)
    assert inside.sum() == len(places) == 60
    assert apply_mask(image, path)[chosen].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(InputError, match=r"does not mark 1 of the 3 voxels"):
        volumes.in_volume(np.ones(3), places[chosen], mask(tmp_path, 1)[0])
    with pytest.raises(InputError, match=r"does not mark 1 of the 3 voxels"):
        volumes.in_volume(np.ones(3), np.append(places[:2], inside.size), mask(tmp_path)[0])
    with pytest.raises(InputError, match="cannot be read as an image"):
        volumes.in_volume(np.ones(3), places[chosen], tmp_path / "absent.nii")
