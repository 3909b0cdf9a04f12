"""Results kept as they come."""

from pathlib import Path

import pytest
import torch

from neurons.annotate.halving import in_batches
from neurons.annotate.kept import Kept
from neurons.artifacts import InputError


def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    with Kept(tmp_path / "a" / "k.jsonl") as kept:
        kept.keep("one", [1])
        kept.keep("two", {"x": "ü\n"})
        kept.keep("one", [1, 2])
    with Kept(tmp_path / "a" / "k.jsonl") as kept:
        assert (kept.get("one"), kept.get("two"), kept.get("three")) == ([1, 2], {"x": "ü\n"}, None)
        assert "one" in kept and "three" not in kept and len(kept) == 2
        kept.discard()
    assert not (tmp_path / "a" / "k.jsonl").exists()


@pytest.mark.parametrize("lost", [1, 5, 17])
def test_a_line_cut_short_is_dropped_and_overwritten(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "k.jsonl"
    with Kept(path) as kept:
        kept.keep("one", 1)
        kept.keep("two", 2)
    path.write_bytes(path.read_bytes()[:-lost])
    with Kept(path) as kept:
        assert (kept.get("one"), kept.get("two")) == (1, None)
        kept.keep("two", 3)
    with Kept(path) as kept:
        assert (kept.get("one"), kept.get("two")) == (1, 3)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k.jsonl").write_text('{"key": "a", "value": 1}\nhello\n')
    with pytest.raises(InputError, match=r"k\.jsonl, line 2"), Kept(tmp_path / "k.jsonl"):
        pass


def test_batches_keep_the_order_and_halve_when_memory_is_short(caplog: pytest.LogCaptureFixture) -> None:
    sizes = []

    def work(batch: list[int]) -> list[int]:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return [item * 10 for item in batch]

    assert list(in_batches(list(range(7)), 6, work, "annotate.x")) == [(n, 10 * n) for n in range(7)]
    assert sizes == [6, 3, 1, 1, 1, 1, 1, 1, 1]
    assert "going on with 3" in caplog.text


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory."), MemoryError("no"),
     RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")],
)  # fmt: skip
def test_memory_that_is_short_for_one(error: Exception) -> None:
    def work(batch: list[int]) -> list[int]:
        raise error

    with pytest.raises(InputError, match=r"annotate\.x: memory is short for a single frame"):
        list(in_batches([1, 2, 3], 2, work, "annotate.x"))


def test_other_errors_pass() -> None:
    def work(batch: list[int]) -> list[int]:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(in_batches([1], 1, work, "annotate.x"))
