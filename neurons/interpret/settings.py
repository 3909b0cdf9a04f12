"""Section `interpret` of the configuration."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from neurons.sections import Count, Natural, OneOrMore, Section


class Interpret(Section):
    """Which vertices speak for which task."""

    variants: list[str] | None = Field(
        None, description="variants whose models are interpreted; null: all; an empty list: none"
    )
    seed: Natural = Field(0, description="seed of shuffles, contrasts, bootstrap and permutations")
    baselines: Count = Field(
        6,
        description="other clips from whose responses to the clip's own gradients are integrated, a point on each way",
    )
    contrasts: Count = Field(
        2,
        description="other clips' captions that a clip's own is told from, in the evidence of the description",
    )
    area_shuffles: Count = Field(1, description="shuffles in time of each area (permutation importance)")
    minimum_vertices: Count = Field(10, description="areas with fewer selected vertices are not tested")
    components: Count = Field(
        32,
        description="principal components of each task's output that predict responses (encoding direction)",
    )
    bootstrap: Count = Field(1000, description="bootstrap samples, over blocks of neighbouring clips")
    permutations: Count = Field(5000, description="sign flips of blocks for the null distribution over areas")
    block_clips: Count = Field(
        10, description="neighbouring clips that are resampled and flipped together; longer than scenes"
    )
    groups: dict[str, OneOrMore] = Field(
        {
            "V1": ["V1"],
            "V2": ["V2"],
            "V3": ["V3"],
            "V4": ["V4"],
            "MT": ["MT", "MST"],
            "LOC": ["LO1", "LO2", "LO3", "PIT"],
            "FFA": ["FFC"],
            "PPA": ["PHA1", "PHA2", "PHA3", "VMV1", "VMV2", "VMV3"],
            "EBA": ["TE2p", "PH", "V4t", "FST"],
        },
        description="functional groups as areas of the atlas (HCP-MMP, without hemisphere): proxies, not localisers",
    )
    shown: Literal["gradient", "integrated", "haufe"] = Field(
        "integrated", description="method of the importance maps in pictures and views"
    )
    smoothing_steps: Natural = Field(
        4,
        description="averages over neighbouring vertices before a map of the cortex is drawn (about 2 mm each); 0: none",
    )
    views: bool = Field(True, description="interactive views of the cortex (HTML, about 6 MB each)")
    batch_size: Count = Field(32, description="clips per forward and backward pass (does not change results)")
