"""What the decoupler minimises, and how it is judged on held-out movies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from neurons.decouple.data import BrainTokens, Column
from neurons.decouple.decoding import ConceptTexts
from neurons.decouple.heads import Whitening
from neurons.decouple.losses import IGNORED, caption_loss, mask_loss, soft_contrastive
from neurons.decouple.model import DecouplerModel
from neurons.decouple.settings import Decouple
from neurons.decouple.weights import TASKS, progressive_weights
from neurons.parallel import batch_mean, noise_like
from neurons.pretrain.losses import contrastive, mix_repeats
from neurons.training import Batch, Progress

TEXT_TEMPERATURE = 0.1
"""Of the contrastive text loss (paper)."""

READING_NOISE = 0.4
"""SD of the noise on captions' own whitened embeddings, as a share of the spread of each of their directions."""


class Decoupling:
    """The objective of the decoupler: four tasks with progressive weights, and the auxiliary terms.

    Parameters
    ----------
    model
        On its device.
    brain
        Brain tokens of all clips.
    columns
        Truth by name: ``masks``, ``concepts``, ``key_concept``, ``ids``, ``latents``, ``tokens``, ``caption``.
    texts
        CLIP text tokens of the concept names.
    train, held_out
        Numbers of the clips to learn from and to judge by.
    names
        Clip ids by number.
    standardise
        Image tokens as the brain model's video embedding predicts them.
    """

    def __init__(
        self,
        model: DecouplerModel,
        brain: BrainTokens,
        columns: dict[str, Column],
        texts: ConceptTexts,
        train: np.ndarray,
        held_out: np.ndarray,
        names: list[str],
        settings: Decouple,
        standardise: Callable[[Tensor], Tensor],
    ) -> None:
        self.model, self.brain, self.columns, self.settings, self.held_out = (
            model,
            brain,
            columns,
            settings,
            held_out,
        )
        self.standardise = standardise
        repeats = brain.single.shape[1]
        self.clips, self.repeats = np.repeat(train, repeats), np.tile(np.arange(repeats), len(train))
        self.samples = [f"{names[clip]} repeat {repeat + 1}" for clip in train for repeat in range(repeats)]
        self.device = next(model.parameters()).device
        self.text_tokens, self.text_valid = texts.tokens.to(self.device), texts.valid.to(self.device)
        # The prior is trained beside the heads; unless they read it, it has its own best epoch.
        self.judged = {"": "score", "prior.": "prior"} if settings.heads_input == "brain" else {"": "score"}
        # Without the image loss only the middle frame's tokens are used: a sixth of what would be read otherwise.
        middle = columns["tokens"].features.shape[0] // 2
        self.parts = {} if settings.weights.image else {"tokens": (slice(middle, middle + 1),)}
        self.constant_losses = constant_losses(columns, train, held_out)
        self.caption_norm: nn.Module = model.description.norm
        if settings.whiten_text:
            whitening = Whitening(columns["caption"].features.shape[0]).to(self.device)
            whitening.fit(columns["caption"].of(train).to(self.device))
            self.caption_norm = whitening

    def arrange(self, indices: np.ndarray) -> np.ndarray:
        """As they are."""
        return indices

    def fetch(self, indices: np.ndarray) -> Batch:
        """Brain tokens and truths of samples."""
        clips, repeats = torch.from_numpy(self.clips[indices]), torch.from_numpy(self.repeats[indices])
        tokens = (
            self.brain.single[clips] if self.settings.repeat_mixing else self.brain.single[clips, repeats]
        )
        return {"brain": tokens.float(), **self._truth(self.clips[indices])}

    def _truth(self, clips: np.ndarray) -> dict[str, Tensor]:
        truth = {name: column.of(clips, self.parts.get(name, ())) for name, column in self.columns.items()}
        return {**truth, "ids": _trimmed(truth["ids"])}

    def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """Weighted sum of the tasks' losses and the auxiliary terms."""
        if self.settings.repeat_mixing:
            batch = {**batch, "brain": mix_repeats(batch["brain"])}
        terms = self.terms(batch, (progress.epoch + progress.batch / progress.batches) / progress.epochs)
        if share := self.settings.caption_reading:
            own = self.reading_loss(batch["caption"], batch["ids"])
            terms["description"] = (1 - share) * terms["description"] + share * own
        factors = self.settings.weights.model_dump()
        if self.settings.progressive:
            factors |= {
                name: factors[name] * weight for name, weight in progressive_weights(progress).items()
            }
        total = torch.stack([factors[name] * value for name, value in terms.items() if factors[name]]).sum()
        return {"loss": total, **terms}

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Each loss, unweighted (the image loss only if it has a weight); the truth's own key concept drives the decoder.

        Parameters
        ----------
        progress
            Share of training done (the temperature of the contrastive image loss depends on it).
        """
        tokens = batch["tokens"]
        prior_loss, prior_tokens = self.model.prior.denoise(tokens[:, tokens.shape[1] // 2], batch["brain"])
        video, text = self.model.embed(batch["brain"], prior_tokens)
        concept = batch["key_concept"]
        features = self.model.decoder.features(video, self.text_tokens[concept], self.text_valid[concept])
        ids = batch["ids"]
        terms = {
            "segmentation": mask_loss(
                self.model.decoder.masks(features).float(), batch["masks"], self.settings.dice_weight
            ),
            "concepts": batch_mean(
                functional.binary_cross_entropy_with_logits(
                    self.model.concepts(video).float(), batch["concepts"].float()
                ),
                len(tokens),
            ),
            "description": caption_loss(self.model.description(text, ids), ids),
            "blurry_video": batch_mean(
                functional.l1_loss(self.model.decoder.latents(features).float(), batch["latents"]),
                len(tokens),
            ),
            "prior": batch_mean(prior_loss, len(tokens)),
            "text": contrastive(text, batch["caption"], TEXT_TEMPERATURE),
        }
        if self.settings.weights.image:  # over all frames and tokens, it costs as much as a task head
            terms["image"] = soft_contrastive(video, self.standardise(tokens), progress)
        return terms

    def reading_loss(self, captions: Tensor, ids: Tensor) -> Tensor:
        """Loss of describing from captions' own embeddings (B, T), with noise.

        Brain data are few and noisy, so that a language model learns from them slowly how to read an embedding; that
        part of its task it learns from the captions alone.
        """
        normed = self.caption_norm(captions)
        noisy = normed + READING_NOISE * noise_like(normed)
        return caption_loss(self.model.description.read(noisy, ids), ids)

    def validate(self) -> dict[str, float]:
        """Losses on held-out clips (responses averaged over repeats, as in the test data).

        The score is the mean over the four tasks of the loss relative to that of the best constant answer.
        """
        count = len(self.held_out)
        sums: dict[str, float] = {}
        torch.manual_seed(0)
        for part in np.array_split(np.arange(count), -(-count // self.settings.optimiser.batch_size)):
            truth = self._truth(self.held_out[part])
            batch = {name: value.to(self.device) for name, value in truth.items()}
            batch["brain"] = self.brain.mean[torch.from_numpy(part)].to(self.device)
            for name, value in self.terms(batch, 1.0).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(part) / count
        relative = [sums[task] / self.constant_losses[task] for task in TASKS]
        return {"score": float(np.mean(relative)), **sums}


def constant_losses(columns: dict[str, Column], train: np.ndarray, held_out: np.ndarray) -> dict[str, float]:
    """Held-out loss of each task for a constant answer from the training clips: what knowing nothing costs.

    Masks: the share of clips at each pixel. Concepts: their prevalence. Description: the frequency of each token.
    Blurry video: the mean latent of each place.
    """
    ids, asked = (columns["ids"].of(clips) for clips in (train, held_out))
    known = ids[ids != IGNORED]
    asked = asked[asked != IGNORED]
    counts = torch.bincount(known, minlength=int(max(known.max(), asked.max())) + 1).float() + 0.5
    latents = columns["latents"].mean(train)
    return {
        "segmentation": _prevalence_loss(columns["masks"], train, held_out),
        "concepts": _prevalence_loss(columns["concepts"], train, held_out),
        "description": float(-(counts / counts.sum()).log()[asked].mean()),
        "blurry_video": float((columns["latents"].of(held_out) - latents).abs().mean()),
    }


def _prevalence_loss(column: Column, train: np.ndarray, held_out: np.ndarray) -> float:
    share = (column.mean(train) * len(train) + 0.5) / (len(train) + 1)
    truth = column.of(held_out).float()
    return float(functional.binary_cross_entropy(share.expand_as(truth), truth))


def _trimmed(ids: Tensor) -> Tensor:
    """Captions without the columns in which every caption of the batch has ended (found before they go to a GPU)."""
    longest = int((ids != IGNORED).sum(dim=1).max())
    return ids[:, :longest]
