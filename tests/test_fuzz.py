"""Readers of foreign content: whatever the bytes, either a result or an `InputError`, nothing else."""

import contextlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurons.annotate.backend import ClipView
from neurons.annotate.table import TableCaptions, TableMasks
from neurons.artifacts import (
    InputError,
    TensorFile,
    provenance,
    read_json,
    read_table,
    write_table,
    write_tensors,
)
from neurons.config import Config, Study, fields, load
from neurons.preprocess import atlas
from neurons.preprocess.cifti import open_run
from neurons.simulate.cortex import dense_series
from neurons.study import COLUMNS, read_runs
from neurons.workflow.rerun_changes import run_table

SHARED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
MADE_BY = provenance("test", {})

keys = st.sampled_from([part for key, _ in fields(Config) for part in key.split(".")]) | st.text(max_size=5)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
trees = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
# A whole configuration with one section replaced, so that the fuzz reaches deep keys as well.
sections = st.dictionaries(
    st.sampled_from(list(Config.model_fields)) | st.text(max_size=5), trees, max_size=3
)


@settings(SHARED, max_examples=300)
@given(trees | sections)
def test_configuration(values):
    with contextlib.suppress(InputError):
        assert isinstance(load(values), Config)


cells = st.text(max_size=12) | st.sampled_from(
    ["", "train", "test", "1", "-1", "nan", "1e400", "seg1", "a.nii", "NA"]
)
rows = st.fixed_dictionaries(dict.fromkeys(COLUMNS, cells))


@settings(SHARED, max_examples=60)
@given(st.lists(rows, max_size=4), st.integers(0, 20))
def test_run_table_of_any_cells(tmp_path, made, good):
    table = pd.concat([run_table().astype(str).head(good), pd.DataFrame(made, columns=list(COLUMNS))])
    path = tmp_path / "runs.tsv"
    table.to_csv(path, sep="\t", index=False)
    with contextlib.suppress(InputError):
        assert list(read_runs(path, Study(validation_movies=["seg2"])).columns) == list(COLUMNS)


@settings(SHARED, max_examples=100)
@given(st.binary(max_size=200))
def test_files_of_any_bytes(tmp_path, content):
    for name, read in (
        ("a.tsv", read_table),
        ("a.parquet", read_table),
        ("a.json", read_json),
        ("a.safetensors", lambda path: TensorFile(path)["x"]),
        ("b.tsv", lambda path: read_runs(path, Study())),
    ):
        (tmp_path / name).write_bytes(content)
        with contextlib.suppress(InputError):
            read(tmp_path / name)


def mutate(whole: bytes, changes: list[tuple[float, int]], keep: float) -> bytes:
    """`whole` with bytes replaced at relative positions, cut to the share `keep`."""
    content = bytearray(whole)
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    return bytes(content[: int(keep * len(content))])


mutations = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8)
lengths = st.just(1.0) | st.floats(0, 1)


@settings(SHARED, max_examples=200)
@given(mutations, lengths)
def test_tensor_files_with_changed_bytes(tmp_path, changes, keep):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"x": np.arange(6.0)}, MADE_BY, list("abcdef"))
    path.write_bytes(mutate(path.read_bytes(), changes, keep))
    with contextlib.suppress(InputError):
        file = TensorFile(path)
        np.asarray(file["x"]).sum()
        file.clip_ids  # noqa: B018


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, int]:
    """A small CIFTI run, and the length of its header."""
    import nibabel

    image = dense_series(np.zeros((2, atlas.GRAYORDINATES), np.float32), 2.0)
    path = tmp_path_factory.mktemp("run") / "a.dtseries.nii"
    nibabel.save(image, path)
    assert open_run(path).series().shape == (2, atlas.CORTEX), "the whole file can be read"
    return path, int(nibabel.load(path).dataobj.offset)


@settings(SHARED, max_examples=40)
@given(mutations, lengths, st.sampled_from([540, 3000, None]))
def test_cifti_headers_with_changed_bytes(tmp_path, run, changes, keep, reach):
    """Changes in the binary header, at the beginning of the XML, or anywhere in both."""
    source, header = run
    whole, reach = source.read_bytes(), reach or header
    content = mutate(whole[:reach], changes, 1.0) + whole[reach:]
    path = tmp_path / "a.dtseries.nii"
    path.write_bytes(content[: int(keep * len(content))])
    with contextlib.suppress(InputError):
        open_run(path).series()


VIEW = ClipView("m:0", 0.0, 2.0, np.array([0.5, 1.5]), 1 / 30, np.zeros((2, 8, 8, 3), np.uint8))


def write_annotation(folder: Path) -> None:
    scenes = {
        "start_s": [0.0, 2.0],
        "end_s": [2.0, 4.0],
        "caption": ["a car", "a dog"],
        "tags": ["car|road", "dog"],
    }
    write_table(folder / "m_captions.tsv", pd.DataFrame(scenes), MADE_BY)
    instances = {"instance": [0, 1], "tag": ["car", "dog"], "start_s": [0.0, 2.0], "end_s": [2.0, 4.0]}
    write_table(folder / "m_instances.tsv", pd.DataFrame(instances), MADE_BY)
    masks = {
        "time_s": np.arange(8) / 2,
        "masks": np.ones((8, 1, 8, 1), np.uint8),
        "instance": np.zeros((8, 1), np.int32),
    }
    write_tensors(folder / "m_masks.safetensors", masks, MADE_BY, width=8)


@settings(SHARED, max_examples=100)
@given(st.sampled_from(["captions.tsv", "instances.tsv", "masks.safetensors"]), mutations, lengths)
def test_annotation_files_with_changed_bytes(tmp_path, name, changes, keep):
    write_annotation(tmp_path)
    path = tmp_path / f"m_{name}"
    path.write_bytes(mutate(path.read_bytes(), changes, keep))
    with contextlib.suppress(InputError):
        TableCaptions(tmp_path, "m").describe(VIEW)
    with contextlib.suppress(InputError):
        TableMasks(tmp_path, "m").objects(VIEW, 8)


@settings(SHARED, max_examples=60)
@given(
    st.lists(st.fixed_dictionaries(dict.fromkeys(["start_s", "end_s", "caption", "tags"], cells)), max_size=4)
)
def test_annotation_tables_of_any_cells(tmp_path, made):
    write_annotation(tmp_path)
    pd.DataFrame(made, columns=["start_s", "end_s", "caption", "tags"]).to_csv(
        tmp_path / "m_captions.tsv", sep="\t", index=False
    )
    with contextlib.suppress(InputError):
        TableCaptions(tmp_path, "m").describe(VIEW)
