"""A trained decoupler as `reconstruct` uses it: loaded from one file, it decodes clips to task outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from neurons.artifacts import InputError, Provenance, TensorFile, write_tensors
from neurons.decouple.losses import IGNORED
from neurons.decouple.model import DecouplerModel, DecouplerSizes, TaskTensors
from neurons.decouple.prior import prior_seeds
from neurons.published.decoupler import COMPANIONS, PublishedDecoupler
from neurons.published.store import ARCHITECTURE, load_published

Runner = Callable[[Tensor, list[int], int], TaskTensors]
"""Brain tokens, seeds and steps of the prior to task outputs."""


@dataclass(frozen=True)
class ConceptTexts:
    """CLIP text tokens of the concept names.

    Attributes
    ----------
    tokens
        float32 (concepts, L, W).
    valid
        bool (concepts, L): which tokens exist.
    pooled
        float32 (concepts, T): pooled embeddings, which released decouplers read; None if the file has none.
    """

    tokens: Tensor
    valid: Tensor
    pooled: Tensor | None = None


def read_concept_texts(path: Path) -> ConceptTexts:
    """Concept texts from `embed concepts`."""
    file = TensorFile(path)
    tokens, valid = np.array(file["tokens"], dtype=np.float32), np.array(file["mask"])
    pooled = np.array(file["pooled"], dtype=np.float32) if "pooled" in file.names else None
    return ConceptTexts(
        torch.from_numpy(tokens),
        torch.from_numpy(valid),
        None if pooled is None else torch.from_numpy(pooled),
    )


@dataclass(frozen=True)
class DecodedTasks:
    """Task outputs of clips.

    Attributes
    ----------
    mask
        Probability that a pixel belongs to the key object, float32 (n, F, h, w).
    concepts
        Probability of each concept, float32 (n, concepts).
    captions
        Descriptions, n.
    latents
        Blurry video, float32 (n, F, c, h, w), in the scale of the stored latents.
    image_tokens
        CLIP image tokens for the control image, float32 (n, N, C).
    text
        Text embedding, float32 (n, T).
    """

    mask: NDArray[np.float32]
    concepts: NDArray[np.float32]
    captions: list[str]
    latents: NDArray[np.float32]
    image_tokens: NDArray[np.float32]
    text: NDArray[np.float32]


@dataclass(frozen=True)
class Decoupler:
    """A decoupler with the tokenizer of its language model.

    Attributes
    ----------
    model
        In evaluation mode.
    tokenizer
        Of the descriptions.
    metadata
        ``subject``, ``variant``, ``vertex_hash``, ``brain_model`` (content hash), ``prior_steps``, ``sizes``.
    """

    model: DecouplerModel | PublishedDecoupler
    tokenizer: Tokenizer
    metadata: dict[str, Any]

    def decode(
        self,
        brain: Tensor,
        clip_ids: Sequence[str],
        concept_texts: ConceptTexts,
        *,
        seed: int,
        batch_size: int = 32,
    ) -> DecodedTasks:
        """Decode brain tokens.

        Parameters
        ----------
        brain
            Brain tokens (n, N, C) from `neurons.pretrain.store.brain_embeddings`.
        clip_ids
            Of the rows; with `seed` they give the seeds of the prior.
        concept_texts
            From `read_concept_texts`.
        seed
            Run seed.
        batch_size
            Clips per forward pass; does not change the results. A released decoupler, whose results it would change,
            decodes as many at once as its authors did.
        """
        run, at_once = self._runner(concept_texts, batch_size)
        device = next(self.model.parameters()).device
        seeds, steps = prior_seeds(seed, clip_ids), int(self.metadata["prior_steps"])
        parts, captions = [], []
        with torch.no_grad():
            for start in range(0, len(clip_ids), at_once):
                chosen = slice(start, start + at_once)
                result = run(brain[chosen].to(device), seeds[chosen], steps)
                parts.append(result)
                captions += self.texts(result.ids)

        def joined(name: str) -> NDArray[np.float32]:
            return torch.cat([getattr(part, name).cpu() for part in parts]).numpy()

        return DecodedTasks(
            joined("mask"),
            joined("concepts"),
            captions,
            joined("latents"),
            joined("image_tokens"),
            joined("text"),
        )

    def _runner(self, texts: ConceptTexts, batch_size: int) -> tuple[Runner, int]:
        """The model's function of (brain tokens, seeds, steps of the prior), and how many clips it takes at once."""
        model = self.model
        device = next(model.parameters()).device
        if isinstance(model, PublishedDecoupler):
            pooled = _pooled(texts, model).to(device)
            return lambda brain, seeds, steps: model.run_tasks(brain, pooled, seeds, steps), COMPANIONS
        tokens, valid = texts.tokens.to(device), texts.valid.to(device)
        return lambda brain, seeds, steps: model.run_tasks(brain, tokens, valid, seeds, steps), batch_size

    def texts(self, ids: Tensor) -> list[str]:
        """Captions of token ids (n, L), in which -100 is no token."""
        rows = [[token for token in row if token != IGNORED] for row in ids.tolist()]
        return [text.strip() for text in self.tokenizer.decode_batch(rows, skip_special_tokens=True)]


def _pooled(texts: ConceptTexts, model: PublishedDecoupler) -> Tensor:
    """Pooled embeddings of the concepts' names, of the width and number that a released decoupler was trained with."""
    expected = (model.sizes.concepts, model.sizes.text)
    found = None if texts.pooled is None else tuple(texts.pooled.shape)
    if texts.pooled is None or found != expected:
        raise InputError(
            f"the released decoupler reads pooled CLIP embeddings of its concepts' names, shape {expected}; the file of "
            f"concepts holds {found or 'none'}. Rerun `embed concepts` with embed.clip: OpenCLIP's ViT-bigG-14"
        )
    return texts.pooled


def save_decoupler(
    path: Path, model: DecouplerModel, tokenizer: Tokenizer, made_by: Provenance, **facts: Any
) -> None:
    """Write weights, sizes, tokenizer and facts to one file.

    The language model's output layer is its token embedding and is stored once.
    """
    tied = "description.language_model.lm_head.weight"
    weights = {
        name: value.detach().cpu().numpy() for name, value in model.state_dict().items() if name != tied
    }
    write_tensors(path, weights, made_by, sizes=asdict(model.sizes), tokenizer=tokenizer.to_str(), **facts)


def load_decoupler(path: Path) -> Decoupler:
    """A decoupler in evaluation mode, on the CPU."""
    file = TensorFile(path)
    metadata = file.metadata
    if metadata.get("architecture") == ARCHITECTURE:
        return Decoupler(load_published(file), Tokenizer.from_str(metadata["tokenizer"]), metadata)
    model = DecouplerModel(DecouplerSizes(**metadata["sizes"]))
    weights = {name: torch.from_numpy(np.array(file[name])) for name in file.names}
    embedding = "description.language_model.transformer.wte.weight"
    weights["description.language_model.lm_head.weight"] = weights[embedding]
    model.load_state_dict(weights)
    return Decoupler(model.eval(), Tokenizer.from_str(metadata["tokenizer"]), metadata)
