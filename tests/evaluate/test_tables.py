"""The tables of the paper: every cell where it belongs, measured apart from quoted, readable in three formats."""

import csv
import json
import re
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import read_table, write_table
from neurons.evaluate import table_steps
from neurons.evaluate.measures import COLUMNS
from neurons.evaluate.pairing import Pairing
from neurons.evaluate.released_tasks import recall_measures, released_mask_measures
from neurons.evaluate.released_videos import released_measures
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.strict_tasks import caption_measures, concept_measures, mask_measures
from neurons.evaluate.strict_videos import strict_measures
from neurons.evaluate.table import KEYS, stack
from neurons.evaluate.tables import LAYOUTS, Layout, latex, lay_out, markdown, over_seeds
from neurons.evaluate.videos import Videos

NOTHING_QUOTED = pd.DataFrame(columns=["table", "row", "subject", "metric", "value", "note"])
LAYOUT = Layout("Videos", {"psnr": "PSNR", "video_2way_gt1": "2-way", "clip_allpairs": "pcc (released)"})


def scored(variant: str, subject: str, **values: float | None) -> pd.DataFrame:
    """Scores of one prediction, with an interval of +-1 around each value."""
    rows = []
    for metric, value in values.items():
        facts = dict.fromkeys(COLUMNS) | {"metric": metric, "definition": f"what {metric} is", "value": value}
        facts |= {"low": value and value - 1, "high": value and value + 1, "protocol": "strict", "n": 60}
        rows.append({"variant": variant, "subject": subject, **facts})
    return pd.DataFrame(rows, columns=[*KEYS, *COLUMNS])


def all_scores() -> pd.DataFrame:
    ours = scored("ours", "s1", psnr=12.34, video_2way_gt1=0.86451)
    ours.loc[ours["metric"] == "video_2way_gt1", "chance"] = 0.5
    return stack([ours, scored("mean", "truth", psnr=11.0), scored("ceiling", "s1", ceiling_r=0.3)])


