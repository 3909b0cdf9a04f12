"""What each task's head says about the clips themselves: the features that predict responses in the encoding direction.

The heads read the clips' own CLIP tokens where they read the brain's embedding of them otherwise. Outputs decoded from
responses would carry the noise of the very responses that they are to predict.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional

from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.model import DecouplerModel
from neurons.interpret.tasks import TASKS

LARGEST_GRID = 16
"""Maps are averaged to at most this many rows and columns before components are taken."""


def head_outputs(decoupler: DecouplerModel, tokens: Tensor, texts: ConceptTexts) -> dict[str, Tensor]:
    """Outputs of the four heads for video embeddings.

    Parameters
    ----------
    tokens
        Clips' CLIP tokens as the video embedding predicts them (B, F, N, C).
    texts
        Of the concept names.

    Returns
    -------
    dict
        By task, float32 (B, features): mask logits (e_seg), concept logits (e_cls), the text embedding as the language
        model reads it (e_txt), latents of the blurry video (e_rec).
    """
    with torch.no_grad():
        concepts = decoupler.concepts(tokens)
        leading = concepts.argmax(dim=1)
        features = decoupler.decoder.features(tokens, texts.tokens[leading], texts.valid[leading])
        maps = (decoupler.decoder.masks(features).unsqueeze(2), decoupler.decoder.latents(features))
        text = decoupler.description.norm(decoupler.text(tokens))
    masks, latents = (_pooled(part) for part in maps)
    values = (masks, concepts.float(), text.float(), latents)
    return dict(zip(TASKS, values, strict=True))


def _pooled(maps: Tensor) -> Tensor:
    """Maps (B, F, c, h, w) averaged to `LARGEST_GRID` and flattened."""
    height, width = (min(side, LARGEST_GRID) for side in maps.shape[-2:])
    return (
        functional.adaptive_avg_pool2d(maps.flatten(0, 1), (height, width))
        .unflatten(0, maps.shape[:2])
        .flatten(1)
    )


def all_outputs(
    decoupler: DecouplerModel,
    tokens_of: Callable[[np.ndarray], Tensor],
    count: int,
    texts: ConceptTexts,
    batch_size: int,
) -> dict[str, np.ndarray]:
    """`head_outputs` of clips 0 to `count` - 1, float32 (count, features) by task.

    Parameters
    ----------
    tokens_of
        From numbers of clips to their tokens, on the decoupler's device.
    """
    batches = np.array_split(np.arange(count), -(-count // batch_size))
    parts = [head_outputs(decoupler, tokens_of(batch), texts) for batch in batches]
    return {task: torch.cat([part[task].cpu() for part in parts]).numpy() for task in TASKS}


def principal_components(values: np.ndarray, train: np.ndarray, count: int) -> np.ndarray:
    """Leading components of features (n, features), float32 (n, at most `count`), found in the training clips.

    They keep their sizes relative to each other; together they have variance 1 in the training clips.
    """
    count = min(count, values.shape[1], len(train) - 1)
    solver = PCA(count, svd_solver="randomized", random_state=0).fit(values[train])
    scores = solver.transform(values)
    return (scores / np.sqrt(scores[train].var(axis=0).sum())).astype(np.float32)
