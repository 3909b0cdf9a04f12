"""Steps of the stage `embed`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch.nn.functional as F
from diffusers import AutoencoderKL
from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import InputError, TensorFile, provenance, read_table, write_tensors
from neurons.console import logger
from neurons.devices import choose_device, choose_dtype, use_threads
from neurons.embed.batches import map_frames
from neurons.embed.caption_ids import caption_ids
from neurons.embed.clip_images import image_features, pixel_values
from neurons.embed.clip_sizes import check_sizes
from neurons.embed.clip_texts import text_features
from neurons.embed.latents import check_autoencoder, encode
from neurons.embed.settings import Embed
from neurons.loading import load_pretrained, model_inputs


def images(
    *,
    movies: list[str],
    frames: list[Path],
    settings: Embed,
    outputs: list[Path],
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """CLIP image tokens and embeddings of all frames of some movies; the model is loaded once.

    Parameters
    ----------
    movies
        Names of the movies.
    frames
        Frames of the stage `cut`, one file per movie.
    settings
        Section `embed` of the configuration.
    outputs
        `tokens` (n, F, N, C) and `image` (n, F, T), float16, one file per movie (written, safetensors).
    device
        Where the model runs: auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    """
    model = _clip(settings, device, precision, threads)
    processor = load_pretrained(CLIPImageProcessor, settings.clip, "embed.clip")
    parameters = settings.model_dump(mode="json", include={"clip", "clip_input_range"})
    models = model_inputs(clip=settings.clip)
    for movie, source, output in zip(movies, frames, outputs, strict=True):
        file = TensorFile(source)
        pictures = file["frames"]
        _tell_resize(movie, pictures, processor)
        features = map_frames(
            pictures,
            settings.batch_size,
            lambda part: image_features(
                model, pixel_values(part, processor, settings.clip_input_range).to(model.device)
            ),
        )
        made_by = provenance("embed images", {"frames": source, **models}, parameters)
        write_tensors(output, features, made_by, file.clip_ids)


def latents(
    *,
    movies: list[str],
    frames: list[Path],
    settings: Embed,
    outputs: list[Path],
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """Latents of all frames of some movies, by the image autoencoder, which is loaded once.

    Parameters
    ----------
    movies
        Names of the movies.
    frames
        Frames of the stage `cut`, one file per movie.
    settings
        Section `embed` of the configuration.
    outputs
        `latents` (n, F, c, h, w), float16, one file per movie (written, safetensors).
    device
        Where the model runs: auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    """
    use_threads(threads)
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    vae = load_pretrained(AutoencoderKL, settings.vae, "embed.vae", torch_dtype=dtype).to(place).eval()
    parameters = settings.model_dump(mode="json", include={"vae"})
    models = model_inputs(vae=settings.vae)
    for movie, source, output in zip(movies, frames, outputs, strict=True):
        file = TensorFile(source)
        pictures = file["frames"]
        check_autoencoder(vae, pictures.shape[2])
        logger.info("movie %s: latents of %d clips", movie, len(pictures))
        features = map_frames(pictures, settings.batch_size, lambda part: {"latents": encode(vae, part)})
        made_by = provenance("embed latents", {"frames": source, **models}, parameters)
        write_tensors(output, features, made_by, file.clip_ids)


def captions(
    *,
    movies: list[str],
    annotation: list[Path],
    settings: Embed,
    text: list[Path],
    ids: list[Path],
    device: str = "auto",
    precision: str = "auto",
    threads: int = 1,
) -> None:
    """CLIP embeddings of the captions of some movies, and the captions as token ids of the language model.

    Parameters
    ----------
    movies
        Names of the movies.
    annotation
        Annotation of the stage `annotate`, one file per movie.
    settings
        Section `embed` of the configuration.
    text
        `caption` (n, T), float16, rows of length 1, one file per movie (written, safetensors).
    ids
        `ids` (n, L), int64: tokens, end token, -100, one file per movie (written, safetensors).
    device
        Where the model runs: auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.

    Raises
    ------
    InputError
        Listing captions that are missing, or longer than a model can read.
    """
    said = [_captions_of(movie, path) for movie, path in zip(movies, annotation, strict=True)]
    language_tokenizer = load_pretrained(AutoTokenizer, settings.language_model, "embed.language_model")
    model = _clip(settings, device, precision, threads)
    tokenizer = load_pretrained(AutoTokenizer, settings.clip, "embed.clip")
    models = model_inputs(clip=settings.clip, language_model=settings.language_model)
    parameters = settings.model_dump(mode="json", include={"clip", "language_model", "caption_tokens"})
    for table, source, text_file, ids_file in zip(said, annotation, text, ids, strict=True):
        clip_ids, sentences = list(table["clip"]), list(table["caption"])
        rows = caption_ids(language_tokenizer, sentences, settings.caption_tokens)
        features = text_features(model, tokenizer, sentences, settings.batch_size)
        made_by = provenance("embed captions", {"annotation": source, **models}, parameters)
        embedding = F.normalize(features.pooled, dim=-1).numpy().astype(np.float16)
        write_tensors(text_file, {"caption": embedding}, made_by, clip_ids)
        write_tensors(
            ids_file, {"ids": rows}, made_by, clip_ids, end_token=int(language_tokenizer.eos_token_id)
        )


def concepts(
    *, settings: Embed, output: Path, device: str = "auto", precision: str = "auto", threads: int = 1
) -> None:
    """CLIP text tokens of the names of the 51 concepts.

    Parameters
    ----------
    settings
        Section `embed` of the configuration.
    output
        `tokens` (51, L, W), `mask` (51, L), `pooled` (51, T) (written, safetensors).
    device
        Where the model runs: auto, cpu, cuda or cuda:<index>.
    precision
        auto, fp32 or bf16.
    threads
        CPU threads.
    """
    model = _clip(settings, device, precision, threads)
    tokenizer = load_pretrained(AutoTokenizer, settings.clip, "embed.clip")
    features = text_features(model, tokenizer, CONCEPTS, settings.batch_size)
    parameters = settings.model_dump(mode="json", include={"clip"})
    made_by = provenance("embed concepts", model_inputs(clip=settings.clip), parameters)
    tensors = {
        "tokens": features.tokens.numpy(),
        "mask": features.mask.numpy(),
        "pooled": features.pooled.numpy(),
    }
    write_tensors(output, tensors, made_by, concept_names=list(CONCEPTS))


def _captions_of(movie: str, annotation: Path) -> pd.DataFrame:
    table = read_table(annotation, ["clip", "caption"])
    table["caption"] = table["caption"].fillna("").astype(str)
    empty = list(table.loc[table["caption"].str.strip() == "", "clip"])
    if empty:
        raise InputError(f"{annotation}: clips of movie {movie} without a caption: {', '.join(empty)}")
    return table


def _clip(settings: Embed, device: str, precision: str, threads: int) -> CLIPModel:
    use_threads(threads)
    place = choose_device(device)
    dtype = choose_dtype(precision, place)
    model = load_pretrained(CLIPModel, settings.clip, "embed.clip", dtype=dtype)
    check_sizes(model.config, settings.clip_sizes, settings.clip.path)
    return model.to(place).eval()


def _tell_resize(movie: str, pictures: np.ndarray, processor: Any) -> None:
    height, width = pictures.shape[2:4]
    wanted = processor.crop_size["height"], processor.crop_size["width"]
    logger.info("movie %s: CLIP features of %d clips of %d frames", movie, *pictures.shape[:2])
    if (height, width) != wanted:
        logger.warning(
            "movie %s: frames of %d x %d px are resized to the %d x %d px that CLIP wants; "
            "cut.frame_size_px: %d avoids it", movie, width, height, wanted[1], wanted[0], wanted[0],
        )  # fmt: skip
