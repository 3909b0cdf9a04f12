"""Commands that train, save and judge the miniatures that recognise and describe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from transformers import (
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizer,
    GPT2LMHeadModel,
    PreTrainedTokenizerFast,
    VideoMAEForVideoClassification,
    ViTForImageClassification,
)

from neurons.artifacts import seed_for
from neurons.simulate.captions import CAPTION_WORDS
from neurons.simulate.miniatures import captioner, classifiers, clip, shipping
from neurons.simulate.miniatures import quality_recognition as quality
from neurons.simulate.miniatures.frames import render_pool
from neurons.simulate.miniatures.tokenizers import clip_tokenizer, gpt2_tokenizer
from neurons.simulate.world import combinations

CLIP, CAPTIONER = "clip", "gpt2"
FRAME_CLASSIFIER, VIDEO_CLASSIFIER = "frame_classifier", "video_classifier"
QUALITY_FILE = "quality_recognition.json"


def train_clip(
    *,
    output: Path,
    seed: int = 1,
    clips: int = 16000,
    steps: int = 3500,
    batch: int = 64,
    max_learning_rate: float = 1.5e-3,
    threads: int = 1,
) -> None:
    """Train the miniature CLIP and save it with its tokeniser and text encoder.

    Parameters
    ----------
    output
        Folder of the miniatures; ``clip`` is written in it.
    seed
        Of the clips, the first weights and the batches.
    clips
        Clips rendered to train on.
    steps, batch, max_learning_rate
        Length and speed of training; a step sees two frames and one text of each of `batch` clips.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    tokenizer = clip_tokenizer(CAPTION_WORDS)
    pool = render_pool("train", clips, seed_for(seed, "clip", "pool"))
    model, log = clip.train_clip(pool, tokenizer, steps, batch, max_learning_rate, seed_for(seed, "clip"))
    shipping.save_half(model, output / CLIP)
    CLIPProcessor(shipping.clip_image_processor(), tokenizer).save_pretrained(output / CLIP)
    parameters = {
        "seed": seed,
        "clips": clips,
        "steps": steps,
        "batch": batch,
        "max_learning_rate": max_learning_rate,
    }
    shipping.save_log(output / CLIP, "neurons simulate train-clip", parameters, log)


def train_captioner(
    *,
    output: Path,
    seed: int = 1,
    steps: int = 1200,
    batch: int = 64,
    max_learning_rate: float = 2e-3,
    threads: int = 1,
) -> None:
    """Train the miniature GPT-2 on captions and save it with its tokeniser.

    Parameters
    ----------
    output
        Folder of the miniatures; ``gpt2`` is written in it.
    seed
        Of the captions, the first weights and dropout.
    steps, batch, max_learning_rate
        Length and speed of training.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed_for(seed, "captioner", "tokenizer"))
    tokenizer = gpt2_tokenizer(captioner.sample_captions(rng, combinations("train"), 20_000))
    model, log = captioner.train_captioner(
        tokenizer, steps, batch, max_learning_rate, seed_for(seed, "captioner")
    )
    shipping.save_half(model, output / CAPTIONER)
    tokenizer.save_pretrained(output / CAPTIONER)
    parameters = {"seed": seed, "steps": steps, "batch": batch, "max_learning_rate": max_learning_rate}
    shipping.save_log(output / CAPTIONER, "neurons simulate train-captioner", parameters, log)


def train_frame_classifier(
    *,
    output: Path,
    seed: int = 1,
    clips: int = 8000,
    steps: int = 500,
    batch: int = 128,
    max_learning_rate: float = 7e-4,
    threads: int = 1,
) -> None:
    """Train the miniature frame classifier (kind x colour x place) from the miniature CLIP and save it.

    Parameters
    ----------
    output
        Folder of the miniatures; ``clip`` is read, ``frame_classifier`` is written in it.
    seed
        Of the clips, the heads' first weights and the batches.
    clips
        Clips rendered to train on.
    steps, batch, max_learning_rate
        Length and speed of training; a step sees one frame of each of `batch` clips.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vision = CLIPModel.from_pretrained(output / CLIP, dtype=torch.float32).vision_model
    pool = render_pool("train", clips, seed_for(seed, "frame classifier", "pool"))
    model, log = classifiers.train_frame_classifier(
        pool, vision, steps, batch, max_learning_rate, seed_for(seed, "frame classifier")
    )
    shipping.save_half(model, output / FRAME_CLASSIFIER)
    shipping.vit_image_processor().save_pretrained(output / FRAME_CLASSIFIER)
    parameters = {
        "seed": seed,
        "clips": clips,
        "steps": steps,
        "batch": batch,
        "max_learning_rate": max_learning_rate,
    }
    shipping.save_log(output / FRAME_CLASSIFIER, "neurons simulate train-frame-classifier", parameters, log)


