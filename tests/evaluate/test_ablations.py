"""The ablation table: known answers, what counts as better, and the step on files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from neurons.artifacts import InputError, clip_id, provenance, read_table, write_table
from neurons.evaluate.ablation_steps import ablations
from neurons.evaluate.ablations import ablation_scores, lay_out
from neurons.evaluate.comparisons import compare
from neurons.evaluate.settings import Evaluate

IDS = [clip_id(movie, index) for movie in ("seg1", "seg2") for index in range(40)]
OPTIONS = {"block_clips": 4, "bootstrap": 300, "permutations": 2000, "seed": 0}
RNG = np.random.default_rng(1)
CLIP = RNG.normal(size=80)


def table(shift: float, noise: float = 0.1, ids: list[str] = IDS) -> pd.DataFrame:
    """Scores of clips that differ in difficulty, which rows share."""
    return pd.DataFrame({"clip": ids, "dice": CLIP[: len(ids)] + shift + noise * RNG.normal(size=len(ids))})


def seeds(*shifts: float, **facts: float) -> list[pd.DataFrame]:
    return [table(shift, **facts) for shift in shifts]


def scored(rows: dict[str, list[pd.DataFrame]]) -> pd.DataFrame:
    return ablation_scores(rows, "subject1", ["dice"], **OPTIONS).set_index("row")


def test_a_shift_is_found_with_its_size_and_direction() -> None:
    base = seeds(0.0, 0.0, 0.0)
    found = scored({"base": base, "up": seeds(0.3, 0.3, 0.3), "down": seeds(-0.2, -0.2, -0.2), "same": base})
    assert list(found["verdict"]) == ["base", "better", "worse", "same"]
    assert found.loc["up", "difference"] == pytest.approx(0.3, abs=0.05)
    assert found.loc["down", "difference"] == pytest.approx(-0.2, abs=0.05)
    assert (
        found.loc["up", "difference_low"] < found.loc["up", "difference"] < found.loc["up", "difference_high"]
    )
    assert (found["seeds"] == 3).all() and list(found["seeds_agree"].iloc[1:3]) == [3, 3]
    assert found.loc["base", "mean"] == pytest.approx(np.mean([part["dice"].mean() for part in base]))
    assert np.isnan(found.loc["same", "p"]) and np.isnan(found.loc["base", "p_holm"])


def test_a_row_that_one_seed_contradicts_stays_open() -> None:
    found = scored({"base": seeds(0.0, 0.0, 0.0, noise=0.01), "other": seeds(0.5, 0.5, -0.1, noise=0.01)})
    assert found.loc["other", "p_holm"] < 0.05 and found.loc["other", "seeds_agree"] == 2
    assert found.loc["other", "verdict"] == "open"


def test_p_is_corrected_for_every_comparison_of_the_table() -> None:
    base = seeds(0.0, 0.0, 0.0)
    alone = scored({"base": base, "a": seeds(0.03, 0.03, 0.03)})
    among = scored(
        {"base": base, "a": seeds(0.03, 0.03, 0.03), **{f"r{i}": seeds(0, 0, 0) for i in range(9)}}
    )
    assert alone.loc["a", "p_holm"] == pytest.approx(alone.loc["a", "p"])
    rest = among.loc[[name for name in among.index if name != "base"]]
    assert (rest["p_holm"] >= np.minimum(rest["p"] * 10, 1)[rest["p"].idxmin()] - 1e-12).all()


def test_with_one_seed_it_is_the_paired_comparison_of_variants() -> None:
    first, second = table(0.0), table(0.1)
    found = scored({"base": [first], "other": [second]}).loc["other"]
    pair = compare({"other": second, "base": first}, "subject1", **OPTIONS).iloc[0]
    for own, theirs in (("difference", "difference"), ("difference_low", "low"), ("difference_high", "high")):
        assert found[own] == pytest.approx(pair[theirs])
    assert np.isnan(found["sd_seeds"])


def test_rows_of_other_clips_or_seeds_are_refused() -> None:
    with pytest.raises(InputError, match="seg2:39"):
        scored({"base": [table(0)], "other": [table(0, ids=IDS[:79])]})
    with pytest.raises(InputError, match=r"different numbers of seeds: \[1, 2\]"):
        scored({"base": [table(0)], "other": seeds(0, 0)})


def test_a_clip_that_is_undefined_in_one_seed_does_not_count() -> None:
    broken = seeds(0.0, 0.0)
    broken[1].loc[5, "dice"] = np.nan
    found = scored({"base": seeds(0.0, 0.0), "other": broken})
    assert list(found["n"]) == [80, 79]


def test_a_metric_that_no_clip_defines_is_said_to_be_undefined() -> None:
    nothing = [part.assign(dice=np.nan) for part in seeds(0.0, 0.0)]
    found = scored({"base": nothing, "other": nothing})
    assert list(found["verdict"]) == ["base", "undefined"] and list(found["n"]) == [0, 0]
    assert found["mean"].isna().all() and found["p_holm"].isna().all()


def test_the_step_writes_table_and_page(tmp_path: Path) -> None:
    rows, paths = [], []
    for row, shift in (("base", 0.0), ("other", 0.4)):
        for seed in (0, 1):
            for subject in ("subject1", "subject2"):
                path = tmp_path / f"{row}_{seed}_{subject}.parquet"
                write_table(path, table(shift), provenance("test", {}))
                rows.append({"row": row, "seed": seed, "subject": subject, "change": f"change of {row}"})
                paths.append(path)
    ablations(
        rows=json.dumps(rows), clips=paths, permutations=500, settings=Evaluate(block_clips=4, bootstrap=100),
        scores=tmp_path / "scores.tsv", table=tmp_path / "table.tsv", page=tmp_path / "page.md",
    )  # fmt: skip
    scores = read_table(tmp_path / "scores.tsv")
    assert list(scores["subject"].unique()) == ["subject1", "subject2", "mean"]
    assert (scores.loc[scores["row"] == "other", "verdict"] == "better").all()
    page = (tmp_path / "page.md").read_text()
    assert "| other | change of other |" in page and "] +" in page and "Dice coefficient" in page
    shown = read_table(tmp_path / "table.tsv")
    assert list(shown.columns) == ["row", "change", "Dice"]


def test_marks_are_for_rows_that_differ() -> None:
    found = ablation_scores({"base": seeds(0, 0), "worse": seeds(-1, -1)}, "s", ["dice"], **OPTIONS)
    cells = lay_out(found, {"base": "b", "worse": "w"})["Dice"]
    assert cells[1].endswith("] -") and cells[0].endswith("]")
