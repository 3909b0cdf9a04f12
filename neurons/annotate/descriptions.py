"""What a vision-language model said, read back: the caption and tags of a clip from those of its frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from neurons.annotate.backend import ClipView, Description
from neurons.artifacts import InputError, read_table

COLUMNS = ("clip", "frame", "status", "caption", "tags", "concepts", "problem")


class DescribedClips:
    """Descriptions of the step `describe`, by clip.

    Raises
    ------
    InputError
        If the file is not as that step writes it.
    """

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self.table = read_table(path, COLUMNS).sort_values(["clip", "frame"], kind="stable")
        self._rows = {clip: rows for clip, rows in self.table.groupby("clip", sort=False)}

    def describe(self, view: ClipView) -> Description:
        """The frame caption most like the others, and the tags of all frames, the commonest first.

        Raises
        ------
        InputError
            If the clip is not in the file, or none of its answers is valid.
        """
        rows = self._rows.get(view.clip)
        if rows is None:
            raise InputError(f"{self._name} has no description of it; rerun `annotate describe`")
        valid = rows[rows["status"] != "failed"]
        if valid.empty:
            raise InputError(
                f"no valid answer of the model: {rows['problem'].iloc[0]} See its answers in {self._name}; change "
                "the prompt (annotate.prompt) or the model"
            )
        captions = [str(text) for text in valid["caption"]]
        return Description(captions[most_like_the_others(captions)], ranked_tags(valid))


def ranked_tags(valid: pd.DataFrame) -> tuple[str, ...]:
    """Tags of a clip's frames, by the number of frames that have them, then in the order of mention."""
    counts = Counter(tag for tags in valid["tags"] for tag in tags)
    return tuple(tag for tag, _ in counts.most_common())


def most_like_the_others(captions: Sequence[str]) -> int:
    """Position of the caption that shares most words with the others; of equals, the one nearest the middle.

    Likeness is the mean Jaccard index of the sets of words.
    """
    words = [frozenset(text.lower().split()) for text in captions]
    likeness = [sum(len(one & other) / len(one | other) for other in words) for one in words]
    middle = (len(captions) - 1) / 2
    order = sorted(range(len(captions)), key=lambda at: (-round(likeness[at], 9), abs(at - middle), at))
    return order[0]


def model_choices(table: pd.DataFrame) -> dict[str, Counter[str]]:
    """Concepts that the model chose for each tag, with the number of frames (or clips) in which it did."""
    choices: dict[str, Counter[str]] = {}
    for tags, concepts in zip(table["tags"], table["concepts"], strict=True):
        for tag, concept in zip(tags, concepts, strict=True):
            choices.setdefault(tag, Counter())[concept] += 1
    return choices
