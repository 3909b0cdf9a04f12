"""How good the diffusion miniatures are, on scenes and prompts that training never saw."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
)
from numpy.typing import NDArray
from transformers import (
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextModel,
    CLIPTokenizer,
    VideoMAEForVideoClassification,
    VideoMAEImageProcessor,
    ViTForImageClassification,
    ViTImageProcessor,
)

from neurons.simulate.captions import parse_caption
from neurons.simulate.miniatures.data import draw_clips, draw_frames, draw_scenes, psnr_db
from neurons.simulate.miniatures.motion import FRAMES
from neurons.simulate.miniatures.sampling import sample
from neurons.simulate.miniatures.sparse_control import pictures_01
from neurons.simulate.miniatures.text import token_ids
from neurons.simulate.miniatures.text_to_image import new_scheduler
from neurons.simulate.miniatures.unclip import image_tokens, size_and_crop
from neurons.simulate.miniatures.vae import decode, encode
from neurons.simulate.world import Scene

Frames = NDArray[np.uint8]
Scores = dict[str, float]

VIDEO_STEPS, VIDEO_GUIDANCE = 12, 4.0
IMAGE_STEPS, IMAGE_GUIDANCE = 12, 2.0
CLASSIFIED_FRAMES = (1, 4, 6, 9, 12, 14)
"""Frames of 16 that are nearest to the six frames that the video classifier was trained on."""


@dataclass(frozen=True)
class Judges:
    """The classifiers that say what a frame or a video shows."""

    frame: ViTForImageClassification
    frame_processor: ViTImageProcessor
    video: VideoMAEForVideoClassification
    video_processor: VideoMAEImageProcessor

    @classmethod
    def load(cls, folder: Path) -> "Judges":
        """Load from the folder of the miniatures."""
        frame, video = folder / "frame_classifier", folder / "video_classifier"
        return cls(
            ViTForImageClassification.from_pretrained(
                frame, dtype=torch.float32, local_files_only=True
            ).eval(),
            ViTImageProcessor.from_pretrained(frame, local_files_only=True),
            VideoMAEForVideoClassification.from_pretrained(
                video, dtype=torch.float32, local_files_only=True
            ).eval(),
            VideoMAEImageProcessor.from_pretrained(video, local_files_only=True),
        )

    @torch.no_grad()
    def of_frames(self, frames: Frames) -> list[str]:
        """Most probable class of each frame."""
        pixels = self.frame_processor(images=list(frames), return_tensors="pt")
        return [self.frame.config.id2label[int(index)] for index in self.frame(**pixels).logits.argmax(-1)]

    @torch.no_grad()
    def of_videos(self, videos: Frames) -> list[str]:
        """Most probable class of each video ``(n, 16, height, width, 3)``."""
        chosen = [list(video[list(CLASSIFIED_FRAMES)]) for video in videos]
        pixels = torch.cat(
            [self.video_processor(frames, return_tensors="pt")["pixel_values"] for frames in chosen]
        )
        return [self.video.config.id2label[int(index)] for index in self.video(pixels).logits.argmax(-1)]


def agreement(scenes: Sequence[Scene], seen: Sequence[str], attributes: Sequence[str]) -> Scores:
    """Share of scenes whose attributes are those of the class names that classifiers gave."""
    said = [dict(parse_caption(text)) for text in seen]
    scores = {}
    for name in attributes:
        truth = [scene.place if name == "place" else getattr(scene.main, name) for scene in scenes]
        scores[name] = float(np.mean([words[name] == true for words, true in zip(said, truth, strict=True)]))
    return scores


def video_agreement(judges: Judges, scenes: Sequence[Scene], videos: Frames) -> Scores:
    """Object, colour and place in the middle frame, motion over the video."""
    still = agreement(scenes, judges.of_frames(videos[:, FRAMES // 2]), ("kind", "colour", "place"))
    return still | agreement(scenes, judges.of_videos(videos), ("motion",))


def vae_quality(vae: AutoencoderKL, rng: np.random.Generator, scenes: int) -> Scores:
    """Reconstruction of new frames and statistics of their latents."""
    frames = draw_frames(rng, draw_scenes(rng, scenes, "test"))
    latents = encode(vae, frames)
    psnr = psnr_db(frames, decode(vae, latents))
    return {
        "psnr_db": float(psnr.mean()),
        "psnr_db_5th_percentile": float(np.percentile(psnr, 5)),
        "latent_mean": float(latents.mean()),
        "latent_std": float(latents.std()),
    }


@dataclass(frozen=True)
class VideoModel:
    """All networks of text-to-video diffusion."""

    unet: UNetMotionModel
    control: SparseControlNetModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    vae: AutoencoderKL

    @classmethod
    def load(cls, folder: Path) -> "VideoModel":
        """Load from the folder of the miniatures."""
        video = folder / "video"
        unet = UNet2DConditionModel.from_pretrained(video / "unet", local_files_only=True)
        adapter = MotionAdapter.from_pretrained(video / "motion_adapter", local_files_only=True)
        return cls(
            UNetMotionModel.from_unet2d(unet, adapter).eval(),
            SparseControlNetModel.from_pretrained(video / "controlnet", local_files_only=True).eval(),
            CLIPTextModel.from_pretrained(
                video / "text_encoder", dtype=torch.float32, local_files_only=True
            ).eval(),
            CLIPTokenizer.from_pretrained(video / "tokenizer", local_files_only=True),
            AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True).eval(),
        )

    @torch.no_grad()
    def videos(
        self, prompts: Sequence[str], seed: int, pictures: Frames | None = None, at: int = 0, batch: int = 8
    ) -> Frames:
        """Sampled videos ``(prompts, 16, 64, 64, 3)``; with pictures, each is shown at frame ``at``."""
        noise = torch.randn(
            len(prompts),
            self.unet.config.in_channels,
            FRAMES,
            8,
            8,
            generator=torch.Generator().manual_seed(seed),
        )
        videos = []
        for start in range(0, len(prompts), batch):
            rows = slice(start, start + batch)
            shown = None if pictures is None else pictures[rows]
            latents = self._sample(list(prompts[rows]), noise[rows], shown, at)
            flat = decode(self.vae, latents.transpose(1, 2).flatten(0, 1))
            videos.append(flat.reshape(-1, FRAMES, *flat.shape[1:]))
        return np.concatenate(videos)

    def _sample(
        self, prompts: list[str], noise: torch.Tensor, pictures: Frames | None, at: int
    ) -> torch.Tensor:
        ids = token_ids(self.tokenizer, [""] * len(prompts) + prompts)
        text = self.text_encoder(ids).last_hidden_state.repeat_interleave(FRAMES, dim=0)
        control: dict[str, torch.Tensor] = {}
        if pictures is not None:
            control = self._control_input(pictures, at)

        def predict(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
            residuals: dict[str, object] = {}
            if control:
                down, middle = self.control(
                    latents, timestep, encoder_hidden_states=text, return_dict=False, **control
                )
                residuals = {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}
            return torch.as_tensor(
                self.unet(latents, timestep, encoder_hidden_states=text, **residuals).sample
            )

        return sample(predict, new_scheduler(), noise, VIDEO_STEPS, VIDEO_GUIDANCE)

    def _control_input(self, pictures: Frames, at: int) -> dict[str, torch.Tensor]:
        shown = pictures_01(pictures)
        conditioning = torch.zeros(len(shown), 3, FRAMES, *shown.shape[2:])
        mask = torch.zeros(len(shown), 1, FRAMES, *shown.shape[2:])
        conditioning[:, :, at], mask[:, :, at] = shown, 1.0
        return {
            "controlnet_cond": conditioning.repeat(2, 1, 1, 1, 1),
            "conditioning_mask": mask.repeat(2, 1, 1, 1, 1),
        }


def control_quality(
    model: VideoModel,
    judges: Judges,
    scenes: list[Scene],
    prompts: list[str],
    rng: np.random.Generator,
    seed: int,
) -> Scores:
    """How near the first frame is to the picture given for it, and whether the video still follows its prompt."""
    truth = draw_clips(rng, scenes, FRAMES)
    videos = model.videos(prompts, seed, truth[:, 0])
    bound = decode(model.vae, encode(model.vae, truth[:, 0]))
    return video_agreement(judges, scenes, videos) | {
        "first_frame_psnr_db": float(psnr_db(truth[:, 0], videos[:, 0]).mean()),
        "first_frame_psnr_db_of_autoencoder": float(psnr_db(truth[:, 0], bound).mean()),
    }


@torch.no_grad()
def unclip_images(unet: UNet2DConditionModel, vae: AutoencoderKL, tokens: torch.Tensor, seed: int) -> Frames:
    """Images from CLIP image tokens ``(n, tokens, width)``."""
    noise = torch.randn(
        len(tokens), unet.config.in_channels, 8, 8, generator=torch.Generator().manual_seed(seed)
    )
    condition = torch.cat([torch.zeros_like(tokens), tokens])
    labels = size_and_crop(len(condition))

    def predict(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(
            unet(latents, timestep, encoder_hidden_states=condition, class_labels=labels).sample
        )

    return decode(vae, sample(predict, new_scheduler(), noise, IMAGE_STEPS, IMAGE_GUIDANCE))


def unclip_quality(
    folder: Path, judges: Judges, scenes: list[Scene], rng: np.random.Generator, seed: int
) -> Scores:
    """Whether images made from a frame's tokens show what the frame shows."""
    vae = AutoencoderKL.from_pretrained(folder / "vae", local_files_only=True).eval()
    unet = UNet2DConditionModel.from_pretrained(folder / "unclip" / "unet", local_files_only=True).eval()
    clip = CLIPModel.from_pretrained(folder / "clip", dtype=torch.float32, local_files_only=True).eval()
    processor = CLIPImageProcessor.from_pretrained(folder / "clip", local_files_only=True)
    frames = draw_frames(rng, scenes)
    images = unclip_images(unet, vae, image_tokens(clip, processor, frames), seed)
    scores = agreement(scenes, judges.of_frames(images), ("kind", "colour", "place"))
    return scores | {"psnr_db": float(psnr_db(frames, images).mean())}
