"""Pictures, masks and boxes of the procedural world."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from neurons.simulate.render import boxes, item_rgb, render, render_masks
from neurons.simulate.vocabulary import COLOURS, OBJECTS, PLACES
from neurons.simulate.world import Background, Item, Scene, sample_scene

PLAIN = Background(horizon=0.55, shift=0.3, tint=(0, 0, 0))


def scene_with(*items: Item, place: str = "sky") -> Scene:
    return Scene(place, items, 4.0, PLAIN)


def random_scenes(count: int) -> list[Scene]:
    rng = np.random.default_rng(1)
    return [sample_scene(rng, None, 4.0) for _ in range(count)]


def test_small_frame_is_the_area_average_of_the_movie_frame() -> None:
    for scene in random_scenes(8):
        large = render(scene, 1.3, 128)
        assert np.array_equal(
            render(scene, 1.3, 64), cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
        )


def test_looks_alike_at_all_sizes() -> None:
    for scene in random_scenes(8):
        small, large = render(scene, 1.0, 64).astype(float), render(scene, 1.0, 256)
        shrunk = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA).astype(float)
        assert np.abs(small - shrunk).mean() < 3.0


def test_frames_are_fresh_arrays() -> None:
    scene = random_scenes(1)[0]
    first = render(scene, 0.0, 64)
    untouched = first.copy()
    first[:] = 0
    assert np.array_equal(render(scene, 0.0, 64), untouched)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("kind", [kind for kind in OBJECTS if kind != "person"])
def test_main_colour_is_visible(kind: str, colour: str) -> None:
    item = Item(kind, colour, 0.5, 0.5, 0.6, 1, "still")
    frame = render(scene_with(item, place="night"), 0.0, 128)
    near = np.abs(frame.astype(int) - item_rgb(item)).max(axis=-1) <= 8
    mask = render_masks(scene_with(item), 0.0, 128)[0]
    assert near[mask].mean() > 0.1
    assert near[~mask].mean() < 0.05


def test_mask_is_where_the_item_changes_the_picture() -> None:
    for kind in OBJECTS:
        item = Item(kind, "red", 0.5, 0.5, 0.5, 1, "still")
        with_item = scene_with(item, place="field")
        far_away = scene_with(replace(item, x=9.0), place="field")
        changed = (
            np.abs(render(with_item, 0.0, 128).astype(int) - render(far_away, 0.0, 128)).max(axis=-1) > 60
        )
        mask = render_masks(with_item, 0.0, 128)[0]
        with_rim = cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
        assert not (changed & ~with_rim).any()
        assert (mask & ~changed).sum() <= 0.25 * mask.sum()


def test_hidden_parts_belong_to_the_item_in_front() -> None:
    front = Item("ball", "red", 0.5, 0.5, 0.5, 1, "still")
    behind = Item("house", "natural", 0.55, 0.5, 0.5, 1, "still")
    masks = render_masks(scene_with(front, behind), 0.0, 128)
    alone = render_masks(scene_with(front), 0.0, 128)[0]
    house = render_masks(scene_with(behind), 0.0, 128)[0]
    assert not (masks[0] & masks[1]).any()
    assert np.array_equal(masks[0], alone)
    assert np.array_equal(masks[1], house & ~alone)


def test_boxes_fit_the_masks() -> None:
    for kind in OBJECTS:
        scene = scene_with(Item(kind, "red", 0.45, 0.55, 0.5, -1, "still"))
        rows, columns = np.nonzero(render_masks(scene, 0.0, 256)[0])
        from_mask = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / 256
        assert np.abs(boxes(scene, 0.0)[0] - from_mask).max() < 0.02


def test_boxes_are_cut_at_the_edge() -> None:
    scene = scene_with(Item("ball", "red", 0.0, 1.0, 0.5, 1, "still"))
    x0, y0, x1, y1 = boxes(scene, 0.0)[0]
    assert (x0, y1) == (0.0, 1.0)
    assert x1 == pytest.approx(0.23, abs=0.01)
    assert y0 == pytest.approx(0.77, abs=0.01)


def test_facing_left_is_the_mirror_image() -> None:
    right, left = (Item("car", "red", 0.5, 0.5, 0.5, facing, "still") for facing in (1, -1))
    masks = [render_masks(scene_with(item), 0.0, 128)[0] for item in (right, left)]
    assert (masks[0][:, ::-1] != masks[1]).mean() < 0.01
    assert (masks[0] != masks[1]).mean() > 0.01


def test_places_are_told_apart_by_their_backdrop() -> None:
    rng = np.random.default_rng(2)
    means: dict[str, list[np.ndarray]] = {place: [] for place in PLACES}
    for place in PLACES:
        for _ in range(6):
            scene = sample_scene(rng, ("ball", "red", place, "still"), 2.0)
            empty = Scene(place, (replace(scene.main, x=9.0),), 2.0, scene.background)
            means[place].append(
                cv2.resize(render(empty, 0.0, 64), (4, 4), interpolation=cv2.INTER_AREA).astype(float).ravel()
            )
    for place, pictures in means.items():
        for picture in pictures[3:]:
            distance = {
                name: min(np.linalg.norm(picture - known) for known in seen[:3])
                for name, seen in means.items()
            }
            assert min(distance, key=lambda name: distance[name]) == place


def test_tiny_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        render(random_scenes(1)[0], 0.0, 8)
