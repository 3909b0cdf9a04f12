"""Section `simulate` of the configuration."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from neurons.sections import Count, Natural, Positive, Section


class SimulatedSubject(Section):
    """One simulated person."""

    signal: Annotated[float, Field(ge=0, le=10)] = Field(
        1.0, description="scale of the evoked response: 1 is realistic, 0 is pure noise"
    )


class Simulate(Section):
    """The simulated study: procedural movies and a forward model of the brain."""

    seed: Natural = Field(0, description="seed of movies and brains")
    train_movie_s: Positive = Field(96.0, description="length of a training movie, in s")
    test_movie_s: Positive = Field(60.0, description="length of a test movie, in s")
    frame_size_px: Count = Field(128, ge=64, description="width and height of the movies, in px")
    frame_rate_hz: Positive = Field(30.0, description="frames per second of the movies")
    subjects: dict[str, SimulatedSubject] = Field(
        {"subject1": SimulatedSubject(), "subject2": SimulatedSubject()},
        description="signal of each subject of the run table",
    )
    faults: list[str] = Field(
        [],
        description="faults of real data to write on purpose, `<fault>:<run>` (see `neurons simulate --help`)",
    )
