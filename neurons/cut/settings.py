"""Section `cut` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurons.sections import Count, Positive, Section


class Cut(Section):
    """Movies to clips."""

    frames_per_clip: Count = Field(6, description="frames taken from each clip")
    phase: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="where in its interval a frame is taken: 0 the start, 0.5 the middle"
    )
    frame_size_px: Count = Field(64, description="width and height of the stored frames, in px")
    fit: Literal["crop", "stretch"] = Field(
        "crop", description="how a movie that is not square becomes square"
    )
    playback_frames: Count = Field(
        16, description="frames per clip of test movies kept for the report's player"
    )
    cut_threshold: Positive = Field(27.0, description="content difference that counts as a scene cut")
