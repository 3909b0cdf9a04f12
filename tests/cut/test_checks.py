"""Findings on made-up headers and timelines, each check alone."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from neurons.artifacts import InputError
from neurons.cut.checks import Finding, Timeline, check_clips, check_header, check_timeline, report
from neurons.cut.header import Header

HEADER = Header(
    container="mp4",
    codec="h264",
    pixel_format="yuv420p",
    width=64,
    height=64,
    bit_depth=8,
    frame_rate=Fraction(30),
    time_base=Fraction(1, 15360),
    start=Fraction(0),
    duration=Fraction(4),
    frames=120,
    sample_aspect_ratio=Fraction(1),
    colour_range="unspecified",
)


def timeline(**changes: object) -> Timeline:
    """A faultless movie of 4 s at 30 Hz, with changes."""
    values = {
        "times": [Fraction(n, 30) for n in range(120)],
        "last_duration": Fraction(1, 30),
        "rotations": {0},
    }
    return Timeline(**{**values, **changes})


def found(line: Timeline, header: Header = HEADER) -> set[tuple[str, str]]:
    findings = [*check_header(header), *check_timeline(line, header, Fraction(2), 2)]
    return {(finding.level, finding.check) for finding in findings}


def swapped(times: list[Fraction]) -> list[Fraction]:
    return [*times[:50], times[51], times[50], *times[52:]]


TIMES = [Fraction(n, 30) for n in range(120)]


def test_nothing_is_found_in_a_faultless_movie() -> None:
    assert found(timeline()) == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"failure": "Invalid data"}, ("error", "decoding")),
        ({"corrupt": 1}, ("error", "corrupt_frames")),
        ({"untimed": 2}, ("error", "time_stamps")),
        ({"interlaced": 120}, ("warning", "interlaced")),
        ({"rotations": {90}}, ("warning", "rotation")),
        ({"rotations": {45}}, ("error", "rotation")),
        ({"times": TIMES[:119]}, ("warning", "frame_count")),
        ({"times": swapped(TIMES)}, ("error", "time_stamps")),
        ({"times": [*TIMES[:50], TIMES[49], *TIMES[51:]]}, ("error", "time_stamps")),
        ({"times": TIMES[:60]}, ("error", "truncated")),
        ({"times": [*TIMES[:50], *TIMES[60:]]}, ("warning", "variable_frame_rate")),
        ({"times": [t + Fraction(1, 10) for t in TIMES]}, ("warning", "start_offset")),
        ({"times": []}, ("error", "frames")),
    ],
)
def test_timeline(changes: dict[str, object], expected: tuple[str, str]) -> None:
    assert expected in found(timeline(**changes))


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"sample_aspect_ratio": Fraction(4, 3)}, "pixel_aspect"),
        ({"bit_depth": 10}, "bit_depth"),
        ({"colour_range": "jpeg"}, "colour_range"),
        ({"start": Fraction(1)}, "start_offset"),
    ],
)
def test_header(changes: dict[str, object], check: str) -> None:
    assert found(timeline(), replace(HEADER, **changes)) == {("warning", check)}


def test_time_stamps_in_milliseconds_are_not_a_variable_rate() -> None:
    rounded = [Fraction(round(time * 1000), 1000) for time in TIMES]
    assert found(timeline(times=rounded), replace(HEADER, time_base=Fraction(1, 1000))) == set()


def test_a_header_without_duration_is_no_fault() -> None:
    assert found(timeline(), replace(HEADER, duration=None, frames=None)) == set()


def test_report_lists_all_errors_and_logs_warnings(caplog: pytest.LogCaptureFixture) -> None:
    findings = [
        Finding("error", "a", "first"),
        Finding("warning", "b", "second"),
        Finding("error", "c", "third"),
    ]
    with pytest.raises(InputError, match=r"(?s)movie\.mp4 cannot be used:.*- a: first.*- c: third"):
        report(Path("movie.mp4"), findings)
    assert "second" in caplog.text
    report(Path("movie.mp4"), findings[1:2])


def test_clips_without_content_are_named() -> None:
    findings = list(check_clips(["m:1"], ["m:1", "m:2"]))
    assert [(finding.level, finding.check) for finding in findings] == [
        ("warning", "black"),
        ("warning", "static"),
    ]
    assert "m:1, m:2" in findings[1].message
