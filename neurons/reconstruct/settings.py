"""Section `reconstruct` of the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from neurons.sections import Count, Fraction, Model, Natural, Positive, Section

SINGLE_FILE = ".safetensors"
"""How the name of a model ends that is one file of weights."""


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


class Lora(Section):
    """A low-rank change of weights."""

    path: str = Field(description="safetensors file, in the layout of diffusers, kohya or AnimateDiff")
    scale: float = Field(1.0, description="weight of the change")


class Video(Section):
    """Text-to-video diffusion with sparse control."""

    base: Model = Field(
        Model(path="resources/miniatures/video"),
        description="text-to-image model: a folder with unet and scheduler, or one .safetensors file in the layout of Stable"
        " Diffusion",
    )
    base_config: str = Field(
        "resources/stable-diffusion-1.5",
        description="folder with the architecture (config.json of unet, text_encoder) and noise schedule of a single file",
    )
    motion_adapter: Model | None = Field(
        None, description="motion modules; null: the subfolder motion_adapter of `base`"
    )
    controlnet: Model | None = Field(
        None, description="SparseCtrl for pictures; null: the subfolder controlnet of `base`"
    )
    domain_lora: Lora | None = Field(
        None, description="{path, scale} of a LoRA that is added to the U-Net's weights; null: none"
    )
    text_encoder: Model = Field(
        Model(path="resources/miniatures/video/text_encoder"),
        description="a folder, or the file of `base` if that has its own",
    )
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
    scheduler_options: dict[str, Any] = Field(
        {}, description="options of the sampler in place of the folder's, such as {beta_schedule: linear}"
    )
    steps: Count = Field(12, description="sampling steps of a full trajectory (paper scale: 25)")
    guidance: Positive = Field(
        4.0,
        description="classifier-free guidance scale (paper scale: 8.5); 1: none, and half of the work is saved",
    )
    strength: Annotated[float, Field(gt=0, le=1)] = Field(
        0.8, description="share of the trajectory that is run from the noised blurry video; 1 ignores it"
    )
    control_scale: Annotated[float, Field(ge=0)] = Field(
        0.8, description="weight of the control image; 0: SparseCtrl is not even loaded"
    )
    control_frame: Literal["middle", "first"] | Natural = Field(
        "middle",
        description="frame that the control image guides: the one at its own time in the clip, the first, or its number",
    )
    prompt_suffix: str = Field("", description="appended to every prompt")
    negative_prompt: str = Field("", description="negative prompt")

    @model_validator(mode="after")
    def _control_frame_exists(self) -> Video:
        if isinstance(self.control_frame, int) and self.control_frame >= self.frames:
            raise ValueError(
                f"control_frame {self.control_frame} is not one of the {self.frames} frames (video.frames), counted from 0"
            )
        return self


class Tune(Section):
    """`snakemake tune`: strengths to compare on validation clips, all combinations."""

    strength: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=1)] = Field(
        [0.8, 0.9, 1.0], description="values of reconstruct.video.strength"
    )
    control_scale: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=1)] = Field(
        [0.0, 0.5, 0.8], description="values of reconstruct.video.control_scale"
    )
    mask_floor: Annotated[list[Fraction], Field(min_length=1)] = Field(
        [0.5, 1.0], description="values of reconstruct.mask_floor"
    )
    clips: Annotated[int, Field(ge=3)] = Field(
        24, description="validation clips of each subject, evenly spread"
    )


def parts_of(video: Video) -> list[Model]:
    """Everything that the video model is loaded from."""
    parts = [video.base, video.motion_adapter, video.controlnet, video.text_encoder, video.tokenizer]
    if Path(video.base.path).suffix == SINGLE_FILE:
        parts.append(Model(path=video.base_config))
    if video.domain_lora is not None:
        parts.append(Model(path=video.domain_lora.path))
    return [part for part in parts if part is not None]


class Reconstruct(Section):
    """Test responses to task outputs, control images and videos."""

    seed: Natural = Field(
        0,
        description="seed of diffusion noise; each sample's own seed follows from it, the clip id and its number",
    )
    mask_space: Literal["pixel", "latent"] = Field(
        "pixel", description="where masks emphasise the key object"
    )
    mask_floor: Fraction = Field(
        0.5, description="weight of the background under mask emphasis; 1 is no emphasis"
    )
    prompt_caption: bool = Field(True, description="prompt with the decoded description")
    prompt_concepts: bool = Field(True, description="append recognised concepts that the description lacks")
    concept_threshold: Fraction = Field(0.5, description="probability above which a concept is recognised")
    control: ControlImage = ControlImage()
    video: Video = Video()
    tune: Tune = Tune()
    samples_per_clip: Count = Field(
        1,
        description="videos made of each clip, from other noise; the one nearest to the decoded CLIP tokens is shown, and "
        "how far they lie apart is reported",
    )
    chunks: Count = Field(2, description="jobs that the clips of one subject and variant are divided into")
    offload: bool = Field(
        False,
        description="networks wait in main memory until they are needed, for cards of 12 GB (does not change results)",
    )
    batch_size: Count = Field(8, description="clips sampled at once (does not change results)")
