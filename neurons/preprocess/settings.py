"""Section `preprocess` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurons.sections import Count, Natural, Section


class Selection(Section):
    """Which vertices are kept."""

    by: Literal["repeats", "encoding", "areas", "all"] = Field(
        "repeats",
        description="repeats: responses agree between showings of a training movie; encoding: responses are predicted from "
        "luminance, contrast and motion of held-out training movies (works with one showing); areas: named areas; all",
    )
    areas: list[str] = Field(
        [], description="for `areas`: names as in the atlas, with or without the hemisphere (`V1` or `L_V1`)"
    )
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.05, description="level of the t-test over training movies"
    )
    correction: Literal["bonferroni", "fdr"] = Field("bonferroni", description="correction over vertices")
    minimum: Count = Field(50, description="fewer selected vertices than this stop the workflow")
    fallback_top: Natural = Field(
        0,
        description="if fewer than `minimum` pass, take this many best vertices instead (0: stop with an error)",
    )


class Volume(Section):
    """Volumetric runs: which voxels there are; paths may hold {subject}."""

    mask: str | None = Field(
        None, description="NIfTI mask of voxels to read; null: wherever the atlas has a label"
    )
    atlas: str | None = Field(None, description="NIfTI image of whole numbers, one per area")
    labels: str | None = Field(
        None, description="TSV that names the numbers of the atlas: columns index, name"
    )


class Alignment(Section):
    """Does each run follow its movie: agreement with the other showings and with the stimulus, by lag."""

    lags: Annotated[int, Field(ge=1, le=20)] = Field(6, description="clips searched each way")
    action: Literal["stop", "warn"] = Field(
        "stop",
        description="what a run that is out of step does to the workflow; the table is written either way",
    )


class Preprocess(Section):
    """Runs to responses."""

    space: Literal["fsLR_91k", "volume"] = Field(
        "fsLR_91k", description="what runs are: CIFTI on 91,282 grayordinates, or NIfTI volumes"
    )
    volume: Volume = Volume()
    confounds: list[str] = Field(
        [],
        description="columns of the confounds table (column `confounds` of the run table) that are regressed out; patterns "
        "such as `trans_*` are allowed",
    )
    alignment: Alignment = Alignment()
    hemodynamic_delay_s: Annotated[float, Field(ge=0, le=20)] = Field(
        4.0, description="delay between a clip and the volume it is paired with, in s"
    )
    detrend_order: Annotated[int, Field(ge=0, le=10)] = Field(
        4, description="order of the polynomial removed per run"
    )
    selection: Selection = Selection()
