"""Areas and functional groups of a study's vertices, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np

from neurons.artifacts import InputError
from neurons.interpret.space import Space, cortical_areas


@dataclass(frozen=True)
class Regions:
    """Sets of vertices, both hemispheres together.

    Attributes
    ----------
    names, levels
        Name of each; ``area`` (of the atlas) or ``group`` (functional group).
    members
        bool (regions, V).
    """

    names: list[str]
    levels: list[str]
    members: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Vertices of each, int64 (regions,)."""
        return self.members.sum(axis=1)

    def facts(self) -> dict[str, list[str] | list[int]]:
        """Names, levels and counts, as they are stored beside series."""
        return {"names": self.names, "levels": self.levels, "vertices": self.counts.tolist()}

    def means(self, values: np.ndarray) -> np.ndarray:
        """Means over the vertices of each region: (..., V) to float64 (..., regions)."""
        return values @ (self.members / self.counts[:, None]).T


def check_groups(groups: Mapping[str, Sequence[str]], valid: Sequence[str]) -> None:
    """Refuse groups with areas that the atlas does not have.

    Raises
    ------
    InputError
        Naming each unknown area with the nearest valid one, and listing all valid ones.
    """
    unknown = {(group, area) for group, areas in groups.items() for area in areas if area not in valid}
    if not unknown:
        return
    lines = []
    for group, area in sorted(unknown):
        near = get_close_matches(area, valid, n=1)
        lines.append(
            f"- group {group!r}: unknown area {area!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    raise InputError(
        "interpret.groups names areas that the atlas does not have:\n"
        + "\n".join(lines)
        + f"\nThe {len(valid)} valid names, without hemisphere: {', '.join(valid)}"
    )


def find_regions(space: Space, groups: Mapping[str, Sequence[str]], minimum: int) -> Regions:
    """Areas and groups with at least `minimum` vertices.

    On the cortex groups are checked against the atlas; elsewhere they count as far as the vertex list has their areas.

    Raises
    ------
    InputError
        If a group has an unknown area.
    """
    if space.kind == "cortex":
        check_groups(groups, sorted(set(cortical_areas().tolist()) - {""}))
    found = sorted(set(space.areas.tolist()) - {""})
    sets = [(name, "area", space.areas == name) for name in found]
    sets += [(name, "group", np.isin(space.areas.astype(str), list(areas))) for name, areas in groups.items()]
    kept = [(name, level, members) for name, level, members in sets if members.sum() >= minimum]
    return Regions(
        [name for name, _, _ in kept],
        [level for _, level, _ in kept],
        np.array([members for _, _, members in kept], dtype=bool).reshape(len(kept), len(space.vertex)),
    )
