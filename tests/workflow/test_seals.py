"""Seals: what was cut short, altered, or made from an input that changed under its time, is found; nothing else is."""

import os
from pathlib import Path

import pytest

from neurons.artifacts import provenance, write_json
from neurons.workflow import seals
from neurons.workflow.journal import note_parts


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with Snakemake's records, an input from outside, and an artifact made from it."""
    monkeypatch.chdir(tmp_path)
    Path(".snakemake").mkdir()
    Path("input.bin").write_bytes(b"raw data")
    make()
    return tmp_path


def make():
    with seals.sealing():
        write_json(Path("results/a.json"), {"value": 1}, provenance("step", {"raw": Path("input.bin")}))


def keep_time(path: str, content: bytes) -> None:
    facts = os.stat(path)
    Path(path).write_bytes(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def test_what_is_as_it_was_made_is_left_alone(workplace):
    before = os.stat("results/a.json")
    assert seals.guard() == []
    assert os.stat("results/a.json") == before


@pytest.mark.parametrize("size", [0, 1, 20])
def test_a_file_cut_short_is_set_aside(workplace, size):
    whole = os.path.getsize("results/a.json")
    os.truncate("results/a.json", size)
    (message,) = seals.guard()
    assert f"results/a.json is not as its step wrote it: {size} of {whole} bytes are left" in message
    assert not Path("results/a.json").exists()
    assert os.path.getsize("results/a.json.changed") == size
    assert seals.guard() == []


def test_altered_content_of_the_same_size_and_time_is_seen(workplace):
    content = Path("results/a.json").read_bytes()
    keep_time("results/a.json", content.replace(b"1", b"2", 1))
    (message,) = seals.guard()
    assert "its content changed" in message
    assert not Path("results/a.json").exists()


def test_an_input_that_changed_under_its_time_dates_its_outputs_back(workplace):
    keep_time("input.bin", b"RAW DATA")
    (message,) = seals.guard()
    assert "results/a.json is made from another content of input.bin" in message
    assert os.path.getmtime("results/a.json") == 0 < os.path.getmtime("input.bin")
    make()
    assert seals.guard() == []


def test_copies_and_touches_change_nothing(workplace):
    os.utime("input.bin")
    os.utime("results/a.json", (5, 5))
    assert seals.guard() == []
    assert os.path.getmtime("results/a.json") == 5
    # The seal was renewed: nothing is hashed next time.
    assert seals.state(Path("results/a.json")) in next(seals.SEALS.glob("*")).read_text()


def test_a_part_that_is_gone_or_changed_makes_its_list_stale(workplace):
    for clip in ("one", "two"):
        Path(clip).mkdir()
        Path(clip, "video").write_text("frames")
    with seals.sealing():
        note_parts([Path("one"), Path("two")])
        write_json(Path("results/list.json"), {}, provenance("step", {}))
    Path("one/video").write_text("other!")
    Path("two/video").unlink()
    Path("two").rmdir()
    (message,) = seals.guard()
    assert "another content of one" in message and "without a part of it, two" in message
    assert Path("results/list.json").exists()


def test_a_failed_step_and_checkpoints_are_not_sealed(workplace):
    with pytest.raises(RuntimeError), seals.sealing():
        write_json(Path("results/b.json"), {}, provenance("step", {}))
        raise RuntimeError
    with seals.sealing():
        write_json(Path("results/checkpoints/1.json"), {}, provenance("step", {}))
    assert len(list(seals.SEALS.glob("*"))) == 1


def test_nothing_is_touched_while_snakemake_works_here(workplace):
    os.truncate("results/a.json", 1)
    Path(".snakemake/locks").mkdir()
    Path(".snakemake/locks/0.input.lock").touch()
    assert seals.guard() == []
    assert Path("results/a.json").exists()


def test_a_deleted_artifact_loses_its_seal(workplace):
    Path("results/a.json").unlink()
    assert seals.guard() == []
    assert list(seals.SEALS.glob("*")) == []


def test_without_records_of_snakemake_nothing_is_sealed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_from = Path("input.bin")
    make_from.write_bytes(b"x")
    make()
    assert not Path(".snakemake").exists()
    assert seals.guard() == []
