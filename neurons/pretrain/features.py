"""Frozen features over several files (one per movie), memory-mapped and addressed by clip id.

Nothing is read before a row is asked for: at paper scale the image tokens of the training movies are 22 GB.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurons.artifacts import InputError, TensorFile, locate


class Features:
    """Rows of one tensor over files.

    Parameters
    ----------
    paths
        Tensor files, each with clip ids.
    name
        The tensor in each of them; equal trailing shapes are required.
    kinds
        Kinds of numbers that it may hold, as numpy's letters: ``f`` floating point, ``iub`` whole numbers and booleans.

    Attributes
    ----------
    clip_ids
        Of all rows, in file order.
    shape
        Shape of one row.
    """

    def __init__(self, paths: Sequence[Path], name: str, kinds: str = "fiub") -> None:
        files = [TensorFile(path) for path in paths]
        self._parts = [file[name] for file in files]
        wrong = [
            f"{path}: {part.dtype}"
            for path, part in zip(paths, self._parts, strict=True)
            if part.dtype.kind not in kinds
        ]
        if wrong:
            expected = "floating-point" if kinds == "f" else "whole"
            raise InputError(
                f"tensor {name!r} must hold {expected} numbers: {'; '.join(wrong)}. Rerun the stage that made them."
            )
        self.clip_ids = [identity for file in files for identity in file.clip_ids]
        shapes = {part.shape[1:] for part in self._parts}
        if len(shapes) != 1:
            found = "; ".join(
                f"{path}: {part.shape[1:]}" for path, part in zip(paths, self._parts, strict=True)
            )
            raise InputError(
                f"tensor {name!r} has different shapes over files: {found}. Rerun the stage that made them."
            )
        self.shape: tuple[int, ...] = shapes.pop()
        self._where = f"{len(paths)} files of {name!r}, such as {paths[0]}"
        counts = [len(part) for part in self._parts]
        self._part_of = np.repeat(np.arange(len(counts)), counts)
        self._row_of = np.concatenate([np.arange(count) for count in counts])

    def locate(self, clip_ids: Sequence[str]) -> np.ndarray:
        """Positions of clips among the rows of all files; an error lists the missing ones."""
        return locate(clip_ids, self.clip_ids, self._where)

    def rows(self, positions: np.ndarray, part: tuple[int | slice, ...] = ()) -> np.ndarray:
        """Copies of the rows at `positions` (int64), in that order; of each row only `part`, an index into it."""
        chosen_file = self._part_of[positions]
        result: np.ndarray | None = None
        for number in np.unique(chosen_file):
            here = chosen_file == number
            values = self._parts[number][(self._row_of[positions[here]], *part)]
            if result is None:
                result = np.empty((len(positions), *values.shape[1:]), values.dtype)
            result[here] = values
        if result is None:
            raise ValueError("no rows were asked for")
        return result
