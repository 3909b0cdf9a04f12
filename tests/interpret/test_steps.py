"""The steps: known answers of a small study, nothing where there is nothing, pictures, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from neurons.artifacts import InputError, TensorFile, read_json, read_table, write_table, write_tensors
from neurons.interpret.map_steps import maps
from neurons.interpret.statistics import LEVEL
from neurons.interpret.tasks import METHODS, TASKS
from neurons.preprocess import atlas
from tests.interpret.conftest import MADE_BY, SETTINGS, Interpreted

CARRIERS = {
    "segmentation": ("FFC",),
    "concepts": ("FFC",),
    "description": ("FFC", "V4"),
    "blurry_video": ("FFC", "V4"),
}


def areas_of(file: TensorFile) -> np.ndarray:
    return np.array([area[2:] for area in atlas.areas()[np.array(file["vertex"])].tolist()])


@pytest.mark.parametrize("method", ["integrated", "haufe", "encoding"])
@pytest.mark.parametrize("task", TASKS)
def test_vertices_that_carry_a_task_are_found(interpreted: Interpreted, method: str, task: str) -> None:
    name = "encoding" if method == "encoding" else "importance"
    file = TensorFile(interpreted.folder / f"{name}.safetensors")
    found = roc_auc_score(np.isin(areas_of(file), CARRIERS[task]), file[method][TASKS.index(task)])
    assert found > (0.8 if method == "encoding" else 0.9)


def test_areas_that_carry_a_task_are_significant_and_the_silent_one_is_not(interpreted: Interpreted) -> None:
    table = read_table(interpreted.folder / "areas.tsv").query("level == 'area'")
    for task, carriers in CARRIERS.items():
        for method in ("integrated", "permutation"):
            found = table.query("method == @method and task == @task").set_index("region")
            assert (found.loc[list(carriers), "p_corrected"] < LEVEL).any(), (method, task)
            assert found.loc["V1", "p_corrected"] > LEVEL, (method, task)
            assert found["value"].idxmax() in carriers, (method, task)
    assert table["vertices"].eq(20).all()
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_encoding_reaches_the_ceiling_where_the_task_is_all_there_is(interpreted: Interpreted) -> None:
    table = read_table(interpreted.folder / "areas.tsv").query("level == 'area' and method == 'encoding'")
    normalised = table.set_index(["task", "region"])["normalised"]
    assert 0.85 < normalised["concepts", "FFC"] < 1.15
    assert 0.85 < normalised["description", "V4"] < 1.15


def test_methods_agree(interpreted: Interpreted) -> None:
    table = read_table(interpreted.folder / "agreement.tsv").query("level == 'vertex'")
    rho = table.set_index(["method", "other", "task"])["rho"]
    assert rho["integrated", "haufe", "concepts"] > 0.5
    assert rho["integrated", "encoding", "concepts"] > 0.3


def test_maps_of_a_subject_without_signal_are_rarely_significant(
    interpreted: Interpreted, noise_only: Interpreted
) -> None:
    """Of 24 maps (6 methods, 4 tasks) each has a false positive with p = .05; 5 or more with p < .01."""
    count = {}
    for made in (interpreted, noise_only):
        found = read_json(made.folder / "summary.json")["significant_areas"]
        assert set(found) == {*METHODS, "permutation", "encoding", "unique"}
        count[made] = sum(areas > 0 for by_task in found.values() for areas in by_task.values())
    assert count[noise_only] < 5 < 12 < count[interpreted]


def test_importance_does_not_depend_on_batches(interpreted: Interpreted, tmp_path) -> None:
    changed = SETTINGS.model_copy(update={"batch_size": 7})
    interpreted.importance(output=tmp_path / "importance.safetensors", settings=changed)
    first, second = (
        TensorFile(folder / "importance.safetensors") for folder in (interpreted.folder, tmp_path)
    )
    for name in ("integrated", "haufe", "permutation_series"):
        np.testing.assert_allclose(first[name], second[name], atol=1e-5)


def test_models_that_do_not_belong_together_are_refused(
    interpreted: Interpreted, noise_only: Interpreted, tmp_path
) -> None:
    with pytest.raises(InputError, match="another brain model"):
        interpreted.importance(
            decoupler=noise_only.folder / "decoupler.safetensors", output=tmp_path / "x.safetensors"
        )
    interpreted.importance(variant="other", output=tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="differ in variant"):
        interpreted.areas(importance=tmp_path / "other.safetensors", table=tmp_path / "areas.tsv")


def test_encoding_needs_two_training_movies(interpreted: Interpreted, tmp_path) -> None:
    with pytest.raises(InputError, match="one training movie"):
        interpreted.encoding(validation_movies=["seg2", "seg3", "seg4"], output=tmp_path / "x.safetensors")


def draw(made: Interpreted, folder, **changes: object) -> None:
    maps(
        **{
            "importance": made.folder / "importance.safetensors",
            "encoding": made.folder / "encoding.safetensors",
            "table": made.folder / "areas.tsv",
            "settings": SETTINGS,
            **{
                f"{name}_picture": folder / f"{name}.png"
                for name in ("importance", "shape", "encoding", "areas")
            },
            "exports": folder / "exports",
            "views": folder / "views",
            **changes,
        }
    )  # type: ignore[arg-type]


def drawn(folder) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.png") if path.read_bytes().startswith(b"\x89PNG"))


def test_maps_of_a_cortex(interpreted: Interpreted, tmp_path) -> None:
    import nibabel as nib

    draw(interpreted, tmp_path)
    assert drawn(tmp_path) == ["areas", "encoding", "importance", "shape"]
    assert sorted(path.stem for path in (tmp_path / "views").iterdir()) == sorted(TASKS)
    image = nib.load(tmp_path / "exports" / "maps.dscalar.nii")
    names = image.header.get_axis(0).name.tolist()
    file = TensorFile(interpreted.folder / "importance.safetensors")
    values = image.get_fdata()[names.index("integrated concepts")]
    np.testing.assert_allclose(values[file["vertex"]], file["integrated"][TASKS.index("concepts")], rtol=1e-5)
    assert image.get_fdata()[names.index("in the model")].sum() == len(file["vertex"])


def elsewhere(made: Interpreted, folder, kind: str, vertex: np.ndarray) -> Interpreted:
    """The same subject with its vertices in a volume, or nowhere."""
    for name in ("importance", "encoding"):
        file = TensorFile(made.folder / f"{name}.safetensors")
        tensors = {key: np.array(file[key]) for key in file.names if key != "vertex"} | {"vertex": vertex}
        facts = {
            key: value for key, value in file.metadata.items() if key not in ("content_hash", "provenance")
        }
        write_tensors(folder / f"{name}.safetensors", tensors, MADE_BY, **{**facts, "kind": kind})
    table = read_table(made.folder / "areas.tsv")
    write_table(folder / "areas.tsv", table if kind == "volume" else table.head(0), MADE_BY)
    return Interpreted(made.study, folder)


def test_maps_of_a_volume(interpreted: Interpreted, tmp_path) -> None:
    import nibabel as nib

    inside = np.zeros((9, 10, 8), np.uint8)
    inside[2:7, 2:8, 2:6] = 1
    affine = np.diag([16.0, 16.0, 16.0, 1.0])
    affine[:3, 3] = -64, -80, -48
    nib.save(nib.Nifti1Image(inside, affine), tmp_path / "mask.nii")
    made = elsewhere(interpreted, tmp_path / "results", "volume", np.flatnonzero(inside)[:60])
    with pytest.raises(InputError, match=r"preprocess\.volume\.mask"):
        draw(made, tmp_path)
    draw(made, tmp_path, mask=tmp_path / "mask.nii")
    assert drawn(tmp_path) == ["areas", "encoding", "importance", "shape"]
    assert list((tmp_path / "views").iterdir()) == []
    image = nib.load(tmp_path / "exports" / "integrated_concepts.nii")
    file = TensorFile(made.folder / "importance.safetensors")
    expected = file["integrated"][TASKS.index("concepts")]
    np.testing.assert_allclose(image.get_fdata()[inside > 0][:60], expected, rtol=1e-5)


def test_unknown_places_get_a_sentence(interpreted: Interpreted, tmp_path, caplog) -> None:
    draw(elsewhere(interpreted, tmp_path / "results", "unknown", np.arange(60)), tmp_path)
    assert drawn(tmp_path) == ["areas", "encoding", "importance", "shape"]
    assert "does not say which vertices" in caplog.text
    assert list((tmp_path / "exports").iterdir()) == []


def test_a_study_without_areas_is_interpreted_all_the_same(interpreted: Interpreted, tmp_path) -> None:
    """Released arrays: the vertex list has no places."""
    file = TensorFile(interpreted.folder / "train.safetensors")
    tensors = {name: np.array(file[name]) for name in file.names}
    known = {key: file.metadata[key] for key in ("subject", "vertex_hash")}
    responses = tmp_path / "train.safetensors"
    write_tensors(responses, tensors, MADE_BY, file.clip_ids, **known, space="unknown")
    table = pd.DataFrame({"grayordinate": tensors["vertex"], "selected": True})
    write_table(tmp_path / "vertices.parquet", table, MADE_BY)
    write_table(tmp_path / "locations.parquet", table[["grayordinate"]].assign(area=""), MADE_BY)
    given = {name: tmp_path / f"{name}.parquet" for name in ("vertices", "locations")}
    given["responses"] = responses
    interpreted.importance(**given, output=tmp_path / "importance.safetensors")
    interpreted.encoding(**given, output=tmp_path / "encoding.safetensors")
    interpreted.areas(
        importance=tmp_path / "importance.safetensors", encoding=tmp_path / "encoding.safetensors",
        table=tmp_path / "areas.tsv", agreement=tmp_path / "agreement.tsv", summary=tmp_path / "summary.json",
    )  # fmt: skip
    assert read_table(tmp_path / "areas.tsv").empty
    assert read_json(tmp_path / "summary.json")["kind"] == "unknown"
    assert set(read_table(tmp_path / "agreement.tsv")["level"]) == {"vertex"}
