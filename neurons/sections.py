"""What sections of the configuration are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
OneOrMore = Annotated[
    list[str],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
]
"""Names; a single one may be given without a list (as the command line gives it)."""


class Section(BaseModel):
    """Base of all sections: immutable, no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(Section):
    """A model in the folder layout that `from_pretrained` reads."""

    path: str = Field(description="folder, or hub id")
    revision: str | None = Field(None, description="commit of a hub id; unused for a folder")


class Optimiser(Section):
    """One training run."""

    epochs: Count = Field(description="passes over the training pairs")
    batch_size: Count = Field(description="(clip, repeat) pairs per step")
    learning_rate: Positive = Field(description="peak of the one-cycle schedule")
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.01, description="AdamW weight decay")
    state: Literal["32bit", "8bit"] = Field(
        "32bit",
        description="AdamW's two moments of each weight; 8bit takes a quarter of their memory, for other results (those of "
        "tensors under 4,096 entries stay in 32 bits; needs the package bitsandbytes)",
    )
    checkpoint_every: Count = Field(
        5, description="epochs between checkpoints that a killed run resumes from"
    )
