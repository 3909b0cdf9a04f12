"""Frames of real movie files: every frame shows its own number."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from neurons.artifacts import InputError
from neurons.cut.decode import Decoded, Sampling, decode

Writer = Callable[..., Path]
Reader = Callable[[np.ndarray], int]
HALF = Fraction(1, 2)


def run(path: Path, phase: Fraction = HALF, frames_per_clip: int = 6) -> Decoded:
    return decode(path, Sampling(Fraction(2), frames_per_clip, phase, 64, "crop"))


def shown(decoded: Decoded, read_number: Reader) -> list[list[int]]:
    """Numbers that the chosen frames show; what is recorded beside them must say the same."""
    numbers = [[read_number(frame) for frame in clip] for clip in decoded.chosen.frames]
    assert decoded.chosen.source_frame.tolist() == numbers
    return numbers


def found(decoded: Decoded) -> set[tuple[str, str]]:
    return {(finding.level, finding.check) for finding in decoded.findings}


@pytest.mark.parametrize(
    ("phase", "first"), [(HALF, [4, 14, 24, 34, 44, 54]), (Fraction(0), [0, 10, 20, 30, 40, 50])]
)
def test_30_hz(write_numbered: Writer, read_number: Reader, phase: Fraction, first: list[int]) -> None:
    decoded = run(write_numbered("a.mp4", 180), phase)
    assert shown(decoded, read_number) == [[n + 60 * clip for n in first] for clip in range(3)]
    assert found(decoded) == set()
    np.testing.assert_allclose(decoded.chosen.source_time_s, decoded.chosen.source_frame / 30, atol=1e-9)
    expected = 2 * np.arange(3)[:, None] + (np.arange(6) + float(phase)) / 3
    np.testing.assert_allclose(decoded.chosen.time_s, expected, atol=1e-12)


def test_middle_is_what_the_fps_filter_of_ffmpeg_picks(write_numbered: Writer, read_number: Reader) -> None:
    path = write_numbered("a.mp4", 240)
    graph = av.filter.Graph()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        source, rate, sink = graph.add_buffer(template=stream), graph.add("fps", "3"), graph.add("buffersink")
        source.link_to(rate)
        rate.link_to(sink)
        graph.configure()
        picked = []
        for frame in [*container.decode(stream), None]:
            graph.push(frame)
            while True:
                try:
                    picked.append(read_number(graph.pull().to_ndarray(format="rgb24")))
                except (av.error.BlockingIOError, av.error.EOFError):
                    break
    assert shown(run(path), read_number) == np.reshape(picked[:24], (4, 6)).tolist()


def test_2997_hz_is_timed_not_counted(write_numbered: Writer, read_number: Reader) -> None:
    rate = Fraction(30000, 1001)
    numbers = shown(run(write_numbered("a.mp4", 1800, rate=rate), Fraction(0)), read_number)
    assert len(numbers) == 30
    for clip in (0, 15, 29):
        for frame in range(6):
            time = 2 * clip + Fraction(frame, 3)
            assert numbers[clip][frame] == (time + Fraction(1, 4) / rate) // (1 / rate)
    assert numbers[29][0] == 1738, "counted as 30 Hz it would be 1740"


def test_variable_frame_rate(write_numbered: Writer, read_number: Reader) -> None:
    steps = [Fraction(1, 60) if n < 120 else Fraction(1, 20) for n in range(160)]
    times = [sum(steps[:n], Fraction(0)) for n in range(160)]
    path = write_numbered("v.mp4", 160, rate=Fraction(30), times=times, time_base=Fraction(1, 600))
    decoded = run(path, Fraction(0))
    assert ("warning", "variable_frame_rate") in found(decoded)
    assert shown(decoded, read_number) == [
        [0, 20, 40, 60, 80, 100],
        [120, 126, 133, 140, 146, 153],
    ]


def test_presentation_order_with_reordered_frames(write_numbered: Writer, read_number: Reader) -> None:
    path = write_numbered("b.mp4", 120, preset="medium")
    with av.open(str(path)) as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stamps != sorted(stamps), "the file must really hold its frames out of order"
    assert shown(run(path), read_number) == [[4, 14, 24, 34, 44, 54], [64, 74, 84, 94, 104, 114]]


def test_times_count_from_the_start_of_playback(write_numbered: Writer, read_number: Reader) -> None:
    times = [Fraction(1, 2) + Fraction(n, 30) for n in range(120)]
    decoded = run(write_numbered("late.mp4", 120, times=times))
    assert shown(decoded, read_number) == [[4, 14, 24, 34, 44, 54], [64, 74, 84, 94, 104, 114]]
    assert found(decoded) == {("warning", "start_offset")}


def test_truncated_file_with_its_index_in_front(write_numbered: Writer) -> None:
    content = write_numbered("whole.mp4", 360, faststart=True).read_bytes()
    path = write_numbered("cut.mp4", 1)
    path.write_bytes(content[: len(content) * 2 // 3])
    decoded = run(path)
    assert ("error", "truncated") in found(decoded)
    assert 0 < len(decoded.timeline.times) < 360
    assert len(decoded.chosen.frames) == 0


def test_truncated_file_without_its_index(write_numbered: Writer) -> None:
    path = write_numbered("cut.mp4", 60)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match=r"cut\.mp4 cannot be opened.*truncated"):
        run(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.mp4 does not exist"):
        run(tmp_path / "none.mp4")


@pytest.mark.parametrize(
    ("frames", "level", "clips"), [(59, None, 1), (50, "error", 0), (61, None, 1), (90, "warning", 1)]
)
def test_duration(write_numbered: Writer, frames: int, level: str | None, clips: int) -> None:
    decoded = run(write_numbered("a.mp4", frames))
    assert {finding.level for finding in decoded.findings if finding.check == "duration"} == (
        {level} if level else set()
    )
    assert len(decoded.chosen.frames) == clips


def test_ten_bit_and_pixel_aspect_are_told(write_numbered: Writer, read_number: Reader) -> None:
    decoded = run(write_numbered("a.mp4", 60, pixel_format="yuv420p10le"))
    assert found(decoded) == {("warning", "bit_depth")}
    assert shown(decoded, read_number) == [[4, 14, 24, 34, 44, 54]]
    anamorphic = run(write_numbered("b.mp4", 60, pixel_aspect=Fraction(4, 3)))
    assert found(anamorphic) == {("warning", "pixel_aspect")}
