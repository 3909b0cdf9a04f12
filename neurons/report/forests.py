"""Values with their intervals below each other, as SVG, the same input giving the same bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from neurons.report.curves import COLOURS

MARKED, PLAIN = COLOURS[0], COLOURS[5]


@dataclass(frozen=True)
class Line:
    """One line: what it is, value, interval, and whether it is marked."""

    label: str
    value: float
    low: float
    high: float
    marked: bool = False


def forest(lines: Sequence[Line], title: str, unit: str, reference: float) -> str:
    """A dot with its interval per line, and a line at the reference, as an SVG element.

    Parameters
    ----------
    unit
        What the axis shows.
    reference
        Where the vertical line stands: no difference, or the mean of all clips.
    """
    figure = Figure(figsize=(5.4, 0.22 * len(lines) + 1.1))
    axes = figure.subplots()
    axes.axvline(reference, color="#c3c9d6", linewidth=1)
    for place, line in enumerate(reversed(lines)):
        colour = MARKED if line.marked else PLAIN
        axes.plot([line.low, line.high], [place, place], color=colour, linewidth=1.4)
        axes.plot(line.value, place, "o", color=colour, markersize=4)
    axes.set_yticks(range(len(lines)), [line.label for line in reversed(lines)], fontsize=7)
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_xlabel(unit, fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.tick_params(axis="x", labelsize=7)
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.tight_layout()
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "neurons", "font.family": "DejaVu Sans"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
