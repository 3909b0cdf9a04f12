"""The published functions, restated plainly and slowly from their description, on weights under their published names.

Nothing of the package is imported: loops over heads, tokens and clips, and softmax written out.
"""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

State = dict[str, Tensor]


def gelu(x: Tensor) -> Tensor:
    return x / 2 * (1 + torch.erf(x / math.sqrt(2)))


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def softmax(x: Tensor) -> Tensor:
    exponentials = torch.exp(x - x.max(dim=-1, keepdim=True).values)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


def normed(x: Tensor, eps: float = 1e-5) -> Tensor:
    """Zero mean and unit variance along the last axis."""
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / torch.sqrt(centred.square().mean(dim=-1, keepdim=True) + eps)


def linear(state: State, name: str, x: Tensor) -> Tensor:
    result = x @ state[f"{name}.weight"].T
    return result + state[f"{name}.bias"] if f"{name}.bias" in state else result


def backbone(state: State, voxels: Tensor, blocks: int) -> Tensor:
    """(B, V) to brain tokens (B, N, C), with the whole mixer at sequence length 1, its unreachable half included."""
    x = linear(state, "ridge.linears.0", voxels)[:, None]  # (B, 1, hidden)
    first, second = x, x.transpose(1, 2)
    for block in range(blocks):
        one, two = f"backbone.mixer_blocks1.{block}", f"backbone.mixer_blocks2.{block}"
        inner = normed(x) * state[f"{one}.0.weight"] + state[f"{one}.0.bias"]
        x = linear(state, f"{one}.1.3", gelu(linear(state, f"{one}.1.0", inner))) + first
        first, x = x, x.transpose(1, 2)
        inner = normed(x) * state[f"{two}.0.weight"] + state[f"{two}.0.bias"]
        x = linear(state, f"{two}.1.3", gelu(linear(state, f"{two}.1.0", inner))) + second
        second, x = x, x.transpose(1, 2)
    channels = state["backbone.clip_proj.0.weight"].shape[0]
    tokens = linear(state, "backbone.backbone_linear", x.flatten(1)).reshape(len(x), -1, channels)
    for number in (0, 3, 6):
        name = f"backbone.clip_proj.{number}"
        tokens = gelu(normed(tokens) * state[f"{name}.weight"] + state[f"{name}.bias"])
        tokens = linear(state, f"backbone.clip_proj.{number + 2}", tokens)
    return tokens


def motion(state: State, tokens: Tensor) -> Tensor:
    """(B, N, C) to (B, F, N, C): output number ``channel * F + frame``."""
    flat = linear(state, "motion_proj.motion_proj", tokens)
    frames = flat.shape[-1] // tokens.shape[-1]
    return torch.stack([flat[..., frame::frames] for frame in range(frames)], dim=1)


def text(state: State, video: Tensor) -> Tensor:
    return video.mean(dim=1).mean(dim=1) @ state["clipproj.proj"]


def time_token(state: State, level: int) -> Tensor:
    name = "diffusion_prior.net.to_time_embeds.0.1.net"
    width = state[f"{name}.2.weight"].shape[0]
    half = width // 2
    angles = torch.tensor([level * math.exp(-math.log(10000) * i / (half - 1)) for i in range(half)])
    x = torch.cat([torch.sin(angles), torch.cos(angles)])
    return linear(
        state, f"{name}.2", silu(linear(state, f"{name}.1.0", silu(linear(state, f"{name}.0.0", x))))
    )


def bucket(query: int, key: int, buckets: int) -> int:
    """T5's, for keys behind the query alone: 32 buckets, half of them exact, the same from 128 on."""
    distance, exact = max(query - key, 0), buckets // 2
    if distance < exact:
        return distance
    return min(
        buckets - 1, exact + int(math.log(distance / exact) / math.log(128 / exact) * (buckets - exact))
    )