def measured_names() -> dict[str, str]:
    """Protocol of every metric that can be measured, by name."""
    generator = np.random.default_rng(0)
    clips, frames = 8, 6
    x = Videos(
        generator.integers(0, 256, (clips, frames, 32, 32, 3), np.uint8),
        np.tile(np.arange(frames) / 3, (clips, 1)),
        generator.dirichlet(np.ones(60), (clips, frames)),
        generator.dirichlet(np.ones(60), clips),
        generator.normal(size=(clips, 4)),
        generator.normal(size=(clips, frames, 4)),
        generator.normal(size=(clips, 4)),
    )
    settings, own = Evaluate(), np.arange(clips)
    pairing = Pairing.of(own[None], 1)
    masks, concepts = generator.random((2, clips, frames, 8, 8)) < 0.5, generator.random((2, clips, 5)) < 0.5
    texts, tags = ["a red car drives left"] * clips, ["car"] * clips
    measures = [
        *strict_measures(x, x, pairing, own // 2, settings.ways, settings.top_k, 4),
        *released_measures(x, x, pairing, pairing, settings.ways, settings.top_k, 0.6),
        *mask_measures(masks[0], masks[1], masks[1], 0.5),
        *concept_measures(concepts[0], concepts[1].astype(float), concepts[1], 0.5),
        *caption_measures(texts, tags, tags, texts),
        *released_mask_measures(masks[0], masks[1], 0.5),
        *recall_measures(concepts[0], concepts[1], 0.5),
    ]
    return {measure.name: measure.protocol for measure in measures}


def test_columns_are_metrics_that_exist_and_say_which_are_released() -> None:
    known = measured_names()
    for name, layout in LAYOUTS.items():
        assert set(layout.columns) <= set(known), name
        marked = {metric for metric, title in layout.columns.items() if title.endswith("(released)")}
        assert marked == {metric for metric in layout.columns if known[metric] == "released"}
        assert len(set(layout.columns.values())) == len(layout.columns)


def test_rows_cells_and_gaps() -> None:
    table = lay_out(all_scores(), NOTHING_QUOTED, LAYOUT, ["ours"])
    assert list(table.columns) == ["variant", "subject", "PSNR", "2-way", "note"]
    assert table[["variant", "subject", "PSNR", "2-way"]].to_numpy().tolist() == [
        ["chance", "any", "", "0.500"],
        ["ours", "s1", "12.3 [11.3, 13.3]", "0.865 [-0.135, 1.865]"],
        ["mean", "truth", "11.0 [10.0, 12.0]", ""],
    ]


def test_the_table_of_variants_leaves_references_out() -> None:
    layout = Layout(LAYOUT.title, LAYOUT.columns, everything=False)
    assert lay_out(all_scores(), NOTHING_QUOTED, layout, ["ours"])["variant"].tolist() == ["chance", "ours"]


def test_quoted_figures_stand_below_and_say_so() -> None:
    quoted = pd.DataFrame(
        [["videos", "Somebody 2023", "mean of 3", "clip_allpairs", 0.934, "as published"]],
        columns=NOTHING_QUOTED.columns,
    )
    last = lay_out(all_scores(), quoted, LAYOUT, ["ours"]).iloc[-1]
    assert last.to_dict() == {
        "variant": "Somebody 2023", "subject": "mean of 3", "PSNR": "", "2-way": "", "pcc (released)": "0.934",
        "note": "quoted, as published",
    }  # fmt: skip


def test_every_published_figure_belongs_to_a_column_of_released_definitions() -> None:
    lines = files("neurons.evaluate").joinpath("quoted.tsv").read_text(encoding="utf-8").splitlines()
    known = measured_names()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    assert len(rows) > 50
    for row in rows:
        assert row["metric"] in LAYOUTS[row["table"]].columns, row
        assert known[row["metric"]] == "released" or row["table"] in ("frames", "tasks"), row
        assert np.isfinite(float(row["value"])) and row["note"], row


def test_spread_over_seeds_by_hand() -> None:
    tables = [scored(name, "s1", psnr=value) for name, value in (("a", 10.0), ("a_1", 12.0), ("b", 50.0))]
    (found,) = over_seeds(pd.concat(tables), {"a": ["a", "a_1"]}).to_dict("records")
    assert found == {
        "variant": "a", "subject": "s1", "metric": "psnr", "seeds": 2, "mean": 11.0, "sd": pytest.approx(2**0.5),
        "lowest": 10.0, "highest": 12.0,
    }  # fmt: skip


def test_markdown_has_one_cell_per_column() -> None:
    table = lay_out(all_scores(), NOTHING_QUOTED, LAYOUT, ["ours"])
    table.loc[0, "note"] = "a | b"
    lines = [line for line in markdown(table, "T", {"PSNR": "noise"}).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in lines} == {table.shape[1] + 1}
    assert len(lines) == len(table) + 2


def test_latex_escapes_what_it_must() -> None:
    table = lay_out(all_scores(), NOTHING_QUOTED, LAYOUT, ["ours"])
    table.loc[0, "note"] = "50 % of a_b & c#d ~ {x} <y> \\z"
    text = latex(table, "T", {})
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {table.shape[1] - 1}
    assert r"50 \% of a\_b \& c\#d \~{} \{x\} $<$y$>$ \textbackslash{}z" in text


def test_step_writes_every_table_in_three_formats(tmp_path: Path) -> None:
    write_table(tmp_path / "scores.tsv", all_scores(), {})
    seeds = json.dumps({"ours": ["ours", "ours_1"]})
    common = {"scores": tmp_path / "scores.tsv", "variants": ["ours"], "seeds": seeds}
    table_steps.tables(**common, published=True, folder=tmp_path / "with")
    table_steps.tables(**common, folder=tmp_path / "without")
    names = {f"{name}.{suffix}" for name in LAYOUTS for suffix in ("tsv", "md", "tex")} | {"seeds.tsv"}
    for folder in ("with", "without"):
        assert {path.name for path in (tmp_path / folder).iterdir()} == names
    with_quotes = read_table(tmp_path / "with" / "videos.tsv")
    assert with_quotes["note"].astype(str).str.startswith("quoted, ").sum() > 5
    assert (
        not read_table(tmp_path / "without" / "videos.tsv")["note"].astype(str).str.contains("quoted").any()
    )
    assert "what psnr is" in (tmp_path / "without" / "frames.md").read_text()
