"""Training curves as SVG, the same input giving the same bytes."""

from __future__ import annotations

import io

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

COLOURS = ("#4f7cff", "#f2a93b", "#2fb58a", "#d9577a", "#8a6fe8", "#5b6475")


def training_curves(tables: dict[str, pd.DataFrame], title: str) -> str:
    """Training loss (dashed) and validation score (solid, lower is better) per epoch, one colour per run, as an SVG element.

    Parameters
    ----------
    tables
        Training table (columns ``epoch, train_loss, validation_score``) of each run by its label.
    """
    figure = Figure(figsize=(5.4, 3.1))
    axes = figure.subplots()
    for position, (label, table) in enumerate(tables.items()):
        colour = COLOURS[position % len(COLOURS)]
        axes.plot(table["epoch"], table["train_loss"], "--", color=colour, linewidth=1)
        axes.plot(table["epoch"], table["validation_score"], color=colour, linewidth=1.8, label=label)
    axes.set(xlabel="epoch", ylabel="loss", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": "neurons", "font.family": "DejaVu Sans"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]
