"""Every validation fires on its file, with the sentence that the documentation shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validations.__main__ import HEAD, PAGE, TAIL, told
from tests.validations.cases import CASES, Case


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.act.__name__)
def test_the_sentence_is_the_documented_one(case: Case, tmp_path: Path) -> None:
    sentence = told(case, tmp_path)
    assert sentence
    assert f"| `{case.stage}` | {case.level} | {case.wrong} | {sentence} |\n" in PAGE.read_text()


def test_the_page_has_these_rows_and_no_others() -> None:
    text = PAGE.read_text()
    assert text.startswith(HEAD) and text.endswith(TAIL)
    assert text.removeprefix(HEAD).removesuffix(TAIL).count("\n") == len(CASES)
