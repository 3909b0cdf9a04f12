"""The gallery: small videos and facts of each test clip, as data for the page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from neurons.video import encode_mp4

SHOWN_PX = 128
QUALITY = 23


@dataclass(frozen=True)
class Reconstruction:
    """What one variant made of one subject's brain data, clips on the first axis.

    Attributes
    ----------
    videos, blurry
        uint8 (clips, frames, height, width, 3).
    masks
        Probabilities of the key object, (clips, frames, height, width).
    controls
        uint8 (clips, height, width, 3).
    captions, concepts
        One text per clip; concepts joined by a vertical bar.
    samples
        Per clip ``samples``, their number, and ``spread``, how far CLIP's views of them lie apart.
    """

    variant: str
    subject: str
    videos: np.ndarray
    blurry: np.ndarray
    masks: np.ndarray
    controls: np.ndarray
    captions: list[str]
    concepts: list[str]
    samples: list[dict[str, Any]]


def enlarge(frames: np.ndarray, size_px: int = SHOWN_PX) -> np.ndarray:
    """Enlarge small frames (frames, height, width, 3) for the eye; `size_px` is the new height, in px."""
    height, width = frames.shape[1:3]
    size = (2 * round(width * size_px / height / 2), size_px)
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in frames])


def video_uri(frames: np.ndarray, clip_s: float) -> str:
    """A data URI of an MP4 that shows `frames` over `clip_s` seconds."""
    content = encode_mp4(enlarge(frames), len(frames) / clip_s, QUALITY)
    return "data:video/mp4;base64," + base64.b64encode(content).decode()


def picture_uri(picture: np.ndarray) -> str:
    """A data URI of a JPEG of an RGB picture (height, width, 3)."""
    shown = enlarge(picture[None])[0]
    done, content = cv2.imencode(
        ".jpg", cv2.cvtColor(shown, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]
    )
    if not done:
        raise ValueError("OpenCV could not encode a picture as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()


def paint_mask(mask: np.ndarray) -> np.ndarray:
    """Mask probabilities (frames, height, width) as frames (frames, height, width, 3): dark is background."""
    background, key = np.array([24.0, 28.0, 44.0]), np.array([255.0, 196.0, 61.0])
    weight = np.clip(mask.astype(np.float32), 0, 1)[..., None]
    return (background + weight * (key - background)).round().astype(np.uint8)


def clip_record(made: Reconstruction, position: int, clip_s: float) -> dict[str, Any]:
    """Data of one clip under one variant and subject, for the page."""
    return {
        "video": video_uri(made.videos[position], clip_s),
        "blurry": video_uri(made.blurry[position], clip_s),
        "mask": video_uri(paint_mask(made.masks[position]), clip_s),
        "control": picture_uri(made.controls[position]),
        "caption": made.captions[position],
        "concepts": [concept for concept in made.concepts[position].split("|") if concept],
    }


def choose_highlights(scores: dict[str, float], each: int = 3) -> dict[str, str]:
    """Best, median and worst clips by score.

    Parameters
    ----------
    scores
        Score of each clip id, larger is better.
    each
        How many of each kind.

    Returns
    -------
    dict
        Clip id -> ``best``, ``median`` or ``worst``. With few clips, best goes before worst and worst before median.
    """
    ordered = sorted(scores, key=lambda clip: (-scores[clip], clip))
    middle = max((len(ordered) - each) // 2, 0)
    chosen = dict.fromkeys(ordered[middle : middle + each], "median")
    chosen.update(dict.fromkeys(ordered[-each:], "worst"))
    chosen.update(dict.fromkeys(ordered[:each], "best"))
    return chosen
