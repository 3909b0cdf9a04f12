"""Squares of the stored size."""

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurons.cut.pictures import make_square, upright_rgb

RNG = np.random.default_rng(0)


def test_area_filter_is_the_mean_of_blocks() -> None:
    picture = RNG.integers(0, 256, (64, 64, 3), np.uint8)
    means = picture.reshape(16, 4, 16, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(make_square(picture, 16, "crop", Fraction(1)), means, atol=0.5)


def test_crop_takes_the_middle() -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 32:64] = RNG.integers(0, 256, (32, 32, 3))
    assert (make_square(wide, 32, "crop", Fraction(1)) == wide[:, 32:64]).all()
    assert (
        make_square(wide.transpose(1, 0, 2), 32, "crop", Fraction(1)) == wide[:, 32:64].transpose(1, 0, 2)
    ).all()


def test_stretch_keeps_everything() -> None:
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, :48] = 200
    stretched = make_square(wide, 32, "stretch", Fraction(1))
    assert (stretched[:, :16] == 200).all()
    assert (stretched[:, 16:] == 0).all()


def test_crop_is_square_as_displayed() -> None:
    narrow_pixels = np.zeros((40, 40, 3), np.uint8)
    narrow_pixels[10:30] = 100
    square = make_square(narrow_pixels, 20, "crop", Fraction(1, 2))
    assert (square == 100).all(), "displayed 20 wide and 40 high: the middle 20 rows remain"


def test_same_size_is_untouched() -> None:
    picture = RNG.integers(0, 256, (20, 20, 3), np.uint8)
    assert (make_square(picture, 20, "crop", Fraction(1)) == picture).all()


def flat(luma: int, blue: int, red: int, colour_range: int) -> np.ndarray:
    """RGB of a frame of one YUV colour, by `upright_rgb`."""
    frame = av.VideoFrame(32, 32, "yuv420p")
    frame.color_range = colour_range
    for plane, value in zip(frame.planes, (luma, blue, red), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return upright_rgb(frame)[16, 16]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.booleans())
@settings(max_examples=50, deadline=None)
def test_colours_are_those_of_bt_601(luma: int, blue: int, red: int, full_range: bool) -> None:
    y, u, v = luma / 255.0, (blue - 128) / 255, (red - 128) / 255
    if not full_range:
        y, u, v = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    colour = np.array([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u])
    # Colours far outside of RGB, which no encoder makes of RGB pictures, overflow in swscale.
    assume(np.abs(colour - 0.5).max() < 0.7)
    expected = np.clip(colour, 0, 1) * 255
    np.testing.assert_allclose(flat(luma, blue, red, 2 if full_range else 1), expected, atol=1.01)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_pictures_are_turned_as_ffmpeg_turns_them(tmp_path: Path, degrees: int) -> None:
    path = tmp_path / "turned.mp4"
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48] = 250
    picture[32:, 48:] = 120
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-i",
        str(path),
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-",
    ]
    raw = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8)
    shape = (64, 96, 3) if degrees == 180 else (96, 64, 3)
    with av.open(str(path)) as container:
        ours = upright_rgb(next(container.decode(video=0)))
    assert ours.shape == shape
    assert np.abs(ours.astype(int) - raw.reshape(shape)).mean() < 2
