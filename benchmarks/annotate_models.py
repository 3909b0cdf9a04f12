"""What the annotation models do in the simulated world, and how fast.

``python -m benchmarks.annotate_models truth`` prints the mask IoU of the shipped SAM in true boxes, on frames with
combinations of words that never occurred in training.
``python -m benchmarks.annotate_models speed`` prints images per second of CPU time (one thread), in batches and in a plain
loop of one frame at a time: boxes by a GroundingDINO of a few narrow layers with random weights and masks by the shipped
SAM, and captions by a Qwen2.5-VL of two narrow layers with random weights.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cyclopts
import numpy as np
import torch

from neurons.annotate.captioner import Request
from neurons.annotate.grounded_sam import GroundedSamFinder
from neurons.annotate.qwen import QwenCaptioner
from neurons.annotate.sam import Segmenter, load_sam
from neurons.annotate.settings import GroundedSam, Qwen
from neurons.sections import Model
from neurons.simulate.miniatures.segmenter import corners, render_frames

SAM = Path(__file__).parents[1] / "resources/miniatures/sam/sam.safetensors"
CPU = torch.device("cpu")
SEED = 2026
NOUNS = ("person", "dog", "car", "tree", "sea")

app = cyclopts.App(help=__doc__)


@app.command
def truth(*, frames: int = 400) -> None:
    """Print the mask IoU of the shipped SAM in true boxes."""
    torch.set_num_threads(1)
    pool = render_frames("test", frames, SEED)
    made = Segmenter(load_sam(SAM, CPU)).segment(list(pool.frames), [corners(masks) for masks in pool.masks])
    ious = [
        (mask & true).sum() / (mask | true).sum()
        for (masks, _), truths in zip(made, pool.masks, strict=True)
        for mask, true in zip(masks, truths, strict=True)
    ]
    low, middle = np.percentile(ious, [5, 50])
    print(
        f"SAM in true boxes: mean IoU {np.mean(ious):.3f} of {len(ious)} objects, median {middle:.3f}, "
        f"one in twenty below {low:.3f}"
    )


@app.command
def speed(*, frames: int = 48) -> None:
    """Print images per second of CPU time."""
    from tests.annotate.conftest import detector_processor, make_qwen, new_detector

    torch.set_num_threads(1)
    pool = render_frames("test", frames, SEED)
    items = [(frame, NOUNS) for frame in pool.frames]
    requests = [Request((frame,), "What is there? " * 20) for frame in pool.frames]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        new_detector().save_pretrained(folder / "detector")
        detector_processor().save_pretrained(folder / "detector")
        make_qwen(folder / "qwen")
        settings = GroundedSam(
            detector=Model(path=str(folder / "detector")), sam=str(SAM), box_threshold=0.0, boxes_per_frame=3
        )
        finder = GroundedSamFinder(settings, CPU)
        _print("detection and masks", frames, lambda size: _in_parts(finder.find, items, size))
        model = Model(path=str(folder / "qwen"))
        captioners = {
            size: QwenCaptioner(Qwen(model=model, answer_tokens=32, batch_size=size), CPU, torch.float32)
            for size in (1, 8)
        }
        _print("captions of 32 tokens", frames, lambda size: list(captioners[size].answer(requests)))


def _in_parts(work: Callable[[list], object], items: list, size: int) -> None:
    for start in range(0, len(items), size):
        work(items[start : start + size])


def _print(what: str, frames: int, run: Callable[[int], object]) -> None:
    rates = {}
    for size in (1, 8):
        run(size)
        start = time.process_time()
        run(size)
        rates[size] = frames / (time.process_time() - start)
    print(
        f"{what}: {rates[1]:.1f} images/s one at a time, {rates[8]:.1f} in batches of 8 ({rates[8] / rates[1]:.2f} x)"
    )


if __name__ == "__main__":
    app()
