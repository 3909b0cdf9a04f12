"""The steps: files in, files out."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from neurons.artifacts import InputError, TensorFile, read_json, read_table
from neurons.cut import steps
from neurons.cut.settings import Cut

Writer = Callable[..., Path]


def cut(video: Path, folder: Path, name: str = "a", **settings: object) -> tuple[Path, Path, Path]:
    outputs = folder / f"{name}.safetensors", folder / f"{name}.tsv", folder / f"{name}.json"
    steps.clips(
        movie="seg1",
        video=video,
        clip_s=2.0,
        settings=Cut(**settings),
        frames=outputs[0],
        clips=outputs[1],
        facts=outputs[2],
    )
    return outputs


def test_clips(write_numbered: Writer, tmp_path: Path) -> None:
    frames, clips, facts = cut(write_numbered("a.mp4", 135), tmp_path)
    stored = TensorFile(frames)
    assert stored["frames"].shape == (2, 6, 64, 64, 3)
    assert {name: stored[name].dtype for name in ("time_s", "source_frame", "source_time_s")} == {
        "time_s": np.float64,
        "source_frame": np.int64,
        "source_time_s": np.float64,
    }
    assert stored.clip_ids == ["seg1:0", "seg1:1"]
    assert stored.metadata["frame_duration_s"] == pytest.approx(1 / 30)
    table = read_table(clips)
    assert table["clip"].tolist() == stored.clip_ids
    assert table["start_s"].tolist() == [0, 2]
    assert table["end_s"].tolist() == [2, 4]
    content = read_json(facts)
    assert (content["frames"], content["clips"], content["duration_s"]) == (135, 2, 4.5)
    assert content["unused_s"] == 0.5
    assert [finding["check"] for finding in content["checks"]] == ["duration"]


def test_static_clips_and_cuts_are_listed(
    write_movie: Writer, numbered_picture: Callable[[int], np.ndarray], tmp_path: Path
) -> None:
    colours = np.array([[200, 40, 40], [40, 60, 200]], np.uint8)
    still = [np.tile(colours[0], (64, 64, 1))] * 75 + [np.tile(colours[1], (64, 64, 1))] * 45
    moving = [numbered_picture(3 * n) for n in range(60)]
    _, clips, _ = cut(write_movie("a.mp4", [*still, *moving]), tmp_path)
    table = read_table(clips)
    assert table["static"].tolist() == [True, False, False]
    assert table["scene_cuts"].tolist()[:2] == [0, 1]
    assert float(table["cut_times_s"][1]) == 2.5


def test_playback_times(
    write_numbered: Writer, read_number: Callable[[np.ndarray], int], tmp_path: Path
) -> None:
    path = tmp_path / "playback.safetensors"
    video = write_numbered("a.mp4", 120)
    steps.playback(movie="test1", video=video, clip_s=2.0, settings=Cut(), playback=path)
    stored = TensorFile(path)
    np.testing.assert_allclose(stored["time_s"][1], 2 + (np.arange(16) + 0.5) / 8)
    numbers = [read_number(frame) for frame in stored["frames"][1]]
    assert numbers == stored["source_frame"][1].tolist()
    assert (np.abs((np.array(numbers) + 0.5) / 30 - stored["time_s"][1]) <= 0.75 / 30 + 1e-9).all()


def test_frame_count_and_size_come_from_settings(write_numbered: Writer, tmp_path: Path) -> None:
    frames, _, _ = cut(write_numbered("a.mp4", 60), tmp_path, frames_per_clip=4, frame_size_px=32, phase=0.0)
    assert TensorFile(frames)["frames"].shape == (1, 4, 32, 32, 3)
    assert TensorFile(frames)["source_frame"].tolist() == [[0, 15, 30, 45]]


def test_same_input_gives_the_same_bytes(write_numbered: Writer, tmp_path: Path) -> None:
    video = write_numbered("a.mp4", 60)
    first, second = cut(video, tmp_path, "first"), cut(video, tmp_path, "second")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_errors_leave_no_output(write_numbered: Writer, tmp_path: Path) -> None:
    video = write_numbered("a.mp4", 120, faststart=True)
    video.write_bytes(video.read_bytes()[:-1500])
    with pytest.raises(InputError, match="truncated"):
        cut(video, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_movie_that_begins_late_in_its_file_is_refused(write_numbered: Writer, tmp_path: Path) -> None:
    import av

    silent = tmp_path / "late.mp4"
    with av.open(str(write_numbered("a.mp4", 90))) as source, av.open(str(silent), "w") as target:
        video = target.add_stream_from_template(source.streams.video[0])
        audio = target.add_stream("aac", rate=16000)
        for packet in source.demux(video=0):
            if packet.pts is None:
                continue
            packet.stream = video
            packet.pts += int(1 / packet.time_base)
            packet.dts += int(1 / packet.time_base)
            target.mux(packet)
        for start in range(0, 4 * 16000, 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = 16000, start, Fraction(1, 16000)
            target.mux(audio.encode(sound))
        target.mux(audio.encode())
    with pytest.raises(
        InputError, match=r"nothing is shown yet at 3 of the wanted times.*first frame is shown at 1\.0"
    ):
        cut(silent, tmp_path)
