"""Artifacts: what is written is read back, joined by id, and never half there."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurons import artifacts
from neurons.artifacts import InputError, TensorFile

MADE_BY = {"step": "test", "parameters": {}, "inputs": {}, "packages": {}, "seed": 0}


def test_tensors_round_trip_with_ids_and_metadata(tmp_path):
    path = tmp_path / "a.safetensors"
    values = np.arange(24, dtype=np.float32).reshape(3, 2, 4)
    artifacts.write_tensors(
        path, {"x": values, "flag": np.array([True, False])}, MADE_BY, ["m:0", "m:1", "m:2"], subject="s1"
    )
    file = TensorFile(path)
    assert file.clip_ids == ["m:0", "m:1", "m:2"]
    assert file.metadata["subject"] == "s1"
    assert file.metadata["provenance"] == MADE_BY
    assert isinstance(file["x"], np.memmap)
    np.testing.assert_array_equal(file["x"], values)
    np.testing.assert_array_equal(file.rows("x", ["m:2", "m:0"]), values[[2, 0]])


def test_same_content_gives_same_bytes_and_other_content_another_hash(tmp_path):
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, value in zip(paths, (1.0, 1.0, 2.0), strict=True):
        artifacts.write_tensors(path, {"x": np.full(3, value)}, MADE_BY)
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
    hashes = [TensorFile(path).metadata["content_hash"] for path in paths]
    assert hashes[0] == hashes[1] != hashes[2]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(tmp_path, value):
    with pytest.raises(ValueError, match="NaN or infinite"):
        artifacts.write_tensors(tmp_path / "a.safetensors", {"x": np.array([1.0, value])}, MADE_BY)
    assert not list(tmp_path.iterdir())


def test_truncated_and_foreign_files_are_named(tmp_path):
    path = tmp_path / "a.safetensors"
    artifacts.write_tensors(path, {"x": np.ones(100)}, MADE_BY)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InputError, match=r"a\.safetensors is truncated"):
        TensorFile(path)["x"]
    path.write_bytes(b"not a tensor file at all")
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        TensorFile(path)["x"]


def test_unknown_tensor_lists_those_that_exist(tmp_path):
    path = tmp_path / "a.safetensors"
    artifacts.write_tensors(path, {"left": np.ones(2), "right": np.ones(2)}, MADE_BY)
    with pytest.raises(InputError, match="it has: left, right"):
        TensorFile(path)["middle"]
    with pytest.raises(InputError, match="no clip ids"):
        _ = TensorFile(path).clip_ids


@given(
    st.permutations(["a:0", "a:1", "b:0", "b:7"]),
    st.lists(st.sampled_from(["a:0", "a:1", "b:0", "b:7"]), unique=True),
)
def test_locate_finds_each_wanted_id(available, wanted):
    positions = artifacts.locate(wanted, available, "here")
    assert [available[position] for position in positions] == wanted


def test_locate_refuses_missing_and_repeated_ids():
    with pytest.raises(InputError, match=r"here lacks 1 of 2 clips: m:9"):
        artifacts.locate(["m:0", "m:9"], ["m:0"], "here")
    with pytest.raises(InputError, match="more than once in here: m:0"):
        artifacts.locate(["m:0"], ["m:0", "m:0"], "here")


def test_gather_joins_files_by_id(tmp_path):
    for movie in ("a", "b"):
        values = np.array([[ord(movie), i] for i in range(3)])
        artifacts.write_tensors(
            tmp_path / f"{movie}.safetensors", {"x": values}, MADE_BY, [f"{movie}:{i}" for i in range(3)]
        )
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    values, ids = artifacts.gather(paths, "x", ["b:2", "a:1"])
    assert ids == ["b:2", "a:1"]
    assert values.tolist() == [[ord("b"), 2], [ord("a"), 1]]


@pytest.mark.parametrize("suffix", [".parquet", ".tsv"])
def test_tables_round_trip(tmp_path, suffix):
    table = pd.DataFrame({"clip": ["m:0", "m:1"], "value": [0.1, np.nan], "text": ["a, b", "NA"]})
    path = tmp_path / f"t{suffix}"
    artifacts.write_table(path, table, MADE_BY)
    read = artifacts.read_table(path, ["clip", "value"])
    pd.testing.assert_frame_equal(read, table, check_dtype=False)
    with pytest.raises(InputError, match=r"lacks the columns \['score'\]; it has"):
        artifacts.read_table(path, ["score"])


def test_json_holds_provenance_and_no_nan(tmp_path):
    path = tmp_path / "a.json"
    artifacts.write_json(path, {"x": 1}, MADE_BY)
    assert artifacts.read_json(path) == {"x": 1, "provenance": MADE_BY}
    with pytest.raises(ValueError, match="JSON compliant"):
        artifacts.write_json(path, {"x": float("nan")}, MADE_BY)
    assert json.loads(path.read_text())["x"] == 1


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), artifacts.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_killed_in_the_middle_leaves_no_file_of_that_name_and_the_next_clears_up(tmp_path):
    program = textwrap.dedent(
        f"""
        import os, pathlib, signal
        from neurons.artifacts import atomic
        with atomic(pathlib.Path({str(tmp_path / "a.bin")!r})) as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "a.bin").exists()
    assert len(list(tmp_path.iterdir())) == 1
    (tmp_path / ".a.b.12345678.bin").write_bytes(b"of another file, a.b.bin")
    with artifacts.atomic(tmp_path / "a.bin") as temporary:
        temporary.write_bytes(b"whole")
    assert {file.name for file in tmp_path.iterdir()} == {"a.bin", ".a.b.12345678.bin"}


