"""Section `embed` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from neurons.sections import Count, Model, Section


class Embed(Section):
    """Frozen features of frames and texts."""

    clip: Model = Model(path="resources/miniatures/clip")
    clip_input_range: Literal["unit", "mindeye2"] = Field(
        "unit", description="mindeye2: frames as the released features saw them (in [0.5, 1])"
    )
    vae: Model = Model(path="resources/miniatures/vae")
    language_model: Model = Model(path="resources/miniatures/gpt2")
    caption_tokens: Count = Field(
        32, description="longest caption, in tokens of the language model; longer is an error"
    )
    batch_size: Count = Field(64, description="frames or texts per forward pass")
    movies_per_job: Count = Field(
        10, description="movies that one job embeds (1 for full-size models, whose forward passes take long)"
    )
