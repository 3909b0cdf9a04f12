"""The sizes of the paper follow from the configuration alone."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import yaml

from neurons.artifacts import InputError
from neurons.config import load
from neurons.decouple.parameters import Part, decouple_parts, pretrain_parts, training_bytes
from neurons.workflow.parameters import CC2017_VERTICES, parameters, read_merged, surroundings
from tests.workflow.conftest import ROOT

PAPER_SCALE = [ROOT / "config/config.yaml", ROOT / "config/cc2017.yaml"]
MILLIONS = {
    "ridge 1": 55.1, "ridge 2": 60.7, "ridge 3": 37.3, "unfolding": 1745, "token projector": 8.3, "prior": 259.9,
    "motion projection": 16.6, "language model": 124.4,
}  # fmt: skip
"""Where our architecture is the released one."""


@cache
def parts(variant: str) -> dict[str, Part]:
    settings = load(read_merged(PAPER_SCALE)).variant(variant)
    around = surroundings(settings, CC2017_VERTICES)
    found = [
        *pretrain_parts(settings.pretrain, around),
        *decouple_parts(settings.decouple, around),
    ]
    return {f"{part.stage} {part.name}": part for part in found}


@pytest.mark.parametrize(("name", "millions"), MILLIONS.items())
def test_paper_scale_has_the_published_sizes(name: str, millions: float) -> None:
    found = [part for key, part in parts("paper").items() if key.partition(" ")[2] == name]
    assert found
    for part in found:
        assert part.weights == part.released and not part.why
        assert part.weights / 1e6 == pytest.approx(millions, rel=1e-3, abs=0.05)


@pytest.mark.parametrize(
    ("name", "millions", "ours", "why"),
    [
        # A mask follows from the clip's own text and frames, and masks and latents are made at their own sizes.
        ("text-driven decoder", 9.9, 12.5, "own text and frames"),
        # Two linear layers without anything between them are one.
        ("classifier", 2.2, 5.7, "GELU"),
        # A layer norm before the prefix, since the embedding is not of length 1 here.
        ("prefix", 0.98, 0.99, "norm"),
    ],
)
def test_where_ours_differs_on_purpose_the_table_says_so(
    name: str, millions: float, ours: float, why: str
) -> None:
    part = parts("paper")[f"decouple {name}"]
    assert part.released / 1e6 == pytest.approx(millions, abs=0.05)
    assert part.weights / 1e6 == pytest.approx(ours, abs=0.05)
    assert why in part.why


def test_the_residual_backbone_has_the_weights_that_the_released_mixer_wastes() -> None:
    part = parts("paper")["pretrain backbone"]
    assert part.weights / 1e6 == pytest.approx(134.3, abs=0.05)
    assert part.released == 20, "five numbers in each of four blocks reach the output"


def test_the_second_stage_trains_what_the_release_trains() -> None:
    second = [part for part in parts("paper").values() if part.stage == "decouple"]
    assert sum(part.released for part in second) / 1e6 == pytest.approx(414, abs=0.5)
    assert {part.trained for part in second} == {part.weights for part in second}


def test_a_window_has_a_ridge_per_lag_which_closed_form_does_not_train() -> None:
    ridge = parts("ours")["pretrain ridge 1"]
    assert ridge.weights == 2048 * (3 * CC2017_VERTICES[0] + 1)
    assert ridge.trained == 0


def test_memory_is_weights_gradients_and_two_moments() -> None:
    model = torch.nn.Linear(10, 7)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 10)).sum().backward()
    optimiser.step()
    held = [p for parameter in model.parameters() for p in (parameter, parameter.grad)]
    held += [value for state in optimiser.state.values() for value in state.values() if value.numel() > 1]
    expected = sum(tensor.numel() * tensor.element_size() for tensor in held if tensor is not None)
    assert training_bytes(77, 77) == expected
    assert training_bytes(77, 0) == 4 * 77
    assert training_bytes(2560, 2560, "8bit") == (4 + 4) * 2560 + 2 * (2560 + 4 * 10)


def test_the_table_is_printed_for_the_shipped_miniatures(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    parameters(vertices=(100,))
    printed = capsys.readouterr().out
    for text in ("ridge 1", "text-driven decoder", "released", "GiB", "optimiser.state 8bit"):
        assert text in printed


def test_a_configuration_that_cannot_be_read_is_named(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=r"none\.yaml cannot be read as a configuration"):
        parameters(config=[tmp_path / "none.yaml"])


def test_later_files_are_merged_into_earlier_ones(tmp_path) -> None:  # type: ignore[no-untyped-def]
    for name, values in (("a", {"pretrain": {"blocks": 1, "seed": 3}}), ("b", {"pretrain": {"blocks": 2}})):
        (tmp_path / name).write_text(yaml.safe_dump(values))
    assert read_merged([tmp_path / "a", tmp_path / "b"]) == {"pretrain": {"blocks": 2, "seed": 3}}
