"""Training tables as TensorBoard events, read back from the files."""

from pathlib import Path

import pandas as pd
import pytest
from tensorboardX.proto.event_pb2 import Event

from neurons.artifacts import InputError, provenance, write_table
from neurons.workflow.tensorboard import find_tables, tensorboard


def course(path: Path, losses: list[float]) -> None:
    epochs = range(1, len(losses) + 1)
    table = {
        "epoch": epochs,
        "learning_rate": 0.1,
        "train_loss": losses,
        "validation_score": losses,
        "best": 1,
    }
    write_table(path, pd.DataFrame(table), provenance("pretrain fit", {}))


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars by tag, from the records of the event files: length (8 bytes), its check (4), content, its check (4)."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in folder.glob("events*"):
        content, start = path.read_bytes(), 0
        while start < len(content):
            size = int.from_bytes(content[start : start + 8], "little")
            event = Event.FromString(content[start + 12 : start + 12 + size])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, round(value.simple_value, 4)))
            start += 16 + size
    return found


def test_every_training_is_a_run_also_one_that_goes_on(tmp_path: Path) -> None:
    course(tmp_path / "pretrain/ours/subject1/training.tsv", [3.0, 2.0])
    course(tmp_path / "pretrain/ours/subject1/start_training.tsv", [5.0])
    course(tmp_path / "decouple/ours/subject1/checkpoints/training.tsv", [9.0, float("nan"), 7.0])
    course(tmp_path / "pretrain/ours/subject2/checkpoints/start/training.tsv", [8.0])
    assert list(find_tables(tmp_path)) == [
        "pretrain/ours/subject1", "decouple/ours/subject1", "pretrain/ours/subject1/start", "pretrain/ours/subject2/start",
    ]  # fmt: skip
    for _ in range(2):  # made again, not added to
        tensorboard(results=tmp_path)
    events = tmp_path / "logs/tensorboard"
    assert scalars(events / "pretrain/ours/subject1") == {
        "learning_rate": [(1, 0.1), (2, 0.1)],
        "train/loss": [(1, 3.0), (2, 2.0)],
        "validation/score": [(1, 3.0), (2, 2.0)],
    }
    assert scalars(events / "decouple/ours/subject1")["train/loss"] == [(1, 9.0), (3, 7.0)]
    assert scalars(events / "pretrain/ours/subject1/start")["train/loss"] == [(1, 5.0)]


def test_a_folder_without_trainings_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no training tables"):
        tensorboard(results=tmp_path)
