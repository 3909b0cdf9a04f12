"""Section `embed` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from neurons.sections import Count, Model, Section


class ClipSizes(Section):
    """Sizes of a CLIP model, to plan with before the model is there, and to know a wrong one by."""

    tokens: Count = Field(description="image tokens, without the class token (ViT-bigG-14: 256)")
    channels: Count = Field(description="width of an image token (ViT-bigG-14: 1664)")
    joint: Count = Field(description="width of the space that texts and images share (ViT-bigG-14: 1280)")
    text: Count = Field(description="width of a text token (ViT-bigG-14: 1280)")


class Embed(Section):
    """Frozen features of frames and texts."""

    clip: Model = Model(path="resources/miniatures/clip")
    clip_sizes: ClipSizes | None = Field(
        None, description="sizes that the model must have; null: whatever it has"
    )
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
