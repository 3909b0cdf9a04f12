"""Names of published weights, ours for each, and why some have none: every key of a checkpoint is accounted for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from neurons.artifacts import InputError

PRIOR, LAYER = r"diffusion_prior\.net\.", r"diffusion_prior\.net\.causal_transformer\.layers\.(\d+)\."
VIDEO, LAST = r"text_seg_dec\.video_decoder\.", r"(weight|bias)"

BRAIN = (
    (rf"ridge\.linears\.0\.{LAST}", r"ridge.lags.0.\1"),
    (r"backbone\.mixer_blocks2\.(\d+)\.0\.bias", r"backbone.\1.norm_bias"),
    (rf"backbone\.mixer_blocks2\.(\d+)\.1\.0\.{LAST}", r"backbone.\1.in_\2"),
    (rf"backbone\.mixer_blocks2\.(\d+)\.1\.3\.{LAST}", r"backbone.\1.out_\2"),
    (rf"backbone\.backbone_linear\.{LAST}", r"unfold.\1"),
    (rf"backbone\.clip_proj\.(\d+)\.{LAST}", r"projector.\1.\2"),
)
PROJECTIONS = (
    (r"clipproj\.proj", "text.linear.weight"),
    (rf"motion_proj\.motion_proj\.{LAST}", r"motion.linear.\1"),
)
DECOUPLER = (
    (PRIOR + "learned_query", "prior.place"),
    (PRIOR + "null_brain_embeds", "prior.no_brain"),
    (PRIOR + "null_image_embed", "prior.no_image"),
    (PRIOR + rf"to_time_embeds\.0\.1\.net\.0\.0\.{LAST}", r"prior.time.0.\1"),
    (PRIOR + rf"to_time_embeds\.0\.1\.net\.1\.0\.{LAST}", r"prior.time.2.\1"),
    (PRIOR + rf"to_time_embeds\.0\.1\.net\.2\.{LAST}", r"prior.time.4.\1"),
    (PRIOR + r"causal_transformer\.rel_pos_bias\.relative_attention_bias\.weight", "prior.distance_bias.weight"),
    (PRIOR + r"causal_transformer\.norm\.g", "prior.norm.gain"),
    (PRIOR + r"causal_transformer\.project_out\.weight", "prior.out.weight"),
    (LAYER + r"0\.norm\.g", r"prior.layers.\1.attention.norm.gain"),
    (LAYER + r"0\.null_kv", r"prior.layers.\1.attention.nothing"),
    (LAYER + r"0\.to_q\.weight", r"prior.layers.\1.attention.query.weight"),
    (LAYER + r"0\.to_kv\.weight", r"prior.layers.\1.attention.key_value.weight"),
    (LAYER + r"0\.to_out\.0\.weight", r"prior.layers.\1.attention.out.0.weight"),
    (LAYER + r"0\.to_out\.1\.g", r"prior.layers.\1.attention.out.1.gain"),
    (LAYER + r"1\.0\.g", r"prior.layers.\1.feed_forward.norm.gain"),
    (LAYER + r"1\.1\.weight", r"prior.layers.\1.feed_forward.inner.weight"),
    (LAYER + r"1\.5\.weight", r"prior.layers.\1.feed_forward.out.weight"),
    (r"text_seg_dec\.q\.weight", "decoder.query.weight"),
    (r"text_seg_dec\.k\.weight", "decoder.key.weight"),
    (r"text_seg_dec\.v\.weight", "decoder.value.weight"),
    (r"text_seg_dec\.out\.weight", "decoder.out.weight"),
    (rf"text_seg_dec\.maps_projector\.(\d+)\.{LAST}", r"decoder.maps.\1.\2"),
    (rf"text_seg_dec\.norm\.{LAST}", r"decoder.norm.\1"),
    (rf"text_seg_dec\.seg_head\.{LAST}", r"decoder.mask_head.\1"),
    (rf"text_seg_dec\.recon_head\.{LAST}", r"decoder.latent_head.\1"),
    (VIDEO + rf"conv_in\.{LAST}", r"decoder.first.\1"),
    (VIDEO + rf"conv_norm_out\.{LAST}", r"decoder.last_norm.\1"),
    (VIDEO + r"mid_block\.resnets\.(\d+)\.(.+)", r"decoder.middle.\1.\2"),
    (VIDEO + r"mid_block\.attentions\.0\.(.+)", r"decoder.middle_blend.places.\1"),
    (VIDEO + r"mid_block\.temp_attentions\.0\.(.+)", r"decoder.middle_blend.frames.\1"),
    (VIDEO + r"mid_block\.weights\.0", "decoder.middle_blend.weight"),
    (VIDEO + r"up_blocks\.(\d+)\.resnets\.(\d+)\.(.+)", r"decoder.stages.\1.residuals.\2.\3"),
    (VIDEO + r"up_blocks\.(\d+)\.attentions\.(\d+)\.(.+)", r"decoder.stages.\1.blends.\2.places.\3"),
    (VIDEO + r"up_blocks\.(\d+)\.temp_attentions\.(\d+)\.(.+)", r"decoder.stages.\1.blends.\2.frames.\3"),
    (VIDEO + r"up_blocks\.(\d+)\.weights\.(\d+)", r"decoder.stages.\1.blends.\2.weight"),
    (VIDEO + r"up_blocks\.(\d+)\.upsamplers\.0\.(.+)", r"decoder.stages.\1.finer.\2"),
    (rf"classifier\.vision_proj_channel\.{LAST}", r"concepts.0.\1"),
    (rf"classifier\.classifier\.{LAST}", r"concepts.1.\1"),
    (rf"text_dec\.clip_project\.model\.0\.{LAST}", r"description.prefix.\1"),
    (r"text_dec\.decoder\.((?:transformer|lm_head)\..+)", r"description.language_model.\1"),
)  # fmt: skip
SCHEDULE, FREQUENCIES = r"diffusion_prior\.noise_scheduler\.(\w+)", LAYER + r"0\.rotary_emb\.freqs"
LEFT_OUT = {
    "cannot reach the output: the half of each mixer block that acts before a layer norm over one number": (
        r"backbone\.mixer_blocks1\..+"
    ),
    "cannot reach the output: the gain of that layer norm": r"backbone\.mixer_blocks2\.\d+\.0\.weight",
    "MindEye2's blurry branch, which NEURONS ignores": (
        r"backbone\.(blin1|bdropout|bnorm|bupsampler|b_maps_projector)\..+"
    ),
    "the ridge of a further subject": r"ridge\.linears\.[1-9]\d*\..+",
    "follows from the number of noise levels (checked)": SCHEDULE,
    "follows from the number of channels (checked)": FREQUENCIES,
    "a buffer of older versions of transformers": r"text_dec\.decoder\.transformer\.h\.\d+\.attn\.(bias|masked_bias)",
}

KINDS = {
    "MindEye2": {"ridge", "backbone", "diffusion_prior"},
    "NEURONS, first stage": {"ridge", "backbone", "clipproj"},
    "NEURONS": {
        "ridge", "backbone", "clipproj", "diffusion_prior", "motion_proj", "text_seg_dec", "classifier", "text_dec",
    },
}  # fmt: skip
"""Checkpoints by the modules that they hold."""


@dataclass(frozen=True)
class Translation:
    """Weights under our names.

    Attributes
    ----------
    kind
        One of `KINDS`.
    brain, decoupler
        Weights of `BrainModel` and `PublishedDecoupler`; the projections are in both.
    left_out
        Keys that are not needed, by reason.
    """

    kind: str
    brain: dict[str, Tensor]
    decoupler: dict[str, Tensor]
    left_out: dict[str, list[str]]


def translate(state: Mapping[str, Tensor]) -> Translation:
    """Give the weights of a checkpoint our names.

    Raises
    ------
    InputError
        If the checkpoint is of no known kind, or listing the keys that nobody knows.
    """
    kind = kind_of(state)
    left_out: dict[str, list[str]] = {}
    brain: dict[str, Tensor] = {}
    decoupler: dict[str, Tensor] = {}
    unknown = []
    for key, value in state.items():
        reason = next((text for text, pattern in LEFT_OUT.items() if re.fullmatch(pattern, key)), None)
        if reason:
            left_out.setdefault(reason, []).append(key)
        elif name := _renamed(key, PROJECTIONS):
            brain[name] = decoupler[name] = value
        elif name := _renamed(key, BRAIN):
            brain[name] = value.reshape(1) if name.startswith("backbone.") else value
        elif name := _renamed(key, DECOUPLER):
            decoupler[name] = value
        else:
            unknown.append(key)
    if unknown:
        raise InputError(
            f"the checkpoint ({kind}) holds {len(unknown)} keys that nobody knows: {shown(unknown)}. "
            "Nothing is imported: a weight without a place would change what the model computes."
        )
    for weights in (brain, decoupler):
        weights |= _rearranged(weights)
    return Translation(kind, brain, decoupler, left_out)


def kind_of(state: Mapping[str, Tensor]) -> str:
    """Which of `KINDS` a checkpoint is, by the first parts of its keys."""
    modules = {key.partition(".")[0] for key in state}
    for kind, parts in KINDS.items():
        if modules == parts:
            return kind
    expected = "; ".join(f"{kind}: {', '.join(sorted(parts))}" for kind, parts in KINDS.items())
    raise InputError(
        f"the checkpoint holds the modules {', '.join(sorted(modules)) or '(none)'}. Known checkpoints hold: {expected}"
    )


def _rearranged(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The projections in our layout: frames before channels, outputs before inputs, with a bias."""
    changed = {}
    if "text.linear.weight" in weights:
        changed["text.linear.weight"] = weights["text.linear.weight"].T
        changed["text.linear.bias"] = torch.zeros_like(weights["text.linear.weight"][0])
    if "motion.linear.weight" in weights:
        channels = weights["motion.linear.weight"].shape[1]
        for name in ("motion.linear.weight", "motion.linear.bias"):
            changed[name] = weights[name].unflatten(0, (channels, -1)).transpose(0, 1).flatten(0, 1)
    return changed


def shown(names: list[str]) -> str:
    """The first names of a list."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _renamed(key: str, table: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, name in table:
        if match := re.fullmatch(pattern, key):
            return match.expand(name)
    return None
