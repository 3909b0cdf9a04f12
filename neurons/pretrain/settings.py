"""Section `pretrain` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurons.sections import Count, Fraction, Natural, Optimiser, Positive, Section


class Pretrain(Section):
    """Brain model: ridge, backbone, motion projection, text embedding."""

    seed: Natural = Field(0, description="seed of initialisation and sampling")
    training_clips: Count | None = Field(
        None,
        description="learn from the first so many training clips only, in the order of the run table (30 clips of 2 s are a "
        "minute), in `decouple` as well; null: from all",
    )
    window_tr: list[int] = Field(
        [-1, 0, 1],
        min_length=1,
        description="volumes around the lagged one that the model reads; [0] is the paper",
    )
    window_weights: Literal["best", "free", "kernel"] = Field(
        "best",
        description="how the volumes are read (closed_form only): free, by a ridge each; kernel, by one ridge from their"
        " weighted sum, the weights learnt with it; best, for each component of the features whichever predicts left-out"
        " movies better",
    )
    target: Literal["video", "frame"] = Field(
        "video", description="CLIP tokens of all frames, or of the middle one"
    )
    standardise_targets: bool = Field(
        True, description="align with the tokens' deviations from the mean training clip; false is the paper"
    )
    ridge: Literal["closed_form", "trained"] = Field(
        "closed_form",
        description="closed_form: cross-validated ridge to principal components of the features, frozen, and a "
        "start of the other layers at the linear decoding; trained: by gradient descent (the paper)",
    )
    backbone: Literal["residual", "mindeye2"] = Field(
        "residual",
        description="blocks after the ridge: residual MLP blocks; or what the blocks of MindEye2 and of the released "
        "NEURONS compute (each adds a learned number), for their weights",
    )
    released: str | None = Field(
        None,
        description="weights of a released checkpoint to start from (file written by `neurons pretrain import-checkpoint`): "
        "backbone and projections, for `backbone: mindeye2`, `ridge: trained` and raw targets; null: random",
    )
    start: Literal["own", "others", "all"] = Field(
        "own",
        description="what the layers after the ridge start from: the linear decoding of this subject's training clips; or a "
        "backbone trained before on the responses of the other subjects, or of all, with a ridge each (closed_form only)",
    )
    hidden_width: Count = Field(128, description="width after the ridge (paper scale: 4096)")
    blocks: Natural = Field(2, description="blocks of the backbone (paper scale: 4)")
    dropout: Fraction = Field(0.15, description="dropout of backbone and ridge output")
    ridge_weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="AdamW weight decay of a trained ridge, which has most of the weights"
    )
    repeat_mixing: bool = Field(
        True, description="train on random mixtures of a clip's repeats; false: on single repeats (the paper)"
    )
    mixco_temperature: Positive = Field(0.03, description="temperature of the BiMixCo loss (paper: 0.006)")
    mixco_beta: Positive = Field(0.15, description="parameter of the Beta distribution of mixing weights")
    text_weight: Annotated[float, Field(ge=0)] = Field(
        0.25, description="weight of the contrastive text loss"
    )
    text_temperature: Positive = Field(0.1, description="temperature of the contrastive text loss")
    regression_weight: Annotated[float, Field(ge=0)] = Field(
        3.0, description="weight of a mean squared error on tokens, auxiliary (0 is the paper)"
    )
    optimiser: Optimiser = Optimiser(epochs=6, batch_size=64, learning_rate=5e-4)

    @model_validator(mode="after")
    def _released_weights_fit(self) -> Pretrain:
        needed = {"backbone": "mindeye2", "ridge": "trained", "standardise_targets": False}
        wrong = [f"{name}: {value}".lower() for name, value in needed.items() if getattr(self, name) != value]
        if self.released is not None and wrong:
            raise ValueError(f"released weights (released) need {', '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _a_kernel_weighs_the_clips_own_volume(self) -> Pretrain:
        if self.ridge == "closed_form" and self.window_weights != "free" and 0 not in self.window_tr:
            raise ValueError(
                f"window_weights {self.window_weights} relates volumes to the clip's own, which window_tr {self.window_tr} "
                "leaves out; add 0, or set window_weights to free"
            )
        return self

    @model_validator(mode="after")
    def _only_a_closed_form_ridge_is_shared(self) -> Pretrain:
        if self.start != "own" and self.ridge != "closed_form":
            raise ValueError(
                f"start {self.start} needs ridge closed_form: only its hidden features mean the same for every subject"
            )
        return self
