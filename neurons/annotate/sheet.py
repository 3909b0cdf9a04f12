"""A contact sheet: one tile per clip with its key object outlined, so that a person can check a hundred in a minute."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

PICTURE_PX, COLUMNS, MARGIN_PX = 160, 8, 8
LINE_PX, FONT_PX, LETTERS = 12, 10, 30
OUTLINE, INK, GREY, PAPER = (255, 0, 170), (20, 20, 20), (110, 110, 110), (255, 255, 255)
LINES = (1, 3, 3)
"""Most lines of each of a tile's three texts."""


@dataclass(frozen=True)
class Tile:
    """A clip on the sheet.

    Attributes
    ----------
    name
        Clip id.
    frames
        RGB, uint8, shape (F, H, W, 3).
    masks
        Of the key object, bool, shape (F, h, w).
    texts
        What it is, why it was chosen, and the caption.
    """

    name: str
    frames: np.ndarray
    masks: np.ndarray
    texts: tuple[str, str, str]


def contact_sheet(tiles: Sequence[Tile]) -> np.ndarray:
    """The sheet, RGB, uint8: tiles in rows of eight, in the given order."""
    height = PICTURE_PX + LINE_PX * (1 + sum(LINES)) + MARGIN_PX
    width = PICTURE_PX + MARGIN_PX
    rows = -(-len(tiles) // COLUMNS)
    columns = min(COLUMNS, len(tiles))
    page = Image.new("RGB", (columns * width + MARGIN_PX, rows * height + MARGIN_PX), PAPER)
    draw = ImageDraw.Draw(page)
    font = ImageFont.load_default(FONT_PX)
    for number, tile in enumerate(tiles):
        left = MARGIN_PX + number % COLUMNS * width
        top = MARGIN_PX + number // COLUMNS * height
        page.paste(Image.fromarray(outlined(tile)), (left, top))
        below = top + PICTURE_PX + 1
        for text, ink in _lines(tile):
            draw.text((left, below), text, fill=ink, font=font)
            below += LINE_PX
    return np.asarray(page)


def outlined(tile: Tile) -> np.ndarray:
    """The frame in which the key object is largest, RGB, uint8 (160, 160, 3), with its outline."""
    best = int(tile.masks.sum(axis=(1, 2)).argmax())
    size = (PICTURE_PX, PICTURE_PX)
    picture = cv2.resize(np.ascontiguousarray(tile.frames[best]), size, interpolation=cv2.INTER_LINEAR)
    mask = cv2.resize(tile.masks[best].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(picture, contours, -1, OUTLINE, 1)


def _lines(tile: Tile) -> list[tuple[str, tuple[int, int, int]]]:
    lines = [(tile.name, GREY)]
    for text, most, ink in zip(tile.texts, LINES, (OUTLINE, GREY, INK), strict=True):
        wrapped = textwrap.wrap(text, LETTERS, max_lines=most, placeholder=" ...")
        lines += [(line, ink) for line in wrapped]
    return lines
