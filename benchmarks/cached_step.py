"""A training step on stored features beside one that computes them anew each time, as released code does.

    python benchmarks/cached_step.py
    python benchmarks/cached_step.py --scale paper --device cuda
    python benchmarks/cached_step.py --scale paper --stages decouple --decouple-batch 1 --cached-only

Both steps of both stages run in one process on random data, with the same objective, optimiser and batch; the naive one
passes the batch's frames (and texts and responses) through the same frozen models first. Miniatures are the shipped ones; at
the paper's scale weights are random, sizes those of config/cc2017.yaml and the batches 120 and 10.

Prints milliseconds per step (CPU time on a CPU), floating-point operations (`torch.utils.flop_counter`), what
the forward pass keeps for the backward pass, with and without `compute.low_memory`, and the arithmetic of memory; at the
paper's scale also the operations of the frozen models. `--cached-only` leaves these out of the steps (they need 5 GB),
`--forward-only` gradients and the optimiser (the first stage needs 30 GB with them).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from cyclopts import run
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPConfig, CLIPModel

from neurons.artifacts import clip_id, provenance, write_tensors
from neurons.config import Config, load
from neurons.decouple.data import BrainTokens, Column
from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.fit import Decoupling
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.decouple.parameters import Surroundings, count, training_bytes
from neurons.embed.clip_images import image_features
from neurons.embed.latents import encode
from neurons.memory import remembering
from neurons.pretrain.data import Responses, Split, Targets, WindowInputs
from neurons.pretrain.features import Features
from neurons.pretrain.fit import Alignment
from neurons.pretrain.model import BrainModel, BrainSizes
from neurons.training import Batch, Progress
from neurons.workflow.parameters import read_merged, surroundings

PROGRESS = Progress(1, 0, 5, 10)
REPEATS, CAPTION, CONCEPT_TOKENS, TEXT_TOKENS = 2, 20, 8, 77
FILES = {"miniature": ["config/config.yaml"], "paper": ["config/config.yaml", "config/cc2017.yaml"]}
VERTICES = {"miniature": 1500, "paper": 13447}
VAE_PAPER = {
    "block_out_channels": (128, 256, 512, 512), "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4, "layers_per_block": 2, "latent_channels": 4,
}  # fmt: skip
TEXT_PAPER = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
}
VISION_PAPER = {
    "hidden_size": 1664, "intermediate_size": 8192, "num_hidden_layers": 48, "num_attention_heads": 16,
    "image_size": 224, "patch_size": 14,
}  # fmt: skip


@dataclass
class Step:
    """One kind of step: what it prepares anew each time, its model and objective."""

    name: str
    model: nn.Module
    objective: Alignment | Decoupling
    prepare: Callable[[], None]
    batch: int

    def run(self, device: torch.device, dtype: torch.dtype, optimiser: torch.optim.Optimizer | None) -> None:
        """Prepare, fetch, forward, and, with an optimiser, backward and update."""
        with torch.no_grad():
            self.prepare()
        indices = np.random.default_rng(0).permutation(len(self.objective.samples))[: self.batch]
        batch: Batch = {name: value.to(device) for name, value in self.objective.fetch(indices).items()}
        with (
            torch.set_grad_enabled(optimiser is not None),
            torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
        ):
            loss = self.objective.loss(batch, PROGRESS)["loss"]
        if optimiser is not None:
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()


class Frozen:
    """The frozen models, and what a naive step passes through them."""

    def __init__(self, settings: Config, scale: str, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.side = device, settings.cut.frame_size_px
        with torch.device(device):
            if scale == "miniature":
                clip = CLIPModel.from_pretrained(settings.embed.clip.path)
                vae = AutoencoderKL.from_pretrained(settings.embed.vae.path)
            else:
                torch.set_default_dtype(dtype)
                clip = CLIPModel(
                    CLIPConfig(text_config=TEXT_PAPER, vision_config=VISION_PAPER, projection_dim=1280)
                )
                vae = AutoencoderKL(**VAE_PAPER)
                torch.set_default_dtype(torch.float32)
        self.clip, self.vae = clip.to(device, dtype).eval(), vae.to(device, dtype).eval()
        self.pixels = self.clip.config.vision_config.image_size

    def images(self, number: int) -> None:
        """CLIP tokens of so many frames."""
        image_features(self.clip, torch.rand(number, 3, self.pixels, self.pixels, device=self.device))

    def latents(self, number: int) -> None:
        """Latents of so many frames."""
        encode(self.vae, np.zeros((number, self.side, self.side, 3), np.uint8))

    def texts(self, number: int) -> None:
        """Embeddings of so many texts."""
        longest = min(TEXT_TOKENS, self.clip.config.text_config.max_position_embeddings)
        self.clip.text_model(input_ids=torch.zeros(number, longest, dtype=torch.long, device=self.device))


def stored(folder: Path, name: str, values: np.ndarray, ids: list[str]) -> Column:
    """A column of features on disk, memory-mapped as in training."""
    path = folder / f"{name}.safetensors"
    write_tensors(path, {name: values}, provenance("benchmark", {}), ids)
    return Column(Features([path], name), np.arange(len(ids)))


def noise(*shape: int, dtype: Any = np.float16) -> np.ndarray:
    """Random features, the same block over and over (large ones take long to draw)."""
    total = int(np.prod(shape))
    block = np.random.default_rng(0).normal(size=min(total, 1 << 20)).astype(dtype)
    return np.resize(block, total).reshape(shape)


def brain_model(
    settings: Config, around: Surroundings, device: torch.device, dtype: torch.dtype
) -> BrainModel:
    """A brain model with random weights; its ridge is trained, as in the variant `paper`."""
    sizes = BrainSizes(
        around.vertices[0], len(settings.pretrain.window_tr), settings.pretrain.hidden_width, settings.pretrain.blocks,
        around.frames, around.tokens, around.channels, around.joint, residual_projector=False,
        backbone=settings.pretrain.backbone,
    )  # fmt: skip
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = BrainModel(sizes, settings.pretrain.dropout)
    torch.set_default_dtype(torch.float32)
    return model


def pretrain_objective(
    settings: Config, around: Surroundings, model: BrainModel, clips: int, folder: Path
) -> Alignment:
    """Alignment with random targets on disk."""
    ids = [clip_id("seg1", i) for i in range(clips)]
    lags = len(settings.pretrain.window_tr)
    responses = Responses(
        torch.from_numpy(noise(clips, REPEATS, around.vertices[0], dtype=np.float32)),
        ids,
        torch.arange(clips)[:, None].expand(-1, lags),
    )
    tokens = stored(folder, "tokens", noise(clips, around.frames, around.tokens, around.channels), ids)
    text = stored(folder, "caption", noise(clips, around.joint), ids)
    targets = Targets(tokens.features, tokens.row, text.features, text.row)
    split = Split(ids, ids[:1])
    return Alignment(model, responses, WindowInputs(responses), targets, split, settings.pretrain)


def decoupler(settings: Config, around: Surroundings, device: torch.device) -> DecouplerModel:
    """A decoupler with random weights."""
    chosen = settings.decouple
    sizes = DecouplerSizes(
        around.frames, around.tokens, around.channels, around.joint, around.text_token, around.concepts,
        (around.mask_size_px, around.mask_size_px), around.latents, chosen.decoder_width, chosen.prior_blocks,
        chosen.prefix_tokens, chosen.whiten_text, CAPTION, chosen.heads_input,
        around.language_model.to_diff_dict(), chosen.prior,
    )  # fmt: skip
    with torch.device("cpu"):
        return DecouplerModel(sizes, chosen.dropout).to(device)


def decouple_objective(
    settings: Config, around: Surroundings, model: DecouplerModel, clips: int, folder: Path
) -> Decoupling:
    """The decoupler's tasks with random truth on disk and brain tokens in memory."""
    ids = [clip_id("seg1", i) for i in range(clips)]
    side, concepts = around.mask_size_px, around.concepts
    arrays: dict[str, np.ndarray] = {
        "masks": np.ones((clips, around.frames, side, side), np.uint8),
        "concepts": np.ones((clips, concepts), np.uint8),
        "key_concept": np.arange(clips) % concepts,
        "ids": np.ones((clips, CAPTION), np.int64),
        "latents": noise(clips, around.frames, *around.latents),
        "tokens": noise(clips, around.frames, around.tokens, around.channels),
        "caption": noise(clips, around.joint),
    }
    columns = {name: stored(folder, name, values, ids) for name, values in arrays.items()}
    brain = torch.from_numpy(noise(clips, REPEATS, around.tokens, around.channels))
    texts = ConceptTexts(
        torch.from_numpy(noise(concepts, CONCEPT_TOKENS, around.text_token, dtype=np.float32)),
        torch.ones(concepts, CONCEPT_TOKENS, dtype=torch.bool),
    )
    train, held_out = np.arange(clips), np.arange(1)
    tokens = BrainTokens(brain, brain[:1].float().mean(dim=1))
    return Decoupling(model, tokens, columns, texts, train, held_out, ids, settings.decouple, lambda x: x)


