"""Masks as the NEURONS authors released them, written here, converted, and read back as the tables' back end reads them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from neurons.annotate.backend import ClipView
from neurons.annotate.released_steps import released_masks
from neurons.annotate.table import TableMasks
from neurons.artifacts import InputError, provenance, read_table, write_table

CLIPS, FRAMES, SIZE = 5, 6, 24
MOVIES = {"seg1": (0, 3), "seg2": (3, 2)}
Truth = dict[tuple[int, int], tuple[str, np.ndarray]]


@pytest.fixture
def truth() -> Truth:
    """Tag and masks (frames, H, W) by clip and label; a frame without the object has an empty mask."""
    random = np.random.default_rng(2)
    objects = {(0, 1): "dog", (0, 2): "car", (1, 1): "dog", (3, 1): "boat", (4, 1): "dog", (4, 12): "tree"}
    made = {}
    for (clip, label), tag in objects.items():
        masks = random.random((FRAMES, SIZE, SIZE)) < 0.4
        masks[(clip + label) % FRAMES] = False
        made[clip, label] = (tag, masks)
    return made


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    rows = [("train", movie, first, count) for movie, (first, count) in MOVIES.items()] * 2
    table = pd.DataFrame(rows, columns=["split", "movie", "first_clip", "clips"])
    write_table(tmp_path / "runs.tsv", table, provenance("test", {}))
    return tmp_path / "runs.tsv"


def write_pictures(folder: Path, truth: Truth, value: int = 255) -> Path:
    (folder / "masks").mkdir()
    names: dict[str, dict[str, str]] = {}
    for (clip, label), (tag, masks) in truth.items():
        for frame in np.flatnonzero(masks.any(axis=(1, 2))):
            picture = Image.fromarray(masks[frame].astype(np.uint8) * value)
            picture.save(folder / "masks" / f"mask_{clip}_f{frame}_{label}.png")
            names.setdefault(f"mask_{clip}_f{frame}", {})[str(label)] = tag
    (folder / "names.json").write_text(json.dumps(names))
    return folder / "masks"


def write_key_objects(folder: Path, truth: Truth, value: float = 1.0) -> Path:
    masks, names = np.zeros((CLIPS, FRAMES, SIZE, SIZE), np.float32), {}
    for clip in range(CLIPS):
        tag, shown = truth.get((clip, 1), ("None", np.zeros((FRAMES, SIZE, SIZE))))
        masks[clip], names[str(clip)] = shown * value, {"category": tag}
    torch.save(torch.from_numpy(masks), folder / "masks.pt")
    (folder / "names.json").write_text(json.dumps(names))
    return folder / "masks.pt"


def convert(masks: Path, runs: Path) -> Path:
    folder = masks.parent / "annotations"
    released_masks(masks=masks, names=masks.parent / "names.json", runs=runs, folder=folder, split="train")
    return folder


def view(movie: str, clip: int) -> ClipView:
    """A clip as `cut released` makes it."""
    times = 2.0 * clip + (np.arange(FRAMES) + 0.5) / 3
    pictures = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8)
    return ClipView(f"{movie}:{clip}", 2.0 * clip, 2.0 * clip + 2, times, 1 / 3, pictures)


def check(folder: Path, truth: Truth) -> None:
    for movie, (first, count) in MOVIES.items():
        source = TableMasks(folder, movie)
        for clip in range(count):
            found = source.objects(view(movie, clip), SIZE)
            expected = [shown for (number, _), shown in sorted(truth.items()) if number == first + clip]
            assert sorted(one.tag for one in found) == sorted(tag for tag, _ in expected)
            for tag, masks in expected:
                assert [one.tag for one in found if np.array_equal(one.masks, masks)] == [tag]
        table = read_table(folder / f"{movie}_instances.tsv", ["start_s", "end_s"])
        clips = [number - first for number, _ in truth if first <= number < first + count]
        assert sorted(table["start_s"]) == [2.0 * clip for clip in sorted(clips)]


@pytest.mark.parametrize("value", [1, 255])
def test_pictures(tmp_path: Path, runs: Path, truth: Truth, value: int) -> None:
    check(convert(write_pictures(tmp_path, truth, value), runs), truth)


@pytest.mark.parametrize("value", [1.0, 255.0])
def test_key_objects(tmp_path: Path, runs: Path, truth: Truth, value: float) -> None:
    alone = {key: shown for key, shown in truth.items() if key[1] == 1}
    check(convert(write_key_objects(tmp_path, truth, value), runs), alone)


def test_a_label_whose_name_changes_is_two_objects(tmp_path: Path, runs: Path, truth: Truth) -> None:
    masks = write_pictures(tmp_path, truth)
    names = json.loads((tmp_path / "names.json").read_text())
    names["mask_3_f0"]["1"] = "ship"
    (tmp_path / "names.json").write_text(json.dumps(names))
    found = TableMasks(convert(masks, runs), "seg2").objects(view("seg2", 0), SIZE)
    assert {one.tag: one.masks.any(axis=(1, 2)).sum() for one in found} == {"ship": 1, "boat": 4}


def test_what_is_left_out_is_said(
    tmp_path: Path, runs: Path, truth: Truth, caplog: pytest.LogCaptureFixture
) -> None:
    masks = write_pictures(tmp_path, truth)
    Image.new("L", (SIZE, SIZE), 9).save(masks / "mask_2_f0_1.png")
    names = json.loads((tmp_path / "names.json").read_text())
    names["mask_2_f1"] = {"0": "background"}
    (tmp_path / "names.json").write_text(json.dumps(names))
    check(convert(masks, runs), truth)
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "1 pictures that names.json does not name are left out: mask_2_f0_1.png" in said
    assert "names 1 objects that have no picture" in said
    assert "1 of 5 clips have no mask" in said


@pytest.mark.parametrize(
    ("name", "picture", "message"),
    [
        (
            "mask_5_f0_1.png",
            Image.new("L", (SIZE, SIZE)),
            "1 files that are no .* a clip of 0 to 4 .*: mask_5_f0_1.png",
        ),
        ("mask_0_f6_1.png", Image.new("L", (SIZE, SIZE)), "a frame of 0 to 5: mask_0_f6_1.png"),
        ("0_0_1.png", Image.new("L", (SIZE, SIZE)), "0_0_1.png"),
        ("mask_0_f0_1.png", Image.new("RGB", (SIZE, SIZE)), "mode RGB; a mask has one channel"),
        ("mask_0_f0_1.png", Image.new("L", (SIZE, SIZE - 1)), "squares of one size"),
    ],
)
def test_other_pictures_are_refused(
    tmp_path: Path, runs: Path, truth: Truth, name: str, picture: Image.Image, message: str
) -> None:
    masks = write_pictures(tmp_path, truth)
    picture.save(masks / name)
    with pytest.raises(InputError, match=message):
        convert(masks, runs)


def test_broken_pictures_and_names(tmp_path: Path, runs: Path, truth: Truth) -> None:
    masks = write_pictures(tmp_path, truth)
    path = masks / "mask_0_f0_1.png"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=r"mask_0_f0_1\.png cannot be read as a picture"):
        convert(masks, runs)
    (tmp_path / "names.json").write_text('["dog"]')
    with pytest.raises(InputError, match="holds no names of masks"):
        convert(masks, runs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda masks: masks[:4], r"has the shape \(4, 6, 24, 24\); masks of 5 clips, 6 frames each"),
        (lambda masks: masks[:, :5], "6 frames each, are expected"),
        (lambda masks: masks[0], "one floating-point tensor with 4 axes"),
        (lambda masks: masks * 0.5, "clip 0: values span 0 to 0.5; masks are whole numbers"),
        (lambda masks: -masks, "values span -1 to"),
        (lambda masks: masks / masks, "clip 0: values span nan"),
        (lambda masks: masks * 0, "there are no masks of clips 0 to 2"),
        (lambda masks: masks + 1, "clip 2: there is a mask, and its names call it nothing"),
        (lambda masks: masks[..., :20], "squares of one size"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, runs: Path, truth: Truth, change, message: str) -> None:
    path = write_key_objects(tmp_path, truth)
    torch.save(change(torch.load(path)), path)
    with pytest.raises(InputError, match=message):
        convert(path, runs)
