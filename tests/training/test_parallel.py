"""Two processes that train one model: what they share, and how they end together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from neurons.artifacts import read_table
from neurons.parallel import Group

from .two_processes import Contrast, new_model, trained

START = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    words = [sys.executable, *START, "tests.training.two_processes", str(folder)]
    subprocess.run(words, check=True, cwd=Path(__file__).parents[2])
    return folder


@pytest.fixture(scope="module")
def seen(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, torch.Tensor], Path]:
    folder = tmp_path_factory.mktemp("alone")
    model = new_model()
    trained(model, Contrast(model), folder, Group())
    return model.state_dict(), folder


def test_a_trained_model_is_that_of_one_process(
    folder: Path, seen: list[dict[str, Any]], alone: tuple[dict[str, torch.Tensor], Path]
) -> None:
    assert [one["whole"] for one in seen] == ["done", "done"]
    for value, expected in zip(seen[0]["weights"], alone[0].values(), strict=True):
        torch.testing.assert_close(torch.tensor(value), expected.flatten(), rtol=1e-5, atol=1e-6)
    logs = [read_table(place / "training.tsv") for place in (folder / "whole", alone[1])]
    pd.testing.assert_frame_equal(*logs, rtol=1e-5)


def test_random_numbers_of_samples_are_those_of_one_process(seen: list[dict[str, Any]]) -> None:
    first, second = (one["numbers"] for one in seen)
    torch.manual_seed(11)
    for name in ("before", "after"):
        expected = torch.randn(5, 1).flatten().tolist()
        assert first[name] + second[name] == expected
    assert first["everywhere"] == second["everywhere"] == torch.rand(2).tolist()


def test_other_random_numbers_are_each_process_s_own(seen: list[dict[str, Any]]) -> None:
    """As dropout masks need."""
    first, second = (one["numbers"]["private"] for one in seen)
    assert not set(first) & set(second)


def test_unequal_shares_are_gathered_in_order_and_weigh_as_much_as_they_hold(
    seen: list[dict[str, Any]],
) -> None:
    for one in seen:
        assert one["numbers"]["gathered"] == [0, 1, 2, 3, 4]
        assert one["numbers"]["whole"] == [5]
    assert sum(one["numbers"]["mean"][0] for one in seen) / 2 == pytest.approx(2.0)


def test_a_value_that_is_not_finite_in_one_process_stops_both_and_names_the_clip(
    seen: list[dict[str, Any]],
) -> None:
    assert seen[0]["broken"].startswith("InputError: the loss is not finite in epoch 1")
    assert "seg1:13" in seen[0]["broken"]
    assert seen[1]["broken"] == "exit 1"


def test_a_failure_of_the_first_process_ends_the_other(seen: list[dict[str, Any]]) -> None:
    assert "validation score is not finite after epoch 1" in seen[0]["unjudged"]
    assert seen[1]["unjudged"] == "exit 1"


def test_a_signal_to_one_process_stops_both_at_a_step_that_one_process_goes_on_from(
    folder: Path, seen: list[dict[str, Any]], alone: tuple[dict[str, torch.Tensor], Path]
) -> None:
    assert [one["stopped"] for one in seen] == ["exit 143", "exit 143"]
    assert [path.name for path in (folder / "stopped").glob("*.safetensors")] == [
        "step-000000007.safetensors"
    ]
    model = new_model()
    trained(model, Contrast(model), folder / "stopped", Group())
    for value, expected in zip(model.state_dict().values(), alone[0].values(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def test_shares_of_a_batch_are_all_of_it() -> None:
    groups = [Group(rank, 3) for rank in range(3)]
    parts = [group.part(torch.arange(10, 18).numpy()).tolist() for group in groups]
    assert parts == [[10, 11, 12], [13, 14, 15], [16, 17]]
    assert [len(part) for part in parts] == groups[0].shares(8)
