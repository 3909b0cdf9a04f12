"""Silhouettes of the objects: polygons in a unit box (x right, y down, centre 0, larger extent 1), facing right."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Paint = str | tuple[int, int, int]
"""``"main"`` (the item's colour), ``"shade"`` (darker), ``"tint"`` (lighter) or a fixed RGB."""
Part = tuple[Points, Paint]

DARK = (45, 40, 45)
WOOD = (120, 75, 40)
SKIN = (238, 190, 150)
GLASS = (190, 225, 240)


def _polygon(*points: tuple[float, float]) -> Points:
    return np.array(points, dtype=np.float64)


def _box(x0: float, y0: float, x1: float, y1: float) -> Points:
    return _polygon((x0, y0), (x1, y0), (x1, y1), (x0, y1))


def _ellipse(x: float, y: float, rx: float, ry: float, start: float = 0.0, stop: float = 360.0) -> Points:
    angle = np.deg2rad(np.linspace(start, stop, 28))
    return np.stack([x + rx * np.cos(angle), y + ry * np.sin(angle)], axis=1)


def _person() -> list[Part]:
    return [
        (_polygon((-0.14, 0.12), (0.14, 0.12), (0.15, 0.5), (0.03, 0.5), (0.0, 0.22), (-0.03, 0.5), (-0.15, 0.5)), DARK),
        (_polygon((-0.15, -0.18), (0.15, -0.18), (0.28, 0.13), (0.19, 0.17), (0.14, 0.04), (0.15, 0.17),
                  (-0.15, 0.17), (-0.14, 0.04), (-0.19, 0.17), (-0.28, 0.13)), "main"),
        (_ellipse(0.0, -0.34, 0.135, 0.16), SKIN),
        (_ellipse(0.0, -0.36, 0.14, 0.14, 180, 360), (90, 55, 30)),
    ]  # fmt: skip


def _dog() -> list[Part]:
    return [
        (_polygon((-0.36, -0.05), (-0.5, -0.26), (-0.42, -0.28), (-0.28, -0.08)), "main"),
        (_box(-0.36, 0.1, -0.25, 0.36), "main"),
        (_box(-0.22, 0.1, -0.12, 0.36), "shade"),
        (_box(0.02, 0.1, 0.12, 0.36), "shade"),
        (_box(0.15, 0.1, 0.26, 0.36), "main"),
        (_polygon((-0.38, -0.1), (0.2, -0.12), (0.28, 0.1), (0.22, 0.18), (-0.34, 0.17), (-0.4, 0.05)), "main"),
        (_polygon((0.08, -0.05), (0.14, -0.36), (0.34, -0.36), (0.36, -0.24), (0.5, -0.2), (0.48, -0.08), (0.3, -0.06),
                  (0.24, 0.1)), "main"),
        (_polygon((0.12, -0.36), (0.2, -0.38), (0.22, -0.12), (0.1, -0.14)), "shade"),
        (_ellipse(0.3, -0.27, 0.03, 0.03), DARK),
    ]  # fmt: skip


def _bird() -> list[Part]:
    return [
        (_polygon((-0.5, -0.08), (-0.5, 0.12), (-0.2, 0.08), (-0.2, -0.08)), "shade"),
        (_polygon((0.4, -0.12), (0.5, -0.06), (0.4, -0.01)), (245, 150, 30)),
        (_ellipse(-0.02, 0.03, 0.32, 0.16), "main"),
        (_ellipse(0.3, -0.07, 0.14, 0.13), "main"),
        (_polygon((-0.16, 0.02), (-0.3, -0.42), (0.02, -0.3), (0.16, 0.02)), "shade"),
        (_ellipse(0.34, -0.1, 0.03, 0.03), DARK),
    ]


def _fish() -> list[Part]:
    return [
        (_polygon((-0.24, 0.0), (-0.5, -0.24), (-0.43, 0.0), (-0.5, 0.24)), "shade"),
        (_polygon((-0.14, -0.16), (0.02, -0.34), (0.16, -0.18)), "shade"),
        (_polygon((-0.06, 0.16), (0.0, 0.32), (0.12, 0.16)), "shade"),
        (_ellipse(0.1, 0.0, 0.38, 0.22), "main"),
        (_polygon((0.1, -0.2), (0.16, -0.21), (0.1, 0.0), (0.16, 0.21), (0.1, 0.22), (0.03, 0.0)), "shade"),
        (_ellipse(0.33, -0.06, 0.04, 0.04), DARK),
    ]


def _car() -> list[Part]:
    return [
        (_polygon((-0.5, 0.18), (-0.5, -0.02), (-0.34, -0.05), (-0.22, -0.25), (0.14, -0.25), (0.28, -0.05), (0.48, 0.0),
                  (0.5, 0.18)), "main"),
        (_polygon((-0.26, -0.05), (-0.18, -0.2), (-0.04, -0.2), (-0.04, -0.05)), GLASS),
        (_polygon((0.01, -0.05), (0.01, -0.2), (0.11, -0.2), (0.21, -0.05)), GLASS),
        (_ellipse(-0.28, 0.18, 0.12, 0.12), DARK),
        (_ellipse(0.28, 0.18, 0.12, 0.12), DARK),
        (_ellipse(-0.28, 0.18, 0.05, 0.05), (190, 190, 190)),
        (_ellipse(0.28, 0.18, 0.05, 0.05), (190, 190, 190)),
    ]  # fmt: skip


def _boat() -> list[Part]:
    return [
        (_box(-0.04, -0.48, 0.02, 0.18), WOOD),
        (_polygon((0.05, -0.46), (0.42, 0.1), (0.05, 0.1)), (250, 240, 215)),
        (_polygon((-0.08, -0.36), (-0.08, 0.1), (-0.34, 0.1)), (225, 205, 170)),
        (_polygon((-0.5, 0.16), (0.5, 0.16), (0.34, 0.42), (-0.36, 0.42)), "main"),
        (_polygon((-0.46, 0.22), (0.46, 0.22), (0.43, 0.28), (-0.43, 0.28)), "shade"),
    ]


def _plane() -> list[Part]:
    return [
        (_polygon((-0.02, -0.04), (-0.2, -0.32), (-0.08, -0.32), (0.18, -0.04)), "shade"),
        (_polygon((-0.34, -0.04), (-0.5, -0.3), (-0.38, -0.3), (-0.2, -0.06)), "main"),
        (
            _polygon((-0.48, -0.06), (0.3, -0.1), (0.44, -0.05), (0.5, 0.02), (0.42, 0.09), (-0.3, 0.1)),
            "main",
        ),
        (_polygon((0.0, 0.02), (0.2, 0.02), (-0.1, 0.34), (-0.24, 0.34)), "shade"),
        (_polygon((0.3, -0.07), (0.41, -0.04), (0.43, 0.0), (0.3, 0.0)), GLASS),
    ]


def _ball() -> list[Part]:
    return [
        (_ellipse(0.0, 0.0, 0.46, 0.46), "main"),
        (_ellipse(0.0, 0.0, 0.18, 0.46), "shade"),
        (_polygon(*[tuple(p) for p in _ellipse(0.0, 0.0, 0.46, 0.1)]), (250, 250, 250)),
    ]


def _tree() -> list[Part]:
    return [
        (_polygon((-0.06, 0.1), (0.06, 0.1), (0.1, 0.5), (-0.1, 0.5)), WOOD),
        (_ellipse(-0.2, 0.0, 0.2, 0.18), "main"),
        (_ellipse(0.2, 0.0, 0.2, 0.18), "main"),
        (_ellipse(0.0, -0.24, 0.26, 0.26), "main"),
        (_ellipse(0.0, -0.02, 0.2, 0.17), "main"),
        (_ellipse(-0.14, 0.04, 0.08, 0.06), "shade"),
        (_ellipse(0.12, -0.16, 0.09, 0.07), "shade"),
    ]


def _house() -> list[Part]:
    return [
        (_box(0.16, -0.44, 0.28, -0.15), WOOD),
        (_box(-0.38, -0.1, 0.38, 0.45), "main"),
        (_polygon((-0.48, -0.08), (0.0, -0.46), (0.48, -0.08)), "shade"),
        (_box(-0.08, 0.14, 0.12, 0.45), (85, 55, 35)),
        (_box(-0.3, 0.04, -0.14, 0.2), GLASS),
        (_box(0.18, 0.04, 0.32, 0.2), GLASS),
    ]


def _chair() -> list[Part]:
    return [
        (_box(-0.32, 0.06, -0.22, 0.5), "shade"),
        (_box(0.22, 0.06, 0.32, 0.5), "shade"),
        (_polygon((-0.36, -0.5), (-0.24, -0.5), (-0.2, 0.06), (-0.32, 0.06)), "main"),
        (_box(-0.34, 0.02, 0.36, 0.16), "main"),
    ]


def _apple() -> list[Part]:
    return [
        (_polygon((-0.02, -0.2), (0.02, -0.46), (0.08, -0.44), (0.04, -0.2)), WOOD),
        (_polygon((0.06, -0.3), (0.16, -0.46), (0.36, -0.44), (0.24, -0.3)), (70, 165, 60)),
        (_ellipse(-0.17, 0.08, 0.27, 0.34), "main"),
        (_ellipse(0.17, 0.08, 0.27, 0.34), "main"),
        (_ellipse(-0.22, -0.04, 0.07, 0.12), "tint"),
    ]


_BUILDERS = {
    "person": _person, "dog": _dog, "bird": _bird, "fish": _fish, "car": _car, "boat": _boat, "plane": _plane,
    "ball": _ball, "tree": _tree, "house": _house, "chair": _chair, "apple": _apple,
}  # fmt: skip


@cache
def silhouette(kind: str) -> tuple[Part, ...]:
    """Parts of an object, back to front."""
    return tuple(_BUILDERS[kind]())


@cache
def extent(kind: str) -> tuple[float, float, float, float]:
    """Box (x0, y0, x1, y1) around an object in its unit box."""
    points = np.concatenate([part for part, _ in silhouette(kind)])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)
