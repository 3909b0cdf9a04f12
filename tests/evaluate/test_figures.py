"""The figures of the paper: which clips they show, and that pictures are where they should be."""

from pathlib import Path

import numpy as np
from PIL import Image

from neurons.evaluate.figures import mask_effect, outlined, spread_choice, strips


def test_clips_at_even_ranks_from_best_to_worst() -> None:
    scores = {f"m:{i}": float(i) for i in range(11)} | {"m:99": float("nan")}
    assert spread_choice(scores, 3) == ["m:10", "m:5", "m:0"]
    assert spread_choice(scores, 99) == [f"m:{i}" for i in range(10, -1, -1)]
    assert spread_choice({"m:1": float("nan")}, 3) == []


def test_the_choice_does_not_depend_on_the_order_of_clips() -> None:
    scores = {f"m:{i}": float(i % 4) for i in range(20)}
    assert spread_choice(dict(reversed(scores.items())), 7) == spread_choice(scores, 7)


def test_the_outline_is_the_border_of_the_mask_and_nothing_else() -> None:
    frame = np.zeros((6, 6, 3), np.uint8)
    mask = np.zeros((6, 6), np.uint8)
    mask[1:5, 1:5] = 1
    marked = outlined(frame, mask).any(-1)
    expected = mask.astype(bool)
    expected[2:4, 2:4] = False
    assert (marked == expected).all()
    assert not frame.any()


def colours_of(path: Path) -> set[tuple[int, ...]]:
    return {tuple(colour) for _, colour in Image.open(path).convert("RGB").getcolors(10**7)}


def test_strips_show_every_source_and_every_clip(tmp_path: Path) -> None:
    colours = np.arange(1, 13, dtype=np.uint8).reshape(2, 3, 2) * 20
    rows = {
        f"row {r}": np.stack([np.full((2 + r, 8, 8, 3), (*colours[r, c], 7), np.uint8) for c in range(3)])
        for r in range(2)
    }
    path = tmp_path / "strips.png"
    strips(path, rows, ["m:1", "m:2", "m:3"], "title")
    assert {(*map(int, colour), 7) for colour in colours.reshape(-1, 2)} <= colours_of(path)


def test_columns_of_masks_and_pictures(tmp_path: Path) -> None:
    pictures = np.full((2, 8, 8, 3), (10, 200, 30), np.uint8)
    masks = np.zeros((2, 8, 8), np.float32)
    path = tmp_path / "masks.png"
    mask_effect(path, {"truth": pictures, "mask": masks}, ["m:1", "m:2"], ["a", "b"], "title")
    assert {(10, 200, 30), (0, 0, 3)} <= colours_of(path)  # magma begins at (0, 0, 3)


def test_the_same_figure_has_the_same_bytes(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, 8, 8, 3), np.uint8)
    for name in "ab":
        strips(tmp_path / name, {"x": pictures}, ["m:1", "m:2"], "title")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
