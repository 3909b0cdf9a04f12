"""What a vertex can be important for: each task's evidence for what was shown, per clip.

Evidence is the log-likelihood of a clip's own truth under a task's output, minus that of other clips' truths. For
outputs in logits, and for latents with errors of unit variance, this is exactly ``<output, truth - mean truth>``. It is 0
on average for a model that knows nothing, whatever its biases, and unlike the log-likelihood its gradient does not
vanish where the model is right (at the optimum of a fit the gradient of the loss is 0 for each vertex).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neurons.artifacts import InputError, seed_for
from neurons.decouple.data import Column
from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.losses import IGNORED
from neurons.decouple.model import DecouplerModel
from neurons.pretrain.model import BrainModel


@dataclass(frozen=True)
class Truth:
    """What was shown in the held-out clips.

    Attributes
    ----------
    masks, concepts, latents
        Masks of the key object (n, F, h, w), labels (n, concepts), VAE latents (n, F, c, h, w), as they are stored.
    means
        Their means over clips, float32, by name.
    ids
        Caption tokens, int64 (n, L), -100 after the end.
    others
        Clips whose captions the own one is told from, int64 (n, contrasts).
    """

    masks: Tensor
    concepts: Tensor
    latents: Tensor
    means: dict[str, Tensor]
    ids: Tensor
    others: Tensor

    def deviation(self, name: str, clips: Tensor) -> Tensor:
        """Truth of clips minus the mean truth, float32 (B, ...)."""
        return getattr(self, name)[clips].float() - self.means[name]


def other_clips(count: int, each: int, seed: int) -> np.ndarray:
    """For each of `count` clips `each` different others, int64 (count, each).

    Raises
    ------
    InputError
        If there are not that many.
    """
    if count <= each:
        raise InputError(
            f"{each} other clips are asked for (interpret.contrasts or interpret.baselines), but only {count} are held out"
        )
    rng = np.random.default_rng(seed)
    return np.stack([(i + 1 + rng.choice(count - 1, each, replace=False)) % count for i in range(count)])


def read_truth(columns: dict[str, Column], clips: np.ndarray, contrasts: int, seed: int) -> Truth:
    """Truth of clips.

    Parameters
    ----------
    columns
        ``masks``, ``concepts``, ``latents`` and ``ids``, from `neurons.decouple.data.read_columns`.
    clips
        Numbers of the held-out clips.
    contrasts
        Other clips per clip, drawn with `seed`.
    """
    others = other_clips(len(clips), contrasts, seed_for(seed, "interpret", "contrasts"))
    kept = {name: columns[name].of(clips) for name in ("masks", "concepts", "latents")}
    means = {name: values.float().mean(dim=0) for name, values in kept.items()}
    return Truth(**kept, means=means, ids=columns["ids"].of(clips).long(), others=torch.from_numpy(others))


class Evidence:
    """Evidence of the four tasks from the hidden features after the ridge.

    Parameters
    ----------
    brain, decoupler
        In evaluation mode, on the device of `truth`.
    texts
        Tokens of the concept names.
    truth
        Of the held-out clips.

    Raises
    ------
    InputError
        If the heads read the prior's sample, through which there is no gradient.
    """

    def __init__(
        self, brain: BrainModel, decoupler: DecouplerModel, texts: ConceptTexts, truth: Truth
    ) -> None:
        if decoupler.sizes.heads_input != "brain":
            raise InputError(
                "the task heads of this variant read samples of the prior (decouple.heads_input), through which importance "
                "is not defined; leave the variant out of interpret.variants"
            )
        self.brain, self.decoupler, self.texts, self.truth = brain, decoupler, texts, truth

    def leading_concepts(self, hidden: Tensor) -> Tensor:
        """Most probable concept of each clip, which drives masks and blurry video; int64 (B,)."""
        with torch.no_grad():
            video, _ = self._embed(hidden)
            return self.decoupler.concepts(video).argmax(dim=1)

    def of(self, hidden: Tensor, clips: Tensor, leading: Tensor) -> Tensor:
        """Evidence per output value (pixel, concept, token, latent), in nats.

        Parameters
        ----------
        hidden
            (B, H), as the ridge gives them.
        clips
            Numbers of the clips in the truth, int64 (B,).
        leading
            Concept of each clip, from `leading_concepts`.

        Returns
        -------
        Tensor
            (tasks, B), in the order of `TASKS`.
        """
        video, text = self._embed(hidden)
        features = self.decoupler.decoder.features(
            video, self.texts.tokens[leading], self.texts.valid[leading]
        )
        outputs = {
            "masks": self.decoupler.decoder.masks(features),
            "concepts": self.decoupler.concepts(video),
            "latents": self.decoupler.decoder.latents(features),
        }
        masks, concepts, latents = (
            (output * self.truth.deviation(name, clips)).flatten(1).mean(dim=1)
            for name, output in outputs.items()
        )
        return torch.stack([masks, concepts, self._description(text, clips), latents])

    def _embed(self, hidden: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.brain.brain_tokens(hidden)
        return self.decoupler.embed(tokens, tokens)

    def _description(self, text: Tensor, clips: Tensor) -> Tensor:
        own = self._caption_likelihood(text, self.truth.ids[clips])
        others = self.truth.others[clips]
        repeated = text.repeat_interleave(others.shape[1], dim=0)
        theirs = self._caption_likelihood(repeated, self.truth.ids[others.flatten()])
        return own - theirs.view(others.shape).mean(dim=1)

    def _caption_likelihood(self, text: Tensor, ids: Tensor) -> Tensor:
        """Mean log-likelihood of a caption's tokens, (B,)."""
        logits = self.decoupler.description(text, ids)
        loss = functional.cross_entropy(
            logits.transpose(1, 2).float(), ids, ignore_index=IGNORED, reduction="none"
        )
        return -loss.sum(dim=1) / (ids != IGNORED).sum(dim=1)
