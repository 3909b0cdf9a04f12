"""What any vision-language model looks like from outside: requests in, texts out, as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from neurons.annotate.answer import MalformedAnswer, parse_answer


@dataclass(frozen=True)
class Request:
    """Pictures with a question, and what was said since.

    Attributes
    ----------
    pictures
        RGB, uint8, each of shape (H, W, 3), in order.
    question
        Text that follows the pictures.
    turns
        The model's answer and the reply to it, alternating.
    """

    pictures: tuple[np.ndarray, ...]
    question: str
    turns: tuple[str, ...] = ()

    def with_turns(self, *turns: str) -> Request:
        """The request with more turns."""
        return replace(self, turns=(*self.turns, *turns))

    def messages(self, picture: Any) -> list[dict[str, Any]]:
        """The request as chat messages; `picture` makes the part of a message that stands for a picture."""
        first = [*(picture(pixels) for pixels in self.pictures), {"type": "text", "text": self.question}]
        roles = ("assistant", "user")
        return [
            {"role": "user", "content": first},
            *(
                {"role": roles[number % 2], "content": [{"type": "text", "text": text}]}
                for number, text in enumerate(self.turns)
            ),
        ]


class Captioner(Protocol):
    """A vision-language model."""

    def identity(self) -> dict[str, Any]:
        """What decides its answers, JSON values: back end, model, revision, length of answers."""

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, str]]:
        """Position and text of each answer, as they come, in any order; each position once."""


@dataclass(frozen=True)
class Prompts:
    """The texts that a model reads.

    Attributes
    ----------
    question
        Asks for caption and objects, in JSON.
    repair
        Reply to an answer that cannot be read; ``{problem}`` stands for the reason.
    """

    question: str
    repair: str


@dataclass(frozen=True)
class Described:
    """What a model said of a frame or clip.

    Attributes
    ----------
    status
        ``answered``, ``repaired`` (valid when asked again), or ``failed``.
    caption
        None if it failed.
    tags, concepts
        Nouns, and the concept that the model chose for each; both empty if it failed.
    problem
        What was wrong with the last malformed answer; empty if none was.
    answers
        The model's texts, word for word.
    """

    status: str
    caption: str | None
    tags: tuple[str, ...]
    concepts: tuple[str, ...]
    problem: str
    answers: tuple[str, ...]


MOST_ANSWERS = 2


def described(answers: Sequence[str]) -> Described:
    """What the answers to a request and, if the first was malformed, to its repair, come to."""
    problem = ""
    for number, text in enumerate(answers):
        try:
            found = parse_answer(text)
        except MalformedAnswer as error:
            problem = str(error)
            continue
        tags = tuple(item.noun for item in found.objects)
        concepts = tuple(item.concept for item in found.objects)
        status = "repaired" if number else "answered"
        return Described(status, found.caption, tags, concepts, problem, tuple(answers))
    return Described("failed", None, (), (), problem, tuple(answers))


def settled(answers: Sequence[str]) -> bool:
    """Whether nothing more is to be asked: an answer is valid, or the model was asked twice."""
    return len(answers) >= MOST_ANSWERS or (bool(answers) and described(answers).status != "failed")


def next_request(request: Request, answers: Sequence[str], prompts: Prompts) -> Request:
    """The request itself, or after a malformed answer the request to repair it."""
    if not answers:
        return request
    problem = described(answers).problem
    return request.with_turns(answers[-1], prompts.repair.replace("{problem}", problem))
