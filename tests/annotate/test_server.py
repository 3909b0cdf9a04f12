"""Captions by a server: a real HTTP server that is slow, fails, talks nonsense, limits its rate, and dies."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurons.annotate.captioner import Prompts, Request
from neurons.annotate.describe import describe
from neurons.annotate.kept import Kept
from neurons.annotate.server import ServerCaptioner, read_address, read_key
from neurons.annotate.settings import OpenAI
from neurons.artifacts import InputError
from tests.annotate.conftest import ANSWER
from tests.annotate.http_server import KEY, Server, completion, fine

PROMPTS = Prompts("What is there?", "Wrong: {problem} Again.")


def captioner(address: str, key: str | None = None, **settings: Any) -> ServerCaptioner:
    chosen = OpenAI(**{"concurrency": 4, "attempts": 4, "timeout_s": 5, **settings})
    return ServerCaptioner(chosen, address, key, first_wait_s=0.01)


def frames(clips: int = 3) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (clips, 6, 8, 8, 3), dtype=np.uint8)


def test_every_frame_is_asked_once_with_what_was_set(serve, tmp_path: Path) -> None:
    server = serve(fine)
    with Kept(tmp_path / "k") as kept:
        said = describe(frames(), "frame", PROMPTS, captioner(server.address, KEY, answer_tokens=77), kept)
    assert len(said) == 18
    assert {item.caption for item in said.values()} == {"a red car drives on a road"}
    assert set(server.asked.values()) == {1} and len(server.asked) == 18
    assert server.keys == {f"Bearer {KEY}"}
    body = server.bodies[0]
    assert (body["temperature"], body["max_tokens"], body["model"]) == (0, 77, OpenAI().model)
    assert body["messages"][0]["content"][1] == {"type": "text", "text": PROMPTS.question}


def test_no_more_requests_at_once_than_set(serve) -> None:
    def slow(server: Server, picture: str, times: int) -> tuple[int, dict[str, str], str]:
        time.sleep(0.03)
        return fine(server, picture, times)

    server = serve(slow)
    requests = [Request((picture,), "?") for picture in frames().reshape(-1, 8, 8, 3)]
    assert len(list(captioner(server.address, concurrency=3).answer(requests))) == 18
    assert server.busiest == 3


@pytest.mark.parametrize(
    "trouble",
    [(429, {"Retry-After": "0.02"}, "slow down"), (500, {}, "oops"), (503, {}, ""), (200, {}, "<html>"),
     (200, {}, '{"choices": []}'), (200, {"Content-Length": "9999", "Connection": "close"}, "{")],
    ids=["rate limit", "failure", "busy", "no JSON", "no choice", "cut short"],
)  # fmt: skip
def test_passing_trouble_loses_nothing(
    serve, tmp_path: Path, trouble, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(lambda server, picture, times: trouble if times <= 2 else fine(server, picture, times))
    with Kept(tmp_path / "k") as kept:
        said = describe(frames(1), "frame", PROMPTS, captioner(server.address, timeout_s=1), kept)
    assert [item.status for item in said.values()] == ["answered"] * 6
    assert set(server.asked.values()) == {3}
    assert "try 1 failed" in caplog.text


def test_a_server_that_hangs_is_asked_again(serve) -> None:
    def hang(server: Server, picture: str, times: int) -> tuple[int, dict[str, str], str]:
        time.sleep(1.6 if times == 1 else 0)
        return fine(server, picture, times)

    server = serve(hang)
    request = Request((frames()[0, 0],), "?")
    assert list(captioner(server.address, timeout_s=1).answer([request])) == [(0, ANSWER)]
    assert sum(server.asked.values()) == 2


def test_malformed_answers_are_asked_again_once_and_then_recorded(serve, tmp_path: Path) -> None:
    order: dict[str, int] = {}

    def mixed(server: Server, picture: str, times: int) -> tuple[int, dict[str, str], str]:
        number = order.setdefault(picture, len(order))
        if number % 3 == 0 or (number % 3 == 1 and times == 1):
            return 200, {}, completion(None if number == 0 else "a car")
        return fine(server, picture, times)

    server = serve(mixed)
    with Kept(tmp_path / "k") as kept:
        said = describe(frames(1), "frame", PROMPTS, captioner(server.address, concurrency=1), kept)
    assert Counter(item.status for item in said.values()) == {"failed": 2, "repaired": 2, "answered": 2}
    assert sorted(server.asked.values()) == [1, 1, 2, 2, 2, 2]
    failed = [item for item in said.values() if item.status == "failed"]
    assert {item.caption for item in failed} == {None}
    assert {len(item.answers) for item in failed} == {2}
    repair = next(body for body in server.bodies if len(body["messages"]) == 3)
    assert repair["messages"][2]["content"][0]["text"].startswith("Wrong: it is not JSON")


def test_a_server_that_dies_in_the_middle_is_gone_on_with(serve, tmp_path: Path) -> None:
    dying = serve(
        lambda server, picture, times: (
            fine(server, picture, times) if len(server.asked) <= 7 else (503, {}, "")
        )
    )
    with (
        Kept(tmp_path / "k") as kept,
        pytest.raises(InputError, match=r"failed 2 times .*HTTP 503.* start the workflow again"),
    ):
        describe(frames(), "frame", PROMPTS, captioner(dying.address, attempts=2), kept)
    done = {picture for picture, count in dying.answered.items() if count}
    assert len(done) == 7
    fresh = serve(fine)
    with Kept(tmp_path / "k") as kept:
        said = describe(frames(), "frame", PROMPTS, captioner(fresh.address), kept)
    assert len(said) == 18 and all(item.status == "answered" for item in said.values())
    assert len(fresh.asked) == 11 and not set(fresh.asked) & done


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:9/v1.* failed 2 times"):
        list(captioner("http://127.0.0.1:9/v1", attempts=2).answer([Request((frames()[0, 0],), "?")]))


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "refuses the key"), (404, "base_url"), (400, "annotate.openai")]
)
def test_a_refusal_stops_at_once_and_never_shows_the_key(
    serve, status: int, hint: str, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(lambda *_: (status, {}, f"bad key {KEY}"))
    with pytest.raises(InputError, match=hint) as raised:
        list(captioner(server.address, KEY).answer([Request((frames()[0, 0],), "?")]))
    assert sum(server.asked.values()) == 1
    assert KEY not in str(raised.value) and KEY not in caplog.text
    assert "(key)" in str(raised.value)


def test_the_key_and_the_address_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAPTION_KEY", KEY)
    assert read_key("CAPTION_KEY") == KEY
    assert read_key(None) is None
    monkeypatch.setenv("CAPTION_KEY", " ")
    with pytest.raises(InputError, match=r"CAPTION_KEY \(annotate\.openai\.key_variable\) holds no key"):
        read_key("CAPTION_KEY")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://here/v1")
    assert (read_address(None), read_address("http://there/v1")) == ("http://here/v1", "http://there/v1")
    monkeypatch.delenv("OPENAI_BASE_URL")
    with pytest.raises(InputError, match="OPENAI_BASE_URL"):
        read_address(None)


def test_a_kept_answer_holds_for_this_prompt_model_and_revision_only(serve, tmp_path: Path) -> None:
    server = serve(fine)
    for changed in ({}, {"model": "other"}, {"revision": "abc"}, {"answer_tokens": 9}, {"concurrency": 1}):
        before = sum(server.asked.values())
        with Kept(tmp_path / "k") as kept:
            describe(frames(1), "frame", PROMPTS, captioner(server.address, **changed), kept)
        assert sum(server.asked.values()) - before == (0 if changed == {"concurrency": 1} else 6), changed
    for prompts in (
        Prompts("Another question?", PROMPTS.repair),
        Prompts(PROMPTS.question, "Again {problem}"),
    ):
        before = sum(server.asked.values())
        with Kept(tmp_path / "k") as kept:
            describe(frames(1), "frame", prompts, captioner(server.address), kept)
        assert sum(server.asked.values()) - before == 6


def test_equal_frames_are_asked_once(serve, tmp_path: Path) -> None:
    server = serve(fine)
    still = frames(4)
    still[1:3] = still[0, 0]
    with Kept(tmp_path / "k") as kept:
        said = describe(still, "frame", PROMPTS, captioner(server.address), kept)
    assert len(said) == 24 and len(server.asked) == 12


def test_a_clip_at_once(serve, tmp_path: Path) -> None:
    server = serve(fine)
    with Kept(tmp_path / "k") as kept:
        said = describe(frames(), "clip", PROMPTS, captioner(server.address), kept)
    assert list(said) == [(0, -1), (1, -1), (2, -1)]
    assert {len(body["messages"][0]["content"]) for body in server.bodies} == {7}