def kept_bytes(step: Step, device: torch.device, dtype: torch.dtype, less: bool) -> int:
    """Bytes that a forward pass keeps for its backward pass, weights not counted."""
    own = {parameter.untyped_storage().data_ptr(): 0 for parameter in step.model.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        own.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    batch = {name: value.to(device) for name, value in step.objective.fetch(np.arange(step.batch)).items()}
    with (
        remembering(less=less),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast(device.type, dtype, enabled=dtype != torch.float32),
    ):
        loss = step.objective.loss(batch, PROGRESS)["loss"]
    size = sum(own.values())
    del loss
    return size


def measured(
    step: Step, device: torch.device, dtype: torch.dtype, optimiser: torch.optim.Optimizer | None, steps: int
) -> tuple[float, float]:
    """Median seconds (of CPU time on a CPU, which other work on the machine disturbs little), and operations of a step."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    with FlopCounterMode(display=False) as counter:
        step.run(device, dtype, optimiser)
    seconds = []
    for _ in range(steps):
        _wait(device)
        start = clock()
        step.run(device, dtype, optimiser)
        _wait(device)
        seconds.append(clock() - start)
    return float(np.median(seconds)), float(counter.get_total_flops())


def frozen_operations(settings: Config, scale: str, stage: str, around: Surroundings) -> float:
    """Floating-point operations per clip of what a naive step computes anew, counted without memory."""
    frozen = Frozen(settings, scale, torch.device("meta"), torch.float32)
    prepare: Callable[[], None]
    if stage == "pretrain":
        prepare = partial(frozen.images, around.frames)
    else:
        prepare = _second_stage(frozen, settings, around, torch.device("meta"), torch.float32, 1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        prepare()
    return float(counter.get_total_flops())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def report(
    cached: Step, naive: Step | None, device: torch.device, dtype: torch.dtype, steps: int, forward: bool
) -> None:
    """Measure and print one stage."""
    trained = [parameter for parameter in cached.model.parameters() if parameter.requires_grad]
    optimiser = None if forward else torch.optim.AdamW(trained, lr=1e-6, fused=True)
    print(f"\n## {cached.name}, batch {cached.batch}, {device.type}, {str(dtype).removeprefix('torch.')}\n")
    print("| step | ms | TFLOP | GFLOP/s |\n|---|---|---|---|")
    results = {}
    for name, step in (("stored features", cached), ("features computed anew", naive)):
        if step is not None:
            seconds, flops = measured(step, device, dtype, optimiser, steps)
            results[name] = seconds
            print(f"| {name} | {1e3 * seconds:,.1f} | {flops / 1e12:.4f} | {flops / seconds / 1e9:,.0f} |")
    if not forward:
        with remembering(less=True):
            seconds, flops = measured(cached, device, dtype, optimiser, steps)
        print(
            f"| stored features, low memory | {1e3 * seconds:,.1f} | {flops / 1e12:.4f} | {flops / seconds / 1e9:,.0f} |"
        )
    if len(results) == 2:
        first, second = results.values()
        print(f"\nRatio of the two: {second / first:.1f}")
    weights, learned = count(cached.model), sum(parameter.numel() for parameter in trained)
    memory = training_bytes(weights, learned) / 2**30
    print(
        f"\nMemory: {weights / 1e6:,.1f} M weights, {learned / 1e6:,.1f} M trained; with gradients and moments in float32 "
        f"{memory:.2f} GiB"
    )
    if not forward:
        for less in (False, True):
            kept = kept_bytes(cached, device, dtype, less) / 2**30
            print(f"kept for the backward pass{', low memory' if less else ''}: {kept:.3f} GiB")
    if device.type == "cuda":
        print(
            f"largest allocation of the process so far: {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB"
        )


def main(
    *,
    scale: Literal["miniature", "paper"] = "miniature",
    device: str = "cpu",
    stages: list[Literal["pretrain", "decouple"]] | None = None,
    pretrain_batch: int | None = None,
    decouple_batch: int | None = None,
    steps: int = 5,
    cached_only: bool = False,
    forward_only: bool = False,
    threads: int = 1,
) -> None:
    """Run the benchmark."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    place = torch.device(device)
    dtype = torch.bfloat16 if place.type == "cuda" else torch.float32
    variant = "paper" if scale == "paper" else "ours"
    settings = load(read_merged([Path(name) for name in FILES[scale]])).variant(variant)
    around = surroundings(settings, (VERTICES[scale],))
    frozen = None if cached_only else Frozen(settings, scale, place, dtype)
    batches = {
        "pretrain": pretrain_batch or (120 if scale == "paper" else settings.pretrain.optimiser.batch_size),
        "decouple": decouple_batch or (10 if scale == "paper" else settings.decouple.optimiser.batch_size),
    }
    print(f"# {scale}, {yaml.safe_dump(batches, default_flow_style=True).strip()}, {threads} threads")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for stage in stages or ["pretrain", "decouple"]:
            size = batches[stage]
            anew: Callable[[], None] | None
            if stage == "pretrain":
                weights = torch.bfloat16 if forward_only and scale == "paper" else torch.float32
                brain = brain_model(settings, around, place, weights)
                objective = pretrain_objective(settings, around, brain, 2 * size, folder)
                cached = Step("First stage", brain, objective, lambda: None, size)
                anew = partial(frozen.images, size * around.frames) if frozen else None
                lower = torch.bfloat16 if forward_only and scale == "paper" else dtype
            else:
                model = decoupler(settings, around, place)
                task = decouple_objective(settings, around, model, 2 * size, folder)
                cached = Step("Second stage", model, task, lambda: None, size)
                anew = _second_stage(frozen, settings, around, place, dtype, size) if frozen else None
                lower = dtype
            naive = Step(cached.name, cached.model, cached.objective, anew, size) if anew else None
            report(cached, naive, place, lower, steps, forward_only)
            if scale == "paper":
                anew_flops = frozen_operations(settings, scale, stage, around)
                print(f"computed anew per clip: {anew_flops / 1e12:.2f} TFLOP, nothing with stored features")
            del cached, naive, anew


def _second_stage(
    frozen: Frozen,
    settings: Config,
    around: Surroundings,
    device: torch.device,
    dtype: torch.dtype,
    size: int,
) -> Callable[[], None]:
    """Brain tokens, image tokens (the release encodes one of the frames twice), latents and the category's text."""
    brain = brain_model(settings, around, device, dtype).eval()
    windows = torch.zeros(
        size, len(settings.pretrain.window_tr), around.vertices[0], device=device, dtype=dtype
    )

    def prepare() -> None:
        brain(windows)
        frozen.images(size * (around.frames + 1))
        frozen.latents(size * around.frames)
        frozen.texts(size)

    return prepare


if __name__ == "__main__":
    run(main)
