"""``neurons parameters``: what a configuration trains, in weights and in memory, before anything is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table
from transformers import CLIPConfig, GPT2Config

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import InputError, read_json
from neurons.config import Config, load
from neurons.console import logger
from neurons.decouple.parameters import Part, Surroundings, decouple_parts, pretrain_parts, training_bytes
from neurons.embed.clip_sizes import sizes_of
from neurons.embed.settings import ClipSizes
from neurons.loading import load_pretrained
from neurons.sections import Model

CC2017_VERTICES = (13447, 14828, 9114)
"""Of the three subjects in the arrays that were released for cc2017."""
LATENT_CHANNELS, REDUCTION = 4, 8
"""Of Stable Diffusion's autoencoders."""


def parameters(
    *,
    config: list[Path] | None = None,
    variant: str = "ours",
    vertices: tuple[int, ...] = CC2017_VERTICES,
) -> None:
    """Print the parameters of each part of brain model and decoupler, beside the release's, and the memory of training.

    Models are built without memory, and need not be there: `embed.clip_sizes` names CLIP's sizes; of an autoencoder or a
    language model that is not there, Stable Diffusion's and GPT-2 small are taken.

    Parameters
    ----------
    config
        Files of the configuration, the later merged into the earlier [default: config/config.yaml].
    variant
        One of the configuration's variants.
    vertices
        Selected vertices of each subject.
    """
    settings = load(read_merged(config or [Path("config/config.yaml")])).variant(variant)
    around = surroundings(settings, vertices)
    first, second = pretrain_parts(settings.pretrain, around), decouple_parts(settings.decouple, around)
    console = Console(width=150)
    table = Table("stage", "part", "here", "released", "difference", "why", box=None, pad_edge=False)
    for part in (*first, *second):
        table.add_row(part.stage, part.name, _millions(part.weights), _millions(part.released),
                      _difference(part), part.why)  # fmt: skip
    console.print(table)
    one_ridge = [part for part in first if not part.name.startswith("ridge") or part.name == "ridge 1"]
    for stage, parts in (("pretrain (one subject)", one_ridge), ("decouple", second)):
        weights, trained, released = (
            sum(getattr(part, name) for part in parts) for name in ("weights", "trained", "released")
        )
        memory, less = (training_bytes(weights, trained, state) / 2**30 for state in ("32bit", "8bit"))
        console.print(
            f"{stage}: {_millions(trained)} of {_millions(weights)} trained (released: {_millions(released)}); weights, "
            f"gradients and AdamW's moments: {memory:.1f} GiB ({less:.1f} GiB with optimiser.state 8bit) in each process, "
            "activations besides"
        )


def surroundings(settings: Config, vertices: tuple[int, ...]) -> Surroundings:
    """Sizes that frozen models and pictures give."""
    clip = clip_sizes(settings)
    side = settings.cut.frame_size_px
    channels, reduction = _autoencoder(settings.embed.vae)
    return Surroundings(
        vertices=vertices,
        frames=settings.cut.frames_per_clip,
        tokens=clip.tokens,
        channels=clip.channels,
        joint=clip.joint,
        text_token=clip.text,
        concepts=len(CONCEPTS),
        mask_size_px=settings.annotate.mask_size_px,
        latents=(channels, side // reduction, side // reduction),
        language_model=_language_model(settings.decouple.language_model),
    )


def clip_sizes(settings: Config) -> ClipSizes:
    """`embed.clip_sizes`, or those of the model itself."""
    if settings.embed.clip_sizes is not None:
        return settings.embed.clip_sizes
    return sizes_of(load_pretrained(CLIPConfig, settings.embed.clip, "embed.clip (or name embed.clip_sizes)"))


def _autoencoder(model: Model) -> tuple[int, int]:
    path = Path(model.path) / "config.json"
    if not path.is_file():
        logger.info("%s is not there: an autoencoder like Stable Diffusion's is assumed", path)
        return LATENT_CHANNELS, REDUCTION
    facts = read_json(path)
    return facts["latent_channels"], 2 ** (len(facts["block_out_channels"]) - 1)


def _language_model(model: Model) -> GPT2Config:
    if not (Path(model.path) / "config.json").is_file():
        logger.info("%s is not there: GPT-2 small is assumed", model.path)
        return GPT2Config()
    return load_pretrained(GPT2Config, model, "decouple.language_model")


def read_merged(paths: list[Path]) -> dict[str, Any]:
    """Values of configuration files, the later merged into the earlier."""
    values: dict[str, Any] = {}
    for path in paths:
        try:
            given = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"{path} cannot be read as a configuration: {error}") from error
        values = _over(values, given or {})
    return values


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`changes` merged into `base`, key by key, as Snakemake does with several files."""
    result = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _over(result[key], value) if nested else value
    return result


def _millions(count: int) -> str:
    return f"{count / 1e6:,.2f} M" if count >= 10_000 else f"{count:,}"


def _difference(part: Part) -> str:
    difference = part.weights - part.released
    return f"{'+' if difference > 0 else '-'}{_millions(abs(difference))}" if difference else ""
