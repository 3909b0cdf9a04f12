"""Pictures, masks and boxes of scenes at any moment."""

import cv2
import numpy as np
from numpy.typing import NDArray

from neurons.simulate.backgrounds import backdrop
from neurons.simulate.silhouettes import Paint, Points, extent, silhouette
from neurons.simulate.vocabulary import COLOUR_RGB, NATURAL, NATURAL_RGB
from neurons.simulate.world import Item, Pose, Scene, pose

MIN_CANVAS_PX = 128
"""Frames smaller than this are drawn at this size and averaged down, so that a 64 pixel frame is exactly the
area-resized 128 pixel frame of the movie."""
OUTLINE_WIDTH = 0.018
"""Width of the dark rim of objects (fraction of the frame)."""
_SHIFT_BITS = 4


def _canvas_size(size_px: int) -> int:
    if size_px < 16:
        raise ValueError(f"frame size {size_px} px is too small: expected at least 16 px")
    return size_px * max(1, -(-MIN_CANVAS_PX // size_px))


def _shrink(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    if image.shape[0] == size_px:
        return image
    return np.asarray(cv2.resize(image, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def _fixed_point(points: Points, where: Pose, canvas_px: int) -> NDArray[np.int32]:
    """Polygon corners on the canvas in cv2's fixed-point coordinates; pixel centres lie at integers."""
    unit = points * (where.scale_x, where.scale_y) + (where.x, where.y)
    return np.asarray(np.round((unit * canvas_px - 0.5) * 2**_SHIFT_BITS), np.int32)


def _mix(rgb: tuple[int, int, int], other: int, share: float) -> tuple[int, int, int]:
    red, green, blue = (round(level * (1 - share) + other * share) for level in rgb)
    return red, green, blue


def _paint_rgb(paint: Paint, base: tuple[int, int, int]) -> tuple[int, int, int]:
    if not isinstance(paint, str):
        return paint
    return {"main": base, "shade": _mix(base, 0, 0.3), "tint": _mix(base, 255, 0.55)}[paint]


def item_rgb(item: Item) -> tuple[int, int, int]:
    """Main colour of an item, RGB."""
    return NATURAL_RGB[item.kind] if item.colour == NATURAL else COLOUR_RGB[item.colour]


def _draw_item(canvas: NDArray[np.uint8], item: Item, where: Pose) -> None:
    size_px = canvas.shape[0]
    base = item_rgb(item)
    outline = _mix(base, 0, 0.72)
    thickness = max(1, round(OUTLINE_WIDTH * size_px))
    parts = [
        (_fixed_point(points, where, size_px), _paint_rgb(paint, base))
        for points, paint in silhouette(item.kind)
    ]
    for corners, _ in parts:
        cv2.polylines(canvas, [corners], True, outline, thickness, cv2.LINE_AA, _SHIFT_BITS)
    for corners, rgb in parts:
        cv2.fillPoly(canvas, [corners], rgb, cv2.LINE_AA, _SHIFT_BITS)


def render(scene: Scene, time_s: float, size_px: int) -> NDArray[np.uint8]:
    """Picture of a scene.

    Parameters
    ----------
    scene : Scene
        What to draw.
    time_s : float
        Seconds since the scene began.
    size_px : int
        Height and width.

    Returns
    -------
    ndarray, (size_px, size_px, 3) uint8
        RGB.
    """
    canvas_px = _canvas_size(size_px)
    canvas = backdrop(scene.place, scene.background, canvas_px).copy()
    for item in reversed(scene.items):
        _draw_item(canvas, item, pose(item, time_s, scene.duration_s))
    return _shrink(canvas, size_px)


def _item_coverage(item: Item, where: Pose, size_px: int) -> NDArray[np.bool_]:
    canvas_px = _canvas_size(size_px)
    canvas = np.zeros((canvas_px, canvas_px), np.uint8)
    thickness = max(1, round(OUTLINE_WIDTH * canvas_px))
    for points, _ in silhouette(item.kind):
        corners = _fixed_point(points, where, canvas_px)
        cv2.polylines(canvas, [corners], True, 255, thickness, cv2.LINE_AA, _SHIFT_BITS)
        cv2.fillPoly(canvas, [corners], 255, cv2.LINE_AA, _SHIFT_BITS)
    return _shrink(canvas, size_px) >= 128


def render_masks(scene: Scene, time_s: float, size_px: int) -> NDArray[np.bool_]:
    """Visible part of each item, ``(n_items, size_px, size_px)`` bool, in the order of ``scene.items``."""
    masks = np.stack(
        [_item_coverage(item, pose(item, time_s, scene.duration_s), size_px) for item in scene.items]
    )
    hidden = np.zeros_like(masks[0])
    for index in range(len(masks)):
        visible = masks[index] & ~hidden
        hidden |= masks[index]
        masks[index] = visible
    return masks


def boxes(scene: Scene, time_s: float) -> NDArray[np.float64]:
    """Boxes (x0, y0, x1, y1) of all items, ``(n_items, 4)``, frame fractions, cut at the frame's edge.

    An item hidden by another one keeps its whole box.
    """
    rows = []
    for item in scene.items:
        where = pose(item, time_s, scene.duration_s)
        x0, y0, x1, y1 = extent(item.kind)
        xs = sorted((where.x + where.scale_x * x0, where.x + where.scale_x * x1))
        rows.append((xs[0], where.y + where.scale_y * y0, xs[1], where.y + where.scale_y * y1))
    return np.clip(np.asarray(rows, np.float64), 0.0, 1.0)
