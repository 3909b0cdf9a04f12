"""Backdrops of the places: smooth, with little texture, so that a small autoencoder can keep them."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from neurons.simulate.world import Background

Colour = tuple[int, int, int]
_SHIFT_BITS = 4


def _gradient(top: Colour, bottom: Colour, rows: int) -> NDArray[np.uint8]:
    """Column of colours, ``(rows, 1, 3)``."""
    ramp = np.linspace(0.0, 1.0, rows)[:, None, None]
    return np.round(np.asarray(top) * (1 - ramp) + np.asarray(bottom) * ramp).astype(np.uint8)


def _two_parts(
    size_px: int, horizon: float, sky: tuple[Colour, Colour], ground: tuple[Colour, Colour]
) -> NDArray[np.uint8]:
    edge = round(horizon * size_px)
    canvas = np.empty((size_px, size_px, 3), np.uint8)
    canvas[:edge] = _gradient(*sky, edge)
    canvas[edge:] = _gradient(*ground, size_px - edge)
    return canvas


def _fill(canvas: NDArray[np.uint8], points: list[tuple[float, float]], colour: Colour) -> None:
    scaled = np.round(np.asarray(points) * canvas.shape[0] * 2**_SHIFT_BITS).astype(np.int32)
    cv2.fillPoly(canvas, [scaled], colour, cv2.LINE_AA, _SHIFT_BITS)


def _disc(canvas: NDArray[np.uint8], x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
    angle = np.linspace(0, 2 * np.pi, 40)
    _fill(canvas, [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angle], colour)


def _box(canvas: NDArray[np.uint8], x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    _fill(canvas, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)


def _sea(size_px: int, look: Background) -> NDArray[np.uint8]:
    horizon = look.horizon - 0.14
    canvas = _two_parts(size_px, horizon, ((215, 232, 240), (235, 240, 238)), ((20, 130, 150), (10, 75, 110)))
    for row in range(2):
        y = horizon + 0.2 + 0.22 * row
        start = -0.3 + 0.5 * look.shift + 0.35 * row
        for x in (start, start + 0.7):
            _disc(canvas, x, y, 0.16, 0.018, (95, 180, 190))
    return canvas


def _sky(size_px: int, look: Background) -> NDArray[np.uint8]:
    canvas = _two_parts(size_px, 1.0, ((95, 165, 235), (185, 220, 248)), ((0, 0, 0), (0, 0, 0)))
    for x, y in ((look.shift, look.horizon - 0.35), ((look.shift + 0.55) % 1.0, look.horizon + 0.25)):
        _disc(canvas, x, y, 0.2, 0.06, (232, 242, 250))
        _disc(canvas, x + 0.04, y - 0.04, 0.1, 0.06, (232, 242, 250))
    return canvas


def _field(size_px: int, look: Background) -> NDArray[np.uint8]:
    sky, ground = ((190, 222, 240), (225, 236, 235)), ((165, 200, 95), (125, 170, 65))
    canvas = _two_parts(size_px, look.horizon, sky, ground)
    _disc(canvas, look.shift, look.horizon + 0.02, 0.5, 0.14, (150, 190, 90))
    return canvas


def _road(size_px: int, look: Background) -> NDArray[np.uint8]:
    sky, ground = ((205, 215, 222), (222, 222, 215)), ((180, 165, 120), (165, 150, 105))
    horizon = look.horizon - 0.08
    canvas = _two_parts(size_px, horizon, sky, ground)
    _box(canvas, -0.1, horizon + 0.1, 1.1, 1.1, (105, 105, 110))
    for step in range(4):
        x = look.shift * 0.4 - 0.4 + 0.4 * step
        _box(canvas, x, horizon + 0.28, x + 0.22, horizon + 0.325, (225, 215, 150))
    return canvas


def _city(size_px: int, look: Background) -> NDArray[np.uint8]:
    sky, ground = ((225, 200, 185), (240, 220, 200)), ((150, 145, 145), (125, 120, 122))
    horizon = look.horizon + 0.12
    canvas = _two_parts(size_px, horizon, sky, ground)
    heights = (0.34, 0.52, 0.28, 0.44, 0.58, 0.36)
    for place, height in enumerate(heights):
        x = (place / len(heights) + look.shift) % 1.0 - 0.1
        shade = 120 + 14 * (place % 3)
        _box(canvas, x, horizon - height, x + 0.15, horizon, (shade, shade - 12, shade + 6))
        _box(canvas, x + 1.0, horizon - height, x + 1.15, horizon, (shade, shade - 12, shade + 6))
    return canvas


def _room(size_px: int, look: Background) -> NDArray[np.uint8]:
    wall, floor = ((222, 190, 160), (208, 172, 140)), ((140, 90, 60), (115, 72, 48))
    canvas = _two_parts(size_px, look.horizon + 0.16, wall, floor)
    x = 0.08 + 0.5 * look.shift
    _box(canvas, x, 0.08, x + 0.3, 0.36, (250, 245, 235))
    _box(canvas, x + 0.025, 0.105, x + 0.275, 0.335, (150, 195, 215))
    return canvas


def _night(size_px: int, look: Background) -> NDArray[np.uint8]:
    canvas = _two_parts(
        size_px, look.horizon + 0.18, ((12, 14, 45), (38, 40, 85)), ((18, 26, 30), (10, 15, 18))
    )
    _disc(canvas, 0.15 + 0.7 * look.shift, 0.16, 0.08, 0.08, (240, 235, 200))
    return canvas


def _snow(size_px: int, look: Background) -> NDArray[np.uint8]:
    sky, ground = ((150, 165, 185), (185, 198, 212)), ((238, 242, 248), (222, 230, 242))
    canvas = _two_parts(size_px, look.horizon, sky, ground)
    _disc(canvas, look.shift, look.horizon + 0.04, 0.45, 0.14, (230, 236, 245))
    for flake in range(5):
        x, y = (0.13 + 0.2 * flake + look.shift) % 1.0, 0.08 + 0.13 * (flake * 2 % 5 % 3)
        _disc(canvas, x, y, 0.02, 0.02, (240, 244, 250))
    return canvas


_PAINTERS = {
    "sea": _sea, "sky": _sky, "field": _field, "road": _road, "city": _city, "room": _room, "night": _night,
    "snow": _snow,
}  # fmt: skip


@lru_cache(maxsize=256)
def backdrop(place: str, look: Background, size_px: int) -> NDArray[np.uint8]:
    """Backdrop of a place, ``(size_px, size_px, 3)`` uint8 RGB, shared and therefore read-only."""
    image = np.asarray(cv2.add(_PAINTERS[place](size_px, look), (*look.tint, 0)), np.uint8)
    image.flags.writeable = False
    return image
