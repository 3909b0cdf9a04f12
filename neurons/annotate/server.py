"""Captioner `openai`: a server with OpenAI's chat interface, asked by several threads at once."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

import cv2
import numpy as np
import requests
import tenacity
from requests.auth import AuthBase

from neurons.annotate.captioner import Request
from neurons.annotate.settings import OpenAI
from neurons.artifacts import InputError
from neurons.console import logger

ADDRESS_VARIABLE = "OPENAI_BASE_URL"
LONGEST_WAIT_S = 60.0
TRY_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
HINTS = {
    401: "the server refuses the key: check the environment variable that annotate.openai.key_variable names",
    403: "the server refuses the key: check the environment variable that annotate.openai.key_variable names",
    404: "no such address or model: check annotate.openai.base_url and annotate.openai.model",
}


class _Passing(Exception):
    """A failure that may pass; the seconds after which the server asks to be tried again, if it says so."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class _Bearer(AuthBase):
    """The key, put into each request and nowhere else (not into a session's headers, which a .netrc would replace)."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


def read_key(variable: str | None) -> str | None:
    """The server's key from the environment.

    Raises
    ------
    InputError
        If a variable is named and not set.
    """
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(
            f"the environment variable {variable} (annotate.openai.key_variable) holds no key: export it where the "
            "workflow is started, or set key_variable: null for a server that asks for none"
        )
    return key


def read_address(base_url: str | None) -> str:
    """The server's address, from the configuration or else from the environment.

    Raises
    ------
    InputError
        If neither has it.
    """
    address = base_url or os.environ.get(ADDRESS_VARIABLE, "").strip()
    if not address:
        raise InputError(
            f"neither annotate.openai.base_url nor the environment variable {ADDRESS_VARIABLE} says where the server is, "
            "for example http://localhost:8000/v1"
        )
    return address


class ServerCaptioner:
    """Answers of a server.

    Parameters
    ----------
    settings
        Section `annotate.openai` of the configuration.
    base_url
        Address of the server, up to the version.
    key
        The server's key; None if it asks for none.
    first_wait_s
        Longest wait after a first failure; it doubles with each further one.
    """

    def __init__(self, settings: OpenAI, base_url: str, key: str | None, first_wait_s: float = 1.0) -> None:
        self._settings = settings
        self._key = key
        self._first_wait_s = first_wait_s
        self._url = base_url.rstrip("/") + "/chat/completions"

    def identity(self) -> dict[str, Any]:
        """Back end, model, its revision, length of answers; not the address, which may change between starts."""
        kept = self._settings.model_dump(mode="json", include={"model", "revision", "answer_tokens"})
        return {"backend": "openai", **kept}

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, str]]:
        """Position and text of each answer, as they come.

        Raises
        ------
        InputError
            If the server refuses a request, or fails `attempts` times; after the answers that were on their way.
        """
        failure: BaseException | None = None
        with ThreadPoolExecutor(self._settings.concurrency, thread_name_prefix="request") as pool:
            waiting = {pool.submit(self._ask, request): position for position, request in enumerate(requests)}
            try:
                for future in as_completed(waiting):
                    if future.cancelled():
                        continue
                    if error := future.exception():
                        failure = failure or error
                        _cancel(waiting)
                        continue
                    yield waiting[future], future.result()
            finally:
                _cancel(waiting)
        if failure is not None:
            raise failure

    def _ask(self, request: Request) -> str:
        wait = tenacity.wait_random_exponential(multiplier=self._first_wait_s, max=LONGEST_WAIT_S)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Passing),
            stop=tenacity.stop_after_attempt(self._settings.attempts),
            wait=lambda state: _asked_wait(state) or wait(state),
            before_sleep=_tell,
            reraise=True,
        )
        body = json.dumps(self._body(request))
        try:
            return retrying(self._post, body)
        except _Passing as error:
            raise InputError(
                f"{self._url} (annotate.openai.base_url) failed {self._settings.attempts} times "
                f"(annotate.openai.attempts), at last with: {error}. What it answered so far is kept: start the workflow "
                "again when it works, and it goes on at the next frame."
            ) from error

    def _body(self, request: Request) -> dict[str, Any]:
        return {
            "model": self._settings.model,
            "messages": request.messages(_picture),
            "temperature": 0,
            "seed": 0,
            "max_tokens": self._settings.answer_tokens,
            "response_format": {"type": "json_object"},
        }

    def _post(self, body: str) -> str:
        try:
            response = requests.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                auth=_Bearer(self._key) if self._key else None,
                timeout=self._settings.timeout_s,
            )
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            raise _Passing(f"{type(error).__name__}: {self._clean(str(error))}") from None
        except requests.RequestException as error:
            raise InputError(f"annotate.openai.base_url: {self._clean(str(error))}") from None
        if response.status_code in TRY_AGAIN:
            raise _Passing(f"HTTP {response.status_code}", _retry_after_s(response))
        if not response.ok:
            hint = HINTS.get(response.status_code, "check the section annotate.openai")
            said = self._clean(response.text)
            raise InputError(f"{self._url}: HTTP {response.status_code}: {hint}. It said: {said}")
        return self._text(response)

    def _text(self, response: requests.Response) -> str:
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise _Passing(
                f"an answer that is not a chat completion: {self._clean(response.text)}"
            ) from error
        return content if isinstance(content, str) else ""

    def _clean(self, text: str) -> str:
        """A text for a message: its first 200 characters, without the key, should a server repeat it."""
        return (text.replace(self._key, "(key)") if self._key else text)[:200]


def _cancel(futures: Iterable[Future[str]]) -> None:
    for future in futures:
        future.cancel()


def _picture(pixels: np.ndarray) -> dict[str, Any]:
    written, data = cv2.imencode(".png", np.ascontiguousarray(pixels[..., ::-1]))
    if not written:
        raise InputError(f"a frame of shape {pixels.shape} cannot be written as PNG")
    url = f"data:image/png;base64,{base64.b64encode(data.tobytes()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def _retry_after_s(response: requests.Response) -> float | None:
    value = response.headers.get("Retry-After", "")
    return min(float(value), 10 * LONGEST_WAIT_S) if value.replace(".", "", 1).isdigit() else None


def _asked_wait(state: tenacity.RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome else None
    return error.after_s if isinstance(error, _Passing) else None


def _tell(state: tenacity.RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    wait_s = state.next_action.sleep if state.next_action else 0.0
    logger.warning("try %d failed (%s); again in %.1f s", state.attempt_number, error, wait_s)
