"""Captions by Qwen2.5-VL, of the real class at a small size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neurons.annotate.captioner import Request
from neurons.annotate.describing_steps import read_prompts
from neurons.annotate.qwen import QwenCaptioner
from neurons.annotate.settings import Qwen
from neurons.artifacts import InputError
from neurons.sections import Model
from tests.annotate.conftest import ANSWER, FRAMES, PROMPTS, SIZE, make_qwen

CPU = torch.device("cpu")


def captioner(folder: Path, **settings: int) -> QwenCaptioner:
    chosen = Qwen(model=Model(path=str(folder)), **{"answer_tokens": 60, "batch_size": 3, **settings})
    return QwenCaptioner(chosen, CPU, torch.float32)


def requests(count: int, pictures: int = 1) -> list[Request]:
    generator = np.random.default_rng(5)
    question = read_prompts(PROMPTS / "frame.txt", PROMPTS / "repair.txt", FRAMES, 2.0).question
    return [
        Request(
            tuple(generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8) for _ in range(pictures)),
            question,
        )
        for _ in range(count)
    ]


def test_it_answers_every_request_in_order(qwen_folder: Path) -> None:
    answers = list(captioner(qwen_folder).answer(requests(5)))
    assert answers == [(number, ANSWER) for number in range(5)]


@pytest.fixture(scope="module")
def untaught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL with random weights, large enough that pictures change its answers."""
    folder = tmp_path_factory.mktemp("untaught")
    model, _ = make_qwen(folder)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(8 if weight.ndim > 1 else 1)
    model.save_pretrained(folder)
    return folder


def test_answers_do_not_depend_on_the_batch(untaught: Path) -> None:
    asked = requests(4)
    together = [text for _, text in captioner(untaught, answer_tokens=8, batch_size=4).answer(asked)]
    alone = [text for _, text in captioner(untaught, answer_tokens=8, batch_size=1).answer(asked)]
    assert together == alone
    assert len(set(alone)) > 1, "pictures matter"


def test_requests_of_different_lengths_are_padded_on_the_left(untaught: Path) -> None:
    one, clip = requests(1)[0], requests(1, pictures=FRAMES)[0]
    again = one.with_turns("not JSON", "Answer again.")
    model = captioner(untaught, answer_tokens=8)
    together = dict(model.answer([one, clip, again]))
    assert [together[number] for number in range(3)] == [
        next(iter(model.answer([request])))[1] for request in (one, clip, again)
    ]


def test_memory_that_is_short_halves_the_batch(qwen_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = captioner(qwen_folder, batch_size=4)
    sizes, generate = [], model._generate

    def limited(batch: list[Request]) -> list[str]:
        sizes.append(len(batch))
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return generate(batch)

    monkeypatch.setattr(model, "_generate", limited)
    assert [text for _, text in model.answer(requests(3))] == [ANSWER] * 3
    assert sizes == [3, 1, 1, 1]


def test_a_folder_that_is_not_complete(qwen_folder: Path, tmp_path: Path) -> None:
    for path in qwen_folder.iterdir():
        if path.suffix != ".safetensors":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"annotate\.qwen\.model: Qwen2_5_VL.* cannot be loaded"):
        captioner(tmp_path)


def test_an_unknown_id_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"annotate\.qwen\.model: .*'nobody/nothing'"):
        QwenCaptioner(Qwen(model=Model(path="nobody/nothing")), CPU, torch.float32)


def test_identity_follows_the_model(qwen_folder: Path, untaught: Path) -> None:
    one, other = captioner(qwen_folder), captioner(untaught)
    assert one.identity() == captioner(qwen_folder, batch_size=7).identity()
    assert one.identity()["files"] != other.identity()["files"]


def test_a_model_that_does_not_fit(qwen_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: torch.nn.Module, *_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("transformers.PreTrainedModel.to", full)
    with pytest.raises(
        InputError, match=r"does not fit into the memory of cpu.*annotate\.qwen\.device_map: auto"
    ):
        captioner(qwen_folder)
