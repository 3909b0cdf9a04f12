"""Masks that the NEURONS authors released for cc2017, in the two layouts that their code reads.

- **Pictures**: a folder (``mask_cls_train_qwen_video``) of ``mask_<clip>_f<frame>_<label>.png``, what is not 0 is the
  object, and a list of names (``mask_cls_dict_train_qwen_video.json``): ``{"mask_<clip>_f<frame>": {"<label>": name}}``. A
  label is the same object in all frames of its clip.
- **Key objects**: one array (``key_objects_masks_train.pt``), floating point (clips, frames, H, W), what is not 0 is the key
  object, and its names (``key_objects_info_train.json``): ``{"<clip>": {"category": name}}``, ``None`` for no object.

Clips are counted from 0 through all movies of a split, frames from 0 within a clip.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from neurons.artifacts import InputError
from neurons.console import logger
from neurons.released import open_array

PICTURE = re.compile(r"mask_(\d+)_f(\d+)_(\d+)\.png")
ONE_CHANNEL = ("1", "L", "P", "I", "I;16")
NOTHING = "None"
KEY_OBJECT = 0
SHOWN = 5
LARGEST_VALUE = 255


@dataclass(frozen=True)
class Shown:
    """An object in one frame.

    Attributes
    ----------
    frame
        Of the clip, from 0.
    label
        Number of the object in its clip.
    tag
        What it is.
    mask
        Reads the mask, bool (H, W).
    """

    frame: int
    label: int
    tag: str
    mask: Callable[[], np.ndarray]


class ReleasedPictures:
    """The pictures of a split.

    Parameters
    ----------
    folder
        Of the pictures.
    names
        What they show (``.json``).
    clips, frames
        Clips of the split, frames of a clip.

    Raises
    ------
    InputError
        Listing pictures with other names, or of clips and frames that there are not.
    """

    def __init__(self, folder: Path, names: Path, clips: int, frames: int) -> None:
        tags = _read_names(names)
        self._shown: dict[int, list[Shown]] = {}
        named, unnamed, problems = 0, [], []
        for path in sorted(folder.glob("*.png")):
            numbers = PICTURE.fullmatch(path.name)
            clip, frame, label = map(int, numbers.groups()) if numbers else (clips, frames, 0)
            if clip >= clips or frame >= frames:
                problems.append(path.name)
            elif tag := tags.get(f"mask_{clip}_f{frame}", {}).get(str(label)):
                self._shown.setdefault(clip, []).append(Shown(frame, label, tag, partial(_picture, path)))
                named += 1
            else:
                unnamed.append(path.name)
        if problems or not named:
            raise InputError(
                f"{folder} holds {named} masks, and {len(problems)} files that are no mask_<clip>_f<frame>_<label>.png "
                f"with a clip of 0 to {clips - 1} and a frame of 0 to {frames - 1}: {_some(problems)}"
            )
        missing = sum(len(labels) for labels in tags.values()) - named
        if unnamed:
            logger.warning(
                "%s: %d pictures that %s does not name are left out: %s",
                folder,
                len(unnamed),
                names.name,
                _some(unnamed),
            )
        if missing:
            logger.warning("%s names %d objects that have no picture in %s", names, missing, folder)

    def shown(self, clip: int) -> list[Shown]:
        """What the frames of a clip show."""
        return self._shown.get(clip, [])


class ReleasedKeyObjects:
    """The masks of the key objects of a split; each is read when it is asked for.

    Parameters
    ----------
    array
        Of the masks (``.pt``).
    names
        What they show (``.json``).
    clips, frames
        Clips of the split, frames of a clip.

    Raises
    ------
    InputError
        If the array has another shape.
    """

    def __init__(self, array: Path, names: Path, clips: int, frames: int) -> None:
        self._masks, self._path = open_array(array, 4), array
        if tuple(self._masks.shape[:2]) != (clips, frames):
            raise InputError(
                f"{array} has the shape {tuple(self._masks.shape)}; masks of {clips} clips, {frames} frames each, are "
                f"expected ({clips} x {frames} x height x width)"
            )
        self._tags = {clip: entry.get("category", NOTHING) for clip, entry in _read_names(names).items()}

    def shown(self, clip: int) -> list[Shown]:
        """What the frames of a clip show.

        Raises
        ------
        InputError
            If masks are no whole numbers of 0 to 255, or there is a mask of nothing.
        """
        values = self._masks[clip].numpy()
        whole = np.isfinite(values).all() and (values == np.round(values)).all()
        if not whole or values.min() < 0 or values.max() > LARGEST_VALUE:
            raise InputError(
                f"{self._path}, clip {clip}: values span {values.min():g} to {values.max():g}; masks are whole numbers of 0 "
                f"to {LARGEST_VALUE}, and what is not 0 is the object"
            )
        masks, tag = values > 0, self._tags.get(str(clip), NOTHING)
        frames = np.flatnonzero(masks.any(axis=(1, 2))).tolist()
        if tag == NOTHING and frames:
            raise InputError(f"{self._path}, clip {clip}: there is a mask, and its names call it nothing")
        return [Shown(frame, KEY_OBJECT, tag, partial(np.asarray, masks[frame])) for frame in frames]


def _picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as picture:
            mode, values = picture.mode, np.asarray(picture)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a picture ({error}); unpack it again") from error
    if mode not in ONE_CHANNEL:
        raise InputError(
            f"{path} is a picture of mode {mode}; a mask has one channel ({', '.join(ONE_CHANNEL)})"
        )
    return values > 0


def _read_names(path: Path) -> dict[str, dict[str, str]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}") from error
    entries = list(content.values()) if isinstance(content, dict) else []
    texts = [name for entry in entries if isinstance(entry, dict) for name in entry.values()]
    if (
        not entries
        or not all(isinstance(entry, dict) for entry in entries)
        or not all(isinstance(t, str) for t in texts)
    ):
        raise InputError(
            f'{path} holds no names of masks; {{"mask_0_f0": {{"1": "dog"}}, ...}} is expected, of key objects '
            '{"0": {"category": "dog"}, ...}'
        )
    return content


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")
