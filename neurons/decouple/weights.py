"""Progressive task weights: each task in turn weighs ten times as much (NEURONS section 3.3)."""

from __future__ import annotations

from math import pi, sin

from neurons.training import Progress

TASKS = ("segmentation", "concepts", "description", "blurry_video")
PEAK = 9.0


def progressive_weights(progress: Progress) -> dict[str, float]:
    """Weights of the four tasks at a batch.

    With E epochs, a task's period has P = 2 floor(E / 5) epochs; periods start half a period after each other:
    S = 0, P/2, P, 3P/2. Inside [S, S + P) the weight is 1 + 9 |sin(pi C / T)| with C = (epoch - S) N_B + batch and
    T = P N_B (N_B batches per epoch), outside it is 1. With fewer than five epochs there is no period.
    """
    period = 2 * (progress.epochs // 5)
    return {task: _weight(progress, period, order * period // 2) for order, task in enumerate(TASKS)}


def _weight(progress: Progress, period: int, start: int) -> float:
    if not start <= progress.epoch < start + period:
        return 1.0
    done = (progress.epoch - start) * progress.batches + progress.batch
    return 1.0 + PEAK * abs(sin(pi * done / (period * progress.batches)))
