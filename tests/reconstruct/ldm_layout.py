"""Names of weights in the layout of latent diffusion (published single files), from those of diffusers."""

from __future__ import annotations

import re

LAYERS = 2
RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
AROUND = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "class_embedding.linear_1": "label_emb.0.0", "class_embedding.linear_2": "label_emb.0.2", "conv_norm_out": "out.0",
    "conv_out": "out.2", "mid_block.attentions.0": "middle_block.1",
}  # fmt: skip
ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def replaced(name: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        if name.startswith(old + "."):
            return new + name[len(old) :]
    return name


def ldm_unet_name(name: str, attends: set[int]) -> str:
    """Name in the latent-diffusion layout of a weight of a U-Net with two residual blocks per level."""
    if match := re.match(
        r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", name
    ):
        side, level, kind, index, rest = match.groups()
        first = int(level) * (LAYERS + 1) + (side == "down")
        place = first + (LAYERS if "sampler" in kind else int(index))
        blocks = "input_blocks" if side == "down" else "output_blocks"
        if kind == "resnets":
            return f"{blocks}.{place}.0.{replaced(rest, RESNET)}"
        if kind == "attentions":
            return f"{blocks}.{place}.1.{rest}"
        if kind == "downsamplers":
            return f"{blocks}.{place}.0.{replaced(rest, {'conv': 'op'})}"
        return f"{blocks}.{place}.{2 if int(level) in attends else 1}.{rest}"
    if match := re.match(r"mid_block\.resnets\.(\d)\.(.*)", name):
        return f"middle_block.{2 * int(match[1])}.{replaced(match[2], RESNET)}"
    return replaced(name, AROUND)


def ldm_vae_name(name: str, levels: int) -> str:
    """The same for an autoencoder."""
    shortcut = {"conv_shortcut": "nin_shortcut"}
    if match := re.match(r"(en|de)coder\.(?:down|up)_blocks\.(\d)\.(resnets|\w+samplers)\.(\d)\.(.*)", name):
        side, block, kind, index, rest = match.groups()
        level = int(block) if side == "en" else levels - 1 - int(block)
        way = f"{side}coder.{'down' if side == 'en' else 'up'}.{level}"
        if kind == "resnets":
            return f"{way}.block.{index}.{replaced(rest, shortcut)}"
        return f"{way}.{'downsample' if side == 'en' else 'upsample'}.{rest}"
    if match := re.match(r"(en|de)coder\.mid_block\.resnets\.(\d)\.(.*)", name):
        return f"{match[1]}coder.mid.block_{int(match[2]) + 1}.{replaced(match[3], shortcut)}"
    if match := re.match(r"(en|de)coder\.mid_block\.attentions\.0\.(.*)", name):
        return f"{match[1]}coder.mid.attn_1.{replaced(match[2], ATTENTION)}"
    return name.replace("conv_norm_out", "norm_out")
