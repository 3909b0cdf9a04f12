"""The figures of the paper: side-by-side strips (Figure 5) and what the masks do (Figure 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from neurons.artifacts import atomic

matplotlib.use("Agg")

DPI = 130
ACROSS = 2
"""Clips beside each other in the figure of strips."""


def spread_choice(scores: Mapping[str, float], count: int) -> list[str]:
    """Clips at even ranks from the best to the worst score, so that a figure shows no selection of the best.

    Parameters
    ----------
    scores
        Score of each clip, larger is better; clips without a score (NaN) are left out.
    """
    ranked = sorted(
        (clip for clip in scores if np.isfinite(scores[clip])), key=lambda clip: (-scores[clip], clip)
    )
    places = np.unique(np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int))
    return [ranked[place] for place in places]


def strips(path: Path, rows: Mapping[str, np.ndarray], clips: Sequence[str], title: str) -> None:
    """Frames of a few clips, one row of each clip per source.

    Parameters
    ----------
    rows
        By source (the truth first): uint8, shape (len(clips), frames, height, width, 3); sources may differ in frames.
    """
    lines = -(-len(clips) // ACROSS)
    figure = Figure(figsize=(5.2 * ACROSS, 0.82 * len(rows) * lines + 0.6), layout="constrained")
    axes = figure.subplots(lines * len(rows), ACROSS, squeeze=False)
    for axis in axes.ravel():
        axis.set_axis_off()
    for c, clip in enumerate(clips):
        line, column = divmod(c, ACROSS)
        for r, (name, pictures) in enumerate(rows.items()):
            axis = axes[line * len(rows) + r, column]
            axis.set_axis_on()
            axis.imshow(np.concatenate(list(pictures[c]), axis=1))
            axis.set(xticks=[], yticks=[])
            axis.set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center")
            if r == 0:
                axis.set_title(clip, fontsize=7, loc="left", pad=2)
    figure.suptitle(title, fontsize=9)
    _save(figure, path)


def mask_effect(
    path: Path, columns: Mapping[str, np.ndarray], clips: Sequence[str], captions: Sequence[str], title: str
) -> None:
    """One row per clip: truth with its key object, decoded mask, blurry video, control image and video of each variant.

    Parameters
    ----------
    columns
        By name: pictures (len(clips), height, width, 3), uint8, or masks (len(clips), height, width) in [0, 1].
    captions
        Decoded captions.
    """
    figure = Figure(figsize=(1.25 * len(columns) + 0.6, 1.45 * len(clips) + 0.6), layout="constrained")
    axes = figure.subplots(len(clips), len(columns), squeeze=False)
    for c, (clip, caption) in enumerate(zip(clips, captions, strict=True)):
        for column, (name, pictures) in enumerate(columns.items()):
            axis = axes[c, column]
            if pictures.ndim == 3:
                axis.imshow(pictures[c], cmap="magma", vmin=0, vmax=1)
            else:
                axis.imshow(pictures[c])
            axis.set(xticks=[], yticks=[])
            if c == 0:
                axis.set_title(name, fontsize=7)
        axes[c, 0].set_ylabel(clip, fontsize=7)
        axes[c, len(columns) // 2].set_xlabel(caption, fontsize=7)
    figure.suptitle(title, fontsize=9)
    _save(figure, path)


def outlined(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A frame (height, width, 3) with the border of a mask (height, width; 0 or 1) in yellow."""
    inside = mask.astype(bool)
    padded = np.pad(inside, 1)
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    marked = frame.copy()
    marked[inside & ~core] = (255, 220, 0)
    return marked


def _save(figure: Figure, path: Path) -> None:
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format="png", metadata={"Software": None})