def test_files_are_readable_by_the_group_as_the_umask_says(tmp_path):
    before = os.umask(0o022)
    try:
        artifacts.write_json(tmp_path / "a.json", {}, MADE_BY)
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o644


def test_seeds_differ_by_every_part():
    seeds = {
        artifacts.seed_for(*parts)
        for parts in ((0, "a", "b"), (1, "a", "b"), (0, "ab"), (0, "a"), ("0", "b", "a"))
    }
    assert len(seeds) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_provenance_names_inputs_by_content(tmp_path):
    tensor, text = tmp_path / "a.safetensors", tmp_path / "b.txt"
    artifacts.write_tensors(tensor, {"x": np.ones(2)}, MADE_BY)
    text.write_text("hello")
    made = artifacts.provenance("stage step", {"tensor": tensor, "texts": [text]}, {"alpha": 1}, seed=3)
    assert made["inputs"]["tensor"] == {"a.safetensors": TensorFile(tensor).metadata["content_hash"]}
    assert made["inputs"]["texts"] == {"b.txt": artifacts.hash_file(text)}
    assert made["parameters"] == {"alpha": 1}
    assert made["seed"] == 3
    assert made["packages"]["numpy"] == np.__version__


def test_provenance_keeps_files_of_one_name_in_different_folders_apart(tmp_path):
    tensors = [tmp_path / "cut" / movie / "frames.safetensors" for movie in ("seg1", "seg2", "test/1")]
    for number, path in enumerate(tensors):
        artifacts.write_tensors(path, {"x": np.full(2, number)}, MADE_BY)
    texts = [tmp_path / stage / "a.txt" for stage in ("cut", "embed/seg1")]
    for path in texts:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(path))
    made = artifacts.provenance("stage step", {"frames": tensors, "texts": texts, "one": tensors[1:2]})
    contents = [TensorFile(path).metadata["content_hash"] for path in tensors]
    assert len(set(contents)) == 3
    assert made["inputs"]["frames"] == {
        "seg1/frames.safetensors": contents[0],
        "seg2/frames.safetensors": contents[1],
        "test/1/frames.safetensors": contents[2],
    }
    assert made["inputs"]["texts"] == {
        "cut/a.txt": artifacts.hash_file(texts[0]),
        "embed/seg1/a.txt": artifacts.hash_file(texts[1]),
    }
    assert made["inputs"]["one"] == {"frames.safetensors": contents[1]}
    assert artifacts.provenance("stage step", {"none": []})["inputs"] == {"none": {}}


def test_provenance_does_not_depend_on_where_the_folder_lies_or_how_paths_are_given(tmp_path, monkeypatch):
    made = []
    for place in ("here", "there/deeper"):
        for movie in ("seg1", "seg2"):
            path = tmp_path / place / movie / "a.txt"
            path.parent.mkdir(parents=True)
            path.write_text(movie)
        files = [tmp_path / place / movie / "a.txt" for movie in ("seg1", "seg2")]
        made.append(artifacts.provenance("stage step", {"texts": files}))
    monkeypatch.chdir(tmp_path / "here")
    relative = [Path("seg2/a.txt"), tmp_path / "here" / "seg1" / "a.txt"]
    made.append(artifacts.provenance("stage step", {"texts": relative}))
    assert made[0] == made[1] == made[2]
    assert str(tmp_path) not in json.dumps(made)


def test_clip_ids():
    assert artifacts.split_clip_id(artifacts.clip_id("seg10", 7)) == ("seg10", 7)
    for wrong in ("seg1", ":3", "seg1:x", ""):
        with pytest.raises(InputError, match="<movie>:<index>"):
            artifacts.split_clip_id(wrong)
