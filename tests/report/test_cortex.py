"""The section "on the cortex": there when the stage ran, true to its files, and offline."""

import re

import pytest

from tests.report.conftest import make_report


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return make_report(tmp_path_factory.mktemp("cortex"), cortex=True)


def section(text):
    return re.search(r'<section id="cortex">(.*?)</section>', text, re.DOTALL)[1]


def test_the_section_is_only_there_when_interpret_ran(report_page, page):
    assert "#cortex" not in report_page.read_text() and "On the cortex" not in report_page.read_text()
    text = page.read_text()
    assert '<a href="#cortex">' in text and "ours, subject1" in section(text)


def test_pictures_are_inside_and_views_are_linked_beside_the_page(page):
    text = section(page.read_text())
    assert text.count('src="data:image/png;base64,') == 4
    links = re.findall(r'href="([^"]*)"', text)
    assert links == [f"../interpret/ours/subject1/views/{task}.html" for task in ("blurry_video", "concepts")]
    assert all((page.parent / link).is_file() for link in links)
    assert not re.search(r'(?:src|href)="(?!data:|#|\.\./interpret/)', page.read_text())


def test_leading_areas_are_marked_and_in_order(page):
    text = section(page.read_text())
    cells = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)]
    rows = [row for row in cells if len(row) == 8]
    assert [row[1] for row in rows] == ["&lt;FFC&gt;", "V1"] * 2
    assert rows[0][3:] == ["0.75<sup>*</sup>"] * 4 + ["0.88<sup>*</sup>"]
    assert rows[1][3:] == ["0.25"] * 4 + ["0.88"]
    assert [row for row in cells if len(row) == 3] == [["vertex", "integrated and haufe", "0.62"]]
