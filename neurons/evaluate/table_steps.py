"""The step of `evaluate` that writes the tables of the paper."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from neurons.artifacts import atomic, provenance, read_table, write_table
from neurons.evaluate.measures import COLUMNS
from neurons.evaluate.table import KEYS
from neurons.evaluate.tables import LAYOUTS, definitions, latex, lay_out, markdown, over_seeds


def tables(*, scores: Path, variants: list[str], seeds: str, published: bool = False, folder: Path) -> None:
    """Write the tables of the paper: each as TSV, Markdown and LaTeX, and the spread over training seeds as TSV.

    Parameters
    ----------
    scores
        Table of all scores.
    variants
        Names of the variants.
    seeds
        JSON object: the variants that differ in their seed only, by the name of the first.
    published
        Put published figures of the data set cc2017 below ours.
    folder
        Holds ``<table>.tsv``, ``.md`` and ``.tex`` of the tables videos, frames, ablations and tasks, and ``seeds.tsv``
        (written).
    """
    table = read_table(scores, [*KEYS, *COLUMNS])
    with as_file(files("neurons.evaluate").joinpath("quoted.tsv")) as path:
        known = pd.read_csv(path, sep="\t", dtype={"subject": str})
    known = known if published else known[:0]
    made_by = provenance(
        "evaluate tables", {"scores": scores}, {"variants": variants, "seeds": seeds, "published": published}
    )
    for name, layout in LAYOUTS.items():
        laid_out = lay_out(table, known[known["table"] == name], layout, variants)
        meanings = definitions(table, layout)
        write_table(folder / f"{name}.tsv", laid_out, made_by)
        for suffix, write in (("md", markdown), ("tex", latex)):
            with atomic(folder / f"{name}.{suffix}") as temporary:
                temporary.write_text(write(laid_out, layout.title, meanings), encoding="utf-8")
    write_table(folder / "seeds.tsv", over_seeds(table, json.loads(seeds)), made_by)
