"""A trained decoupler as `reconstruct` uses it: loaded from one file, it decodes clips to task outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from neurons.artifacts import Provenance, TensorFile, write_tensors
from neurons.decouple.losses import IGNORED
from neurons.decouple.model import DecouplerModel, DecouplerSizes
from neurons.decouple.prior import prior_seeds


@dataclass(frozen=True)
class ConceptTexts:
    """CLIP text tokens of the concept names.

    Attributes
    ----------
    tokens
        float32 (concepts, L, W).
    valid
        bool (concepts, L): which tokens exist.
    """

    tokens: Tensor
    valid: Tensor


def read_concept_texts(path: Path) -> ConceptTexts:
    """Concept texts from `embed concepts`."""
    file = TensorFile(path)
    tokens, valid = np.array(file["tokens"], dtype=np.float32), np.array(file["mask"])
    return ConceptTexts(torch.from_numpy(tokens), torch.from_numpy(valid))


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

    model: DecouplerModel
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
            Clips per forward pass; does not change the results.
        """
        device = next(self.model.parameters()).device
        tokens, valid = concept_texts.tokens.to(device), concept_texts.valid.to(device)
        seeds, steps = prior_seeds(seed, clip_ids), int(self.metadata["prior_steps"])
        parts, captions = [], []
        with torch.no_grad():
            for start in range(0, len(clip_ids), batch_size):
                chosen = slice(start, start + batch_size)
                result = self.model.run_tasks(brain[chosen].to(device), tokens, valid, seeds[chosen], steps)
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

    def texts(self, ids: Tensor) -> list[str]:
        """Captions of token ids (n, L), in which -100 is no token."""
        rows = [[token for token in row if token != IGNORED] for row in ids.tolist()]
        return [text.strip() for text in self.tokenizer.decode_batch(rows, skip_special_tokens=True)]


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
    model = DecouplerModel(DecouplerSizes(**metadata["sizes"]))
    weights = {name: torch.from_numpy(np.array(file[name])) for name in file.names}
    embedding = "description.language_model.transformer.wte.weight"
    weights["description.language_model.lm_head.weight"] = weights[embedding]
    model.load_state_dict(weights)
    return Decoupler(model.eval(), Tokenizer.from_str(metadata["tokenizer"]), metadata)
