"""What a vision-language model is asked to answer, and how its text becomes that or a stated problem."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from neurons.annotate.concepts import CONCEPTS, NO_CONCEPT, singular

NOUN = re.compile(r"[a-z][a-z' -]*")
FENCE = re.compile(r"\A```(?:json)?\s*(.*?)\s*```\Z", re.DOTALL)


class MalformedAnswer(ValueError):
    """An answer that cannot be read; the message says why, in words that the model is told."""


class Seen(BaseModel):
    """A thing that is seen: its noun, singular and in lower case, and the model's choice among the 51 concepts."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    noun: str = Field(min_length=2, max_length=40)
    concept: str

    @field_validator("noun")
    @classmethod
    def _is_a_noun(cls, value: str) -> str:
        plain = " ".join(value.lower().replace("_", " ").replace("-", " ").split())
        if not NOUN.fullmatch(plain) or len(plain.split()) > 3:
            raise ValueError("must be a common noun of one to three words, in letters")
        return singular(plain)

    @field_validator("concept")
    @classmethod
    def _is_a_concept(cls, value: str) -> str:
        plain = " ".join(value.lower().split())
        if plain not in (*CONCEPTS, NO_CONCEPT):
            raise ValueError("must be copied from the list of concepts, or be 'none'")
        return plain


class Answer(BaseModel):
    """Caption of one phrase, and the nouns of what is seen with their concepts, each noun once."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    caption: str = Field(min_length=3, max_length=300)
    objects: list[Seen] = Field(min_length=1, max_length=30)

    @field_validator("caption")
    @classmethod
    def _is_one_phrase(cls, value: str) -> str:
        plain = " ".join(value.split()).rstrip(".")
        if re.search(r"[.!?]\s+[A-Z]", plain):
            raise ValueError("must be one phrase, not several sentences")
        if not re.search(r"\w\s+\w", plain):
            raise ValueError("must have several words")
        return plain

    @field_validator("objects")
    @classmethod
    def _each_once(cls, value: list[Seen]) -> list[Seen]:
        first: dict[str, Seen] = {}
        for item in value:
            first.setdefault(item.noun, item)
        return list(first.values())


def parse_answer(text: str) -> Answer:
    """The answer in a model's text: a JSON object, perhaps fenced as code.

    Raises
    ------
    MalformedAnswer
        If it is not JSON, or not what was asked for; every problem is named.
    """
    body = text.strip()
    fenced = FENCE.match(body)
    try:
        values: Any = json.loads(fenced[1] if fenced else body)
    except ValueError as error:
        raise MalformedAnswer(f"it is not JSON ({error}).") from error
    try:
        return Answer.model_validate(values)
    except ValidationError as error:
        raise MalformedAnswer("; ".join(_problems(error)) + ".") from error


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(str(part) for part in problem['loc']) or 'the answer'}: {problem['msg']}"
        for problem in error.errors()
    ]
