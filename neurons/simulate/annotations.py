"""What a simulated movie shows, as tables and masks: for the `table` back end of annotation, and as truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurons.simulate.captions import caption, tags
from neurons.simulate.movies import MAX_ITEMS, TimedScene
from neurons.simulate.world import Background, Item, Scene

SCENE_COLUMNS = ("start_s", "duration_s", "place", "items", "background")
NO_INSTANCE = -1


def caption_table(timeline: Sequence[TimedScene]) -> pd.DataFrame:
    """One row per scene: start_s, end_s, caption, tags (joined by ``|``)."""
    rows = [(t.start_s, t.end_s, caption(t.scene), "|".join(tags(t.scene))) for t in timeline]
    return pd.DataFrame(rows, columns=["start_s", "end_s", "caption", "tags"])


def instance_table(timeline: Sequence[TimedScene]) -> pd.DataFrame:
    """One row per item of each scene: instance (counted through the movie), tag, start_s, end_s."""
    rows = [(item.kind, t.start_s, t.end_s) for t in timeline for item in t.scene.items]
    table = pd.DataFrame(rows, columns=["tag", "start_s", "end_s"])
    table.insert(0, "instance", np.arange(len(table)))
    return table


def frame_instances(timeline: Sequence[TimedScene], frame_rate_hz: float) -> NDArray[np.int32]:
    """Instance in each mask slot of each frame, (frames, 3) int32, -1 for an empty slot."""
    rows, first = [], 0
    for timed in timeline:
        count = len(timed.scene.items)
        row = np.full(MAX_ITEMS, NO_INSTANCE, np.int32)
        row[:count] = np.arange(first, first + count)
        rows.append(np.tile(row, (round(timed.scene.duration_s * frame_rate_hz), 1)))
        first += count
    return np.concatenate(rows)


def pack_masks(masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Masks (items, H, W) of one frame as bits along W, (3, H, ceil(W / 8)) uint8, empty slots 0."""
    slots = np.zeros((MAX_ITEMS, *masks.shape[1:]), bool)
    slots[: len(masks)] = masks
    return np.packbits(slots, axis=-1)


def scene_table(timeline: Sequence[TimedScene]) -> pd.DataFrame:
    """The truth: per scene the words of its main item, and all that is needed to draw it again."""
    rows = [
        {
            "start_s": timed.start_s,
            "end_s": timed.end_s,
            "duration_s": timed.scene.duration_s,
            "place": timed.scene.place,
            "kind": timed.scene.main.kind,
            "colour": timed.scene.main.colour,
            "motion": timed.scene.main.motion,
            "caption": caption(timed.scene),
            "items": json.dumps([asdict(item) for item in timed.scene.items]),
            "background": json.dumps(asdict(timed.scene.background)),
        }
        for timed in timeline
    ]
    return pd.DataFrame(rows)


def timeline_of(table: pd.DataFrame) -> list[TimedScene]:
    """The scenes of a `scene_table`."""
    return [
        TimedScene(
            float(row["start_s"]),
            Scene(
                str(row["place"]),
                tuple(Item(**item) for item in json.loads(row["items"])),
                float(row["duration_s"]),
                _background(json.loads(row["background"])),
            ),
        )
        for row in table[list(SCENE_COLUMNS)].to_dict("records")
    ]


def _background(values: dict[str, Any]) -> Background:
    red, green, blue = values["tint"]
    return Background(values["horizon"], values["shift"], (red, green, blue))
