"""Section `reconstruct` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from neurons.sections import Count, Fraction, Model, Natural, Positive, Section


class ControlImage(Section):
    """unCLIP: CLIP tokens to the control image."""

    unclip: Model = Model(path="resources/miniatures/unclip")
    vae: Model | None = Field(None, description="autoencoder of unCLIP; null: the study's (`embed.vae`)")
    steps: Count = Field(12, description="sampling steps (paper scale: 38)")
    guidance: Positive = Field(2.0, description="classifier-free guidance scale (paper scale: 5)")
    unconditional: Literal["zeros", "noise"] = Field(
        "zeros",
        description="tokens that guidance contrasts the decoded ones with; the release: Gaussian noise, here drawn per clip",
    )
    pixel_range: Literal["standard", "mindeye2"] = Field(
        "standard",
        description="how the autoencoder's output x, -1 to 1, becomes a picture, 0 to 1: (x + 1) / 2, or .8 x + .2 as in"
        " MindEye2, whose CLIP features were made of pictures on that scale",
    )
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of the trajectory that is run from the noised blurry frame; 1 (the paper) ignores it",
    )


class Video(Section):
    """Text-to-video diffusion with sparse control."""

    base: Model = Model(path="resources/miniatures/video")
    text_encoder: Model = Model(path="resources/miniatures/video/text_encoder")
    tokenizer: Model = Model(path="resources/miniatures/video/tokenizer")
    frames: Count = Field(16, description="frames per clip, evenly over its duration")
    frame_size_px: Count | None = Field(
        None,
        description="width and height of the videos, in px; null: the size that the model was trained on",
    )
    scheduler: str | None = Field(
        None,
        description="sampler: a scheduler class of diffusers, such as DPMSolverMultistepScheduler; null: the one that the "
        "model's folder names",
    )
    steps: Count = Field(12, description="sampling steps of a full trajectory (paper scale: 25)")
    guidance: Positive = Field(4.0, description="classifier-free guidance scale (paper scale: 8.5)")
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="share of the trajectory that is run from the noised blurry video; 1 ignores it"
    )
    control_scale: Annotated[float, Field(ge=0)] = Field(0.8, description="weight of the control image")
    control_frame: Literal["middle", "first"] = Field(
        "middle",
        description="frame that the control image guides: the one at its own time in the clip, or the first",
    )
    prompt_suffix: str = Field("", description="appended to every prompt")
    negative_prompt: str = Field("", description="negative prompt")


class Reconstruct(Section):
    """Test responses to task outputs, control images and videos."""

    seed: Natural = Field(
        0, description="seed of diffusion noise; each clip's own seed follows from it and the clip id"
    )
    mask_space: Literal["pixel", "latent"] = Field(
        "pixel", description="where masks emphasise the key object"
    )
    mask_floor: Fraction = Field(
        0.5, description="weight of the background under mask emphasis; 1 is no emphasis"
    )
    prompt_concepts: bool = Field(True, description="append recognised concepts that the description lacks")
    concept_threshold: Fraction = Field(0.5, description="probability above which a concept is recognised")
    control: ControlImage = ControlImage()
    video: Video = Video()
    chunks: Count = Field(2, description="jobs that the clips of one subject and variant are divided into")
    batch_size: Count = Field(8, description="clips sampled at once (does not change results)")
