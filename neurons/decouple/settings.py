"""Section `decouple` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from neurons.sections import Count, Fraction, Model, Natural, Optimiser, Section

MINDEYE2_LEVELS = 100
"""Noise levels of the released prior."""


class TaskWeights(Section):
    """Factor on each loss of the decoupler, beside the progressive weights of the four tasks."""

    segmentation: Annotated[float, Field(ge=0)] = Field(1.0, description="masks of the key object")
    concepts: Annotated[float, Field(ge=0)] = Field(1.0, description="the 51 concepts")
    description: Annotated[float, Field(ge=0)] = Field(1.0, description="captions")
    blurry_video: Annotated[float, Field(ge=0)] = Field(1.0, description="VAE latents of the frames")
    prior: Annotated[float, Field(ge=0)] = Field(1.0, description="denoising of image tokens (released: 30)")
    text: Annotated[float, Field(ge=0)] = Field(
        1.0, description="contrast of text embedding and captions (released: 1)"
    )
    image: Annotated[float, Field(ge=0)] = Field(
        0.0, description="SoftCLIP contrast of video embedding and image tokens (released: 1)"
    )


class Decouple(Section):
    """Decoupler: segmentation, concepts, description, blurry video, and the prior."""

    seed: Natural = Field(0, description="seed of initialisation and sampling")
    heads_input: Literal["brain", "prior"] = Field("brain", description="which embedding the task heads read")
    repeat_mixing: bool = Field(
        True, description="train on random mixtures of a clip's repeats; false: on single repeats (the paper)"
    )
    progressive: bool = Field(True, description="progressive task weights (1 -> 10 -> 1), or all 1")
    weights: TaskWeights = TaskWeights()
    dice_weight: Annotated[float, Field(ge=0)] = Field(
        0.0, description="weight of a per-clip Dice term beside BCE"
    )
    calibrate_masks: bool = Field(
        True,
        description="shift mask probabilities so that 0.5 is where validation clips are cut best; false is the paper",
    )
    dropout: Fraction = Field(0.1, description="dropout of the task heads")
    caption_reading: Fraction = Field(
        0.5,
        description="share of the description loss in which the language model reads the captions' own CLIP embeddings, "
        "with noise, instead of those decoded from the brain (0 is the paper)",
    )
    train_motion: bool = Field(
        False,
        description="train the brain model's motion projection on (the paper); it is kept otherwise, and with it the text "
        "embedding that the language model reads",
    )
    decoder_width: Count = Field(
        32, description="channels of the text-driven video decoder (paper scale: 512)"
    )
    prior: Literal["paired", "mindeye2"] = Field(
        "paired",
        description="network of the prior: each brain token beside the noisy token of its place; or MindEye2's, twice as "
        "long a sequence, with its noise levels, for its weights",
    )
    released_prior: str | None = Field(
        None,
        description="weights of a released prior to start from (file written by `neurons pretrain import-checkpoint`), for "
        "`prior: mindeye2`; null: random",
    )
    prior_blocks: Count = Field(2, description="transformer blocks of the prior (paper scale: 6)")
    prior_steps: Count = Field(10, description="sampling steps of the prior (released: 100)")
    prefix_tokens: Count = Field(
        2, description="pseudo-tokens that the text embedding becomes for the language model (paper: 1)"
    )
    whiten_text: bool = Field(
        True, description="whiten the text embedding before the language model; false: layer norm (the paper)"
    )
    language_model: Model = Model(path="resources/miniatures/gpt2")
    optimiser: Optimiser = Optimiser(epochs=10, batch_size=32, learning_rate=1e-3)

    @model_validator(mode="after")
    def _released_weights_fit(self) -> Decouple:
        if self.released_prior is not None and self.prior != "mindeye2":
            raise ValueError("a released prior (released_prior) needs prior: mindeye2")
        if self.prior == "mindeye2" and not 2 <= self.prior_steps <= MINDEYE2_LEVELS:
            raise ValueError(f"prior: mindeye2 is sampled in 2 to {MINDEYE2_LEVELS} steps (prior_steps)")
        return self