def turned(x: Tensor, place: int) -> Tensor:
    """Rotary code on the first 32 channels of one token."""
    result, count = x.clone(), min(32, len(x))
    for pair in range(count // 2):
        angle = place * 10000 ** (-2 * pair / count)
        a, b = x[2 * pair], x[2 * pair + 1]
        result[2 * pair] = a * math.cos(angle) - b * math.sin(angle)
        result[2 * pair + 1] = a * math.sin(angle) + b * math.cos(angle)
    return result


def attention(state: State, name: str, x: Tensor, bias: Tensor) -> Tensor:
    """One clip (S, width): cosine similarity times 16, one key and value for all heads, one pair of nothing before them."""
    inner = normed(x) * state[f"{name}.norm.g"]
    nothing = state[f"{name}.null_kv"]
    size, length = nothing.shape[1], len(x)
    pairs = inner @ state[f"{name}.to_kv.weight"].T
    keys = torch.stack([nothing[0], *(turned(pairs[i, :size], i) for i in range(length))])
    values = torch.cat([nothing[1:], pairs[:, size:]])
    keys = keys / keys.norm(dim=1, keepdim=True)
    queries = inner @ state[f"{name}.to_q.weight"].T
    heads = []
    for head in range(queries.shape[1] // size):
        query = torch.stack([turned(queries[i, head * size : (head + 1) * size], i) for i in range(length)])
        query = query / query.norm(dim=1, keepdim=True)
        heads.append(softmax(16 * query @ keys.T + bias[head]) @ values)
    return normed(torch.cat(heads, dim=1) @ state[f"{name}.to_out.0.weight"].T) * state[f"{name}.to_out.1.g"]


def prior(state: State, noisy: Tensor, level: int, brain: Tensor) -> Tensor:
    """Clean tokens of one clip, all (N, C)."""
    net = "diffusion_prior.net"
    transformer = f"{net}.causal_transformer"
    table = state[f"{transformer}.rel_pos_bias.relative_attention_bias.weight"]
    x = torch.cat([brain, time_token(state, level)[None], noisy + state[f"{net}.learned_query"]])
    length = len(x)
    places = [[bucket(i, j, len(table)) for j in range(length + 1)] for i in range(length)]
    bias = table[torch.tensor(places)].permute(2, 0, 1)
    layer = 0
    while f"{transformer}.layers.{layer}.0.null_kv" in state:
        name = f"{transformer}.layers.{layer}"
        x = x + attention(state, f"{name}.0", x, bias)
        inner = (normed(x) * state[f"{name}.1.0.g"]) @ state[f"{name}.1.1.weight"].T
        half = inner.shape[1] // 2
        x = x + (inner[:, :half] * silu(inner[:, half:])) @ state[f"{name}.1.5.weight"].T
        layer += 1
    x = normed(x / x.max(dim=1, keepdim=True).values) * state[f"{transformer}.norm.g"]
    return (x @ state[f"{transformer}.project_out.weight"].T)[-len(noisy) :]


def cosine(levels: int) -> list[float]:
    """Share of signal variance at each level."""

    def squared(time: float) -> float:
        return math.cos((time / levels + 0.008) / 1.008 * math.pi / 2) ** 2

    signal, result = 1.0, []
    for level in range(levels):
        signal *= 1 - min(1 - squared(level + 1) / squared(level), 0.999)
        result.append(signal)
    return result


def ancestral(state: State, brain: Tensor, seed: int, levels: int) -> Tensor:
    """A sample of one clip (N, C): the mean and variance of q(x_{t-1} | x_t, x_0), level by level."""
    generator, signal = torch.Generator().manual_seed(seed), cosine(levels)
    x = torch.randn(brain.shape, generator=generator)
    for level in reversed(range(levels)):
        clean = prior(state, x, level, brain)
        before = signal[level - 1] if level else 1.0
        alpha = signal[level] / before
        mean = (math.sqrt(before) * (1 - alpha) * clean + math.sqrt(alpha) * (1 - before) * x) / (
            1 - signal[level]
        )
        if level:
            variance = (1 - alpha) * (1 - before) / (1 - signal[level])
            mean = mean + math.sqrt(variance) * torch.randn(brain.shape, generator=generator)
        x = mean
    return x


def jumping(state: State, brain: Tensor, seed: int, levels: int, steps: int) -> Tensor:
    """A sample of one clip in fewer steps than levels: DDIM with all of its noise, as the release does it.

    Between two levels it takes the signal of the level below each; at the end it takes the clean tokens themselves.
    """
    generator, signal = torch.Generator().manual_seed(seed), cosine(levels)
    below = [1.0, *signal[:-1]]
    places = [int(-1 + i * (levels + 1) / steps) for i in range(steps)][::-1]
    x = torch.randn(brain.shape, generator=generator)
    for level, following in itertools.pairwise(places):
        clean = prior(state, x, level, brain)
        if following < 0:
            return clean
        noise = (x - math.sqrt(signal[level]) * clean) / math.sqrt(1 - signal[level])
        here, there = below[level], below[following]
        spread = math.sqrt((1 - here / there) * (1 - there) / (1 - here))
        x = math.sqrt(there) * clean + math.sqrt(1 - there - spread**2) * noise
        if following > 0:
            x = x + spread * torch.randn(brain.shape, generator=generator)
    raise AssertionError("the last place is before the first level")


def group_norm(state: State, name: str, x: Tensor, groups: int, eps: float) -> Tensor:
    flat = normed(x.reshape(len(x), groups, -1), eps).reshape(x.shape)
    shape = (1, -1, *[1] * (x.ndim - 2))
    return flat * state[f"{name}.weight"].reshape(shape) + state[f"{name}.bias"].reshape(shape)


def convolution(state: State, name: str, x: Tensor) -> Tensor:
    """Same size, by summing shifted pictures."""
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    side = weight.shape[-1]
    padded = torch.zeros(*x.shape[:2], *(size + side - 1 for size in x.shape[2:]))
    inside = slice(side // 2, -(side // 2) or None)
    padded[:, :, inside, inside] = x
    height, width = x.shape[2:]
    total = sum(
        torch.einsum("oc,bchw->bohw", weight[:, :, i, j], padded[:, :, i : i + height, j : j + width])
        for i in range(side)
        for j in range(side)
    )
    return total if bias is None else total + bias[:, None, None]  # type: ignore[return-value]


def residual(state: State, name: str, x: Tensor) -> Tensor:
    inner = convolution(state, f"{name}.conv1", silu(group_norm(state, f"{name}.norm1", x, 32, 1e-6)))
    inner = convolution(state, f"{name}.conv2", silu(group_norm(state, f"{name}.norm2", inner, 32, 1e-6)))
    return (
        convolution(state, f"{name}.conv_shortcut", x) if f"{name}.conv_shortcut.weight" in state else x
    ) + inner


def self_attention(state: State, name: str, sequence: Tensor) -> Tensor:
    """(B, S, channels): one head, group norm over the sequence, residual."""
    inner = group_norm(state, f"{name}.group_norm", sequence.transpose(1, 2), 32, 1e-6).transpose(1, 2)
    query, key, value = (linear(state, f"{name}.to_{part}", inner) for part in "qkv")
    attended = softmax(query @ key.transpose(1, 2) / math.sqrt(inner.shape[-1])) @ value
    return linear(state, f"{name}.to_out.0", attended) + sequence


def blended(state: State, base: str, number: int, x: Tensor) -> Tensor:
    frames, channels, height, width = x.shape
    flat = self_attention(
        state, f"{base}.attentions.{number}", x.flatten(2).transpose(1, 2)
    )  # (frames, h w, c)
    over_time = self_attention(state, f"{base}.temp_attentions.{number}", flat.transpose(0, 1)).transpose(
        0, 1
    )
    weight = state[f"{base}.weights.{number}"]
    mixed = weight * flat + (1 - weight) * over_time
    return mixed.transpose(1, 2).reshape(frames, channels, height, width)


def decoder(state: State, video: Tensor, texts: Tensor) -> Tensor:
    """Features of all frames of all clips (B * F, channels, h, w), every text of the batch a key of every clip."""
    base, vision = "text_seg_dec", video.flatten(0, 1)
    query, key, value = vision @ state[f"{base}.q.weight"].T, texts @ state[f"{base}.k.weight"].T, None
    value = texts @ state[f"{base}.v.weight"].T
    x = softmax(query @ key.T / math.sqrt(vision.shape[-1])) @ value @ state[f"{base}.out.weight"].T
    side = math.isqrt(x.shape[1])
    x = x.transpose(1, 2).reshape(len(x), -1, side, side)
    for number in (0, 3):
        x = convolution(state, f"{base}.maps_projector.{number}", x)
        x = group_norm(state, f"{base}.maps_projector.{number + 1}", x, 1, 1e-5).clamp(min=0)
    x = group_norm(state, f"{base}.norm", convolution(state, f"{base}.maps_projector.6", x), 1, 1e-5)
    video_decoder = f"{base}.video_decoder"
    x = residual(
        state, f"{video_decoder}.mid_block.resnets.0", convolution(state, f"{video_decoder}.conv_in", x)
    )
    x = residual(
        state, f"{video_decoder}.mid_block.resnets.1", blended(state, f"{video_decoder}.mid_block", 0, x)
    )
    for block in range(3):
        name = f"{video_decoder}.up_blocks.{block}"
        for number in range(2):
            x = blended(state, name, number, residual(state, f"{name}.resnets.{number}", x))
        if f"{name}.upsamplers.0.conv.weight" in state:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
            x = convolution(state, f"{name}.upsamplers.0.conv", x)
    return silu(group_norm(state, f"{video_decoder}.conv_norm_out", x, 32, 1e-6))


def nearest(x: Tensor, size: int) -> Tensor:
    """(B, c, h, w) to (B, c, size, size)."""
    rows = [i * x.shape[2] // size for i in range(size)]
    return x[:, :, rows][:, :, :, rows]
