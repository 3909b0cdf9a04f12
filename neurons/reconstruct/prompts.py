"""Concepts and prompts of decoded clips."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from neurons.annotate.concepts import CONCEPTS
from neurons.reconstruct.settings import Reconstruct

SEPARATOR = "|"


def recognised(probabilities: np.ndarray, threshold: float) -> list[str]:
    """Concepts whose probability exceeds `threshold`, the most probable first.

    Parameters
    ----------
    probabilities
        (51,), in the order of `CONCEPTS`.
    """
    order = np.argsort(-probabilities.astype(np.float64), kind="stable")
    return [CONCEPTS[index] for index in order if probabilities[index] > threshold]


def compose(caption: str, concepts: Sequence[str]) -> str:
    """The description, followed by those concepts that it does not name, comma-separated."""
    absent = [name for name in concepts if not re.search(rf"\b{re.escape(name)}\b", caption, re.IGNORECASE)]
    return ", ".join(filter(None, [caption.strip(), *absent]))


def decoded_table(
    clip_ids: Sequence[str],
    captions: Sequence[str],
    probabilities: np.ndarray,
    settings: Reconstruct,
    top: Sequence[int] | None = None,
) -> pd.DataFrame:
    """What people read of decoded clips: clip, caption, concepts, top_concept, prompt.

    Parameters
    ----------
    probabilities
        (n, 51).
    settings
        ``concept_threshold``, and of what prompts are made: ``prompt_caption``, ``prompt_concepts``.
    top
        Index of each clip's top concept; the most probable one if None.
    """
    found = [recognised(row, settings.concept_threshold) for row in probabilities]
    best = probabilities.argmax(axis=1) if top is None else top
    return pd.DataFrame(
        {
            "clip": list(clip_ids),
            "caption": list(captions),
            "concepts": [SEPARATOR.join(names) for names in found],
            "top_concept": [CONCEPTS[int(index)] for index in best],
            "prompt": [
                compose(caption if settings.prompt_caption else "", names if settings.prompt_concepts else ())
                for caption, names in zip(captions, found, strict=True)
            ],
        }
    )
