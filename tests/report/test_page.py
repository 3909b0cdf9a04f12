"""The page: self-contained, equal for equal inputs, and true to its inputs."""

import io
import json
import re
from base64 import b64decode

import av
import numpy as np

from neurons.report.gallery import choose_highlights, paint_mask
from neurons.report.scoreboard import headline_rows
from tests.report.conftest import CLIPS, make_report, moving_square


def embedded(page):
    text = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(), re.DOTALL
    )[1]
    return json.loads(text)


def decode(uri):
    with av.open(io.BytesIO(b64decode(uri.partition(",")[2]))) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_nothing_is_loaded_from_elsewhere(report_page):
    text = report_page.read_text()
    outside = re.findall(r'(?:src|href)\s*=\s*"(?!data:|#)[^"]*"', text)
    assert outside == []
    assert not re.search(r"@import|url\(\s*['\"]?http|fetch\(|XMLHttpRequest", text)


def test_same_inputs_give_the_same_page(report_page, tmp_path):
    assert make_report(tmp_path).read_bytes() == report_page.read_bytes()


def test_videos_show_the_frames_they_are_made_of(report_page):
    data = embedded(report_page)
    assert [clip["id"] for clip in data["clips"]] == CLIPS
    truth = moving_square(len(CLIPS), 16)
    for position in (0, 5):
        shown = decode(data["clips"][position]["truth"])
        assert shown.shape == (16, 128, 128, 3)
        small = shown.reshape(16, 32, 4, 32, 4, 3).mean((2, 4))
        assert np.abs(small - truth[position]).mean() < 6
        assert (
            np.abs(small - truth[(position + 6) % len(CLIPS)]).mean() > np.abs(small - truth[position]).mean()
        )


def test_samples_of_a_clip_and_their_spread_are_told(report_page):
    made = embedded(report_page)["made"]
    first, *others = made.values()
    assert [first[clip]["samples"] for clip in CLIPS] == [3] * len(CLIPS)
    assert [first[clip]["spread"] for clip in CLIPS] == [number / 8 for number in range(len(CLIPS))]
    assert others and all(
        entries[clip]["samples"] == 1 and entries[clip]["spread"] is None
        for entries in others
        for clip in CLIPS
    )


def test_text_of_the_study_cannot_become_markup(report_page):
    text = report_page.read_text()
    assert "<left>" not in text
    assert embedded(report_page)["clips"][0]["caption"] == "a blue car drives <left> on a road"


def test_ablations_and_learning_curves_are_shown_where_there_are_any(report_page, tmp_path):
    assert "What helps" not in report_page.read_text()
    text = make_report(tmp_path, derived=True).read_text()
    section = text[text.index('<section id="decisions">') : text.index('<section id="brain">')]
    assert "<td>without &lt;b&gt;</td><td>.30 [.2, .4] -</td>" in section
    assert section.count("<tr>") == 3 and section.count("data:image/png") == 1
    assert '<a href="#decisions">' in text


def test_undefined_scores_are_shown_as_undefined(report_page):
    text = report_page.read_text()
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]*", "", text), re.IGNORECASE)
    assert '<span class="undefined">' in text


def test_highlights_are_best_median_and_worst():
    scores = {f"m:{i}": float(-i) for i in range(11)}
    chosen = choose_highlights(scores, each=1)
    assert chosen == {"m:0": "best", "m:5": "median", "m:10": "worst"}
    assert choose_highlights({"m:0": 1.0}, each=3) == {"m:0": "best"}


def test_mask_colours_follow_the_probability():
    painted = paint_mask(np.array([[[0.0, 1.0]]]))
    assert painted.tolist() == [[[[24, 28, 44], [255, 196, 61]]]]


def test_headline_cells_take_the_higher_chance_level():
    import pandas as pd

    table = pd.DataFrame(
        [{"variant": "v", "subject": "s", "metric": "dice", "value": 0.5, "low": 0.4, "high": 0.6, "chance": 0.1,
          "permutation_mean": 0.3, "p": 0.02, "n": 7}]
    )  # fmt: skip
    (row,) = headline_rows(table)
    assert row["cells"] == [{"value": 0.5, "low": 0.4, "high": 0.6, "p": 0.02, "n": 7.0, "chance": 0.3}]
