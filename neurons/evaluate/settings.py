"""Section `evaluate` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurons.sections import Count, Fraction, Model, Natural, Section


class Evaluate(Section):
    """Scores."""

    seed: Natural = Field(0, description="seed of bootstrap and permutations")
    frame_classifier: Model = Model(path="resources/miniatures/frame_classifier")
    video_classifier: Model = Model(path="resources/miniatures/video_classifier")
    clip: Model = Model(path="resources/miniatures/clip")
    gate: Model | None = Field(
        None,
        description="CLIP model of the gated consistency (released: ViFi-CLIP); none: that metric is left out",
    )
    gate_threshold: float = Field(
        0.6, ge=-1, le=1, description="cosine to the truth that a clip must exceed to pass the gate"
    )
    protocols: list[Literal["strict", "released"]] = Field(
        ["strict", "released"], min_length=1, description="sets of definitions, kept apart in every table"
    )
    ways: list[Annotated[int, Field(ge=2)]] = Field(
        [2, 50], min_length=1, description="classes to choose from in N-way identification"
    )
    top_k: list[Count] = Field([1], min_length=1, description="places that count as success in it")
    retrieval_pool: Annotated[int, Field(ge=2)] = Field(
        300, description="clips among which a clip is identified by CLIP"
    )
    bootstrap: Count = Field(1000, description="bootstrap samples, over blocks of neighbouring clips")
    permutations: Count = Field(1000, description="permutations of clips for the null distribution")
    image_permutations: Count = Field(
        100,
        description="permutations for pixel and flow scores when all would need more than this times the clips in pairs",
    )
    block_clips: Count = Field(
        10,
        description="neighbouring clips that are resampled and permuted together; longer than scenes, and few enough that"
        " there are many blocks (the cube root of the number of clips is a good choice)",
    )
    concept_threshold: Fraction = Field(0.5, description="probability from which on a concept is recognised")
    mask_threshold: Fraction = Field(0.5, description="probability from which on a pixel is in the mask")
    references: list[Literal["mean", "retrieval", "oracle"]] = Field(
        ["mean", "retrieval", "oracle"],
        description="reference rows of the score table (chance is always there)",
    )
    published: bool = Field(
        False, description="put published figures of the data set cc2017 into the tables, marked as quoted"
    )
    batch_size: Count = Field(32, description="frames or clips per forward pass of a frozen model")
