"""What the scores mean, on the page: alarms, comparisons, kinds of clips, tables of the paper."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from neurons.artifacts import write_table
from neurons.report import meaning
from neurons.report.forests import MARKED, PLAIN, Line, forest
from tests.report.conftest import MADE_BY


def section(page: Path) -> str:
    """The section of the page, without pictures."""
    text = re.search(r'<section id="meaning">.*?</section>', page.read_text(), re.DOTALL)
    assert text
    return re.sub(r"base64,[^\"]*", "", text[0])


def test_raised_alarms_stand_on_the_page_and_silent_checks_are_counted(report_page: Path) -> None:
    text = section(report_page)
    assert "9 of 12 clips share &lt;one&gt; prediction (test1:0)" in text
    assert "1 checks found nothing" in text
    assert "clips equal the truth" not in text


def test_the_page_shows_comparisons_kinds_tables_and_figures(report_page: Path) -> None:
    text = section(report_page)
    assert "ours minus paper" in text
    assert "Scores by kind of clip, paper, subject1" in text
    assert "Frames, subject1: strips" in text
    assert "0.910 [0.8, 1.0]" in report_page.read_text()
    assert "Key objects of test1" in report_page.read_text()


def test_a_line_is_marked_or_not() -> None:
    drawn = forest([Line("a", 1.0, 0.5, 1.5, True), Line("b", 0.0, -1.0, 1.0)], "t", "u", 0.0)
    assert MARKED in drawn
    assert PLAIN in drawn
    assert MARKED not in forest([Line("b", 0.0, -1.0, 1.0)], "t", "u", 0.0)


def test_kinds_with_few_clips_are_left_out(tmp_path: Path) -> None:
    kinds = {"factor": "concept", "level": ["vehicle", "plant"], "metric": meaning.SHOWN_METRIC, "n": [7, 2]}
    kinds |= {"value": [0.4, 0.1], "low": [0.2, 0.0], "high": [0.6, 0.2], "p_holm": [0.01, 0.5]}
    where = tmp_path / "ours" / "subject1"
    write_table(where / "kinds.tsv", pd.DataFrame(kinds), MADE_BY)
    write_table(where / "clips.parquet", pd.DataFrame({meaning.SHOWN_METRIC: [0.1, 0.5]}), MADE_BY)
    drawn = meaning.failure_picture(where / "kinds.tsv", where / "clips.parquet")
    assert "vehicle (7)" in drawn
    assert "plant" not in drawn


@pytest.mark.parametrize("rows", [0, 1])
def test_comparisons_may_be_none(tmp_path: Path, rows: int) -> None:
    columns = {"subject": "s", "variant": "ours", "other": "paper", "metric": "dice", "difference": 0.1}
    columns |= {"low": 0.0, "high": 0.2, "p_holm": 0.4, "n": 12}
    write_table(tmp_path / "comparisons.tsv", pd.DataFrame([columns] * rows, columns=list(columns)), MADE_BY)
    assert len(meaning.comparison_pictures(tmp_path / "comparisons.tsv")) == rows