def train_video_classifier(
    *,
    output: Path,
    seed: int = 1,
    clips: int = 16000,
    steps: int = 2500,
    batch: int = 32,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train the miniature video classifier (kind x motion x place) from the miniature CLIP and save it.

    Parameters
    ----------
    output
        Folder of the miniatures; ``clip`` is read, ``video_classifier`` is written in it.
    seed
        Of the clips, the heads' first weights and the batches.
    clips
        Clips rendered to train on.
    steps, batch, max_learning_rate
        Length and speed of training.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vision = CLIPModel.from_pretrained(output / CLIP, dtype=torch.float32).vision_model
    pool = render_pool("train", clips, seed_for(seed, "video classifier", "pool"))
    model, log = classifiers.train_video_classifier(
        pool, vision, steps, batch, max_learning_rate, seed_for(seed, "video classifier")
    )
    shipping.save_half(model, output / VIDEO_CLASSIFIER)
    shipping.videomae_image_processor().save_pretrained(output / VIDEO_CLASSIFIER)
    parameters = {
        "seed": seed,
        "clips": clips,
        "steps": steps,
        "batch": batch,
        "max_learning_rate": max_learning_rate,
    }
    shipping.save_log(output / VIDEO_CLASSIFIER, "neurons simulate train-video-classifier", parameters, log)


def judge_recognition(
    *, output: Path, seed: int = 20261123, clips: int = 1536, samples: int = 1000, threads: int = 1
) -> None:
    """Judge CLIP, captioner and classifiers on new scenes with held-out combinations; print and write it.

    Parameters
    ----------
    output
        Folder of the miniatures; ``quality_recognition.json`` is written in it.
    seed
        Of the scenes, galleries, degradations and samples; not a training seed.
    clips
        Clips rendered to judge on, and as many to fit linear probes on.
    samples
        Captions sampled from the captioner.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    pool = render_pool("test", clips, seed_for(seed, "judged"))
    probes = render_pool("train", clips, seed_for(seed, "probes"))
    image_text = CLIPModel.from_pretrained(output / CLIP, dtype=torch.float32).eval()
    frame = ViTForImageClassification.from_pretrained(output / FRAME_CLASSIFIER, dtype=torch.float32).eval()
    video = VideoMAEForVideoClassification.from_pretrained(
        output / VIDEO_CLASSIFIER, dtype=torch.float32
    ).eval()
    language = GPT2LMHeadModel.from_pretrained(output / CAPTIONER, dtype=torch.float32).eval()
    words = PreTrainedTokenizerFast.from_pretrained(output / CAPTIONER)
    tokenizer = CLIPTokenizer.from_pretrained(output / CLIP)
    record = {
        "command": "neurons simulate judge-recognition",
        "parameters": {"seed": seed, "clips": clips, "samples": samples},
        "versions": shipping.package_versions(),
        CLIP: quality.clip_quality(image_text, tokenizer, pool, probes, seed),
        CAPTIONER: quality.captioner_quality(language, words, pool, samples, seed),
        FRAME_CLASSIFIER: quality.frame_classifier_quality(frame, pool, None),
        f"{FRAME_CLASSIFIER}_on_degraded_frames": quality.frame_classifier_quality(frame, pool, seed),
        VIDEO_CLASSIFIER: quality.video_classifier_quality(video, pool, None),
        f"{VIDEO_CLASSIFIER}_on_degraded_clips": quality.video_classifier_quality(video, pool, seed),
    }
    text = json.dumps(record, indent=1)
    print(text)
    (output / QUALITY_FILE).write_text(text + "\n", encoding="utf-8")
