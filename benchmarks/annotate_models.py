"""What the annotation models find in the simulated world, and how fast, with the shipped miniatures.

``python benchmarks/annotate_models.py truth`` draws frames with combinations of words that never occurred in training, looks
for the true nouns, the place, and as many absent nouns, and prints tag recall, false nouns, and mask IoU against the truth.
``python benchmarks/annotate_models.py speed`` prints images per second of CPU time (one thread), in batches and in a plain
loop of one frame at a time, for detection with masks and for a Qwen2.5-VL of two narrow layers with random weights.
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
from neurons.config import GroundedSam, Model, Qwen
from neurons.simulate.miniatures.grounding import FramePool, corners, render_frames
from neurons.simulate.vocabulary import OBJECTS, PLACES

MINIATURES = Path(__file__).parents[1] / "resources/miniatures"
CPU = torch.device("cpu")
SEED = 2026

app = cyclopts.App(help=__doc__)


def settings(threshold: float) -> GroundedSam:
    """The shipped miniatures."""
    return GroundedSam(
        detector=Model(path=str(MINIATURES / "grounding_dino")),
        sam=str(MINIATURES / "sam/sam.safetensors"),
        box_threshold=threshold,
    )


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def nouns(pool: FramePool) -> list[tuple[str, ...]]:
    """For each frame its kinds, as many absent kinds, and a place, in random order."""
    rng = np.random.default_rng(SEED)
    asked = []
    for kinds in pool.kinds:
        absent = [kind for kind in range(len(OBJECTS)) if kind not in kinds]
        chosen = [*set(kinds), *rng.choice(absent, len(set(kinds)), replace=False)]
        words = [*(OBJECTS[kind] for kind in chosen), str(rng.choice(PLACES))]
        asked.append(tuple(words[at] for at in rng.permutation(len(words))))
    return asked


@app.command
def truth(*, frames: int = 400, thresholds: list[float] | None = None) -> None:
    """Print recall of true nouns, absent nouns found, and mask IoU."""
    torch.set_num_threads(1)
    pool = render_frames("test", frames, SEED)
    boxed = Segmenter(load_sam(MINIATURES / "sam/sam.safetensors", CPU)).segment(
        list(pool.frames), [corners(masks) for masks in pool.masks]
    )
    ious = [
        overlap(a, b)
        for (made, _), true in zip(boxed, pool.masks, strict=True)
        for a, b in zip(made, true, strict=True)
    ]
    print(f"SAM in true boxes: mean IoU {np.mean(ious):.3f} of {len(ious)} objects")
    asked = nouns(pool)
    for threshold in thresholds or [0.2, 0.3, 0.4]:
        found = GroundedSamFinder(settings(threshold), CPU).find(list(zip(pool.frames, asked, strict=True)))
        recalled, wrong, spotted = [], 0, []
        for things, kinds, masks in zip(found, pool.kinds, pool.masks, strict=True):
            present = {OBJECTS[kind] for kind in kinds}
            wrong += len({box.tag for box, *_ in things} & set(OBJECTS) - present)
            for kind, true in zip(kinds, masks, strict=True):
                best = max(
                    (overlap(mask, true) for box, mask, _ in things if box.tag == OBJECTS[kind]), default=0.0
                )
                recalled.append(any(box.tag == OBJECTS[kind] for box, *_ in things))
                spotted.append(best)
        print(
            f"threshold {threshold}: tag recall {np.mean(recalled):.3f} of {len(recalled)} objects, absent nouns found "
            f"{wrong / sum(len(set(kinds)) for kinds in pool.kinds):.3f} of those asked, mask IoU {np.mean(spotted):.3f} "
            f"(0 where missed), IoU >= 0.5 {np.mean(np.array(spotted) >= 0.5):.3f}"
        )


@app.command
def speed(*, frames: int = 64) -> None:
    """Print images per second of CPU time."""
    torch.set_num_threads(1)
    pool = render_frames("test", frames, SEED)
    items = list(zip(pool.frames, nouns(pool), strict=True))
    finder = GroundedSamFinder(settings(0.3), CPU)
    _print("detection and masks", frames, lambda size: _in_parts(finder.find, items, size))
    from tests.annotate.conftest import make_qwen

    with tempfile.TemporaryDirectory() as folder:
        make_qwen(Path(folder))
        requests = [Request((frame,), "What is there? " * 20) for frame in pool.frames]

        def caption(size: int) -> None:
            model = Qwen(model=Model(path=folder), answer_tokens=32, batch_size=size)
            list(QwenCaptioner(model, CPU, torch.float32).answer(requests))

        _print("captions (random weights)", frames, caption)


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
