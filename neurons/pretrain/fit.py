"""What pre-training minimises, and how it is judged on held-out movies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neurons.parallel import batch_mean, gather, own, whole
from neurons.pretrain.data import HiddenInputs, Responses, Split, Targets, WindowInputs
from neurons.pretrain.losses import bimixco, contrastive, draw_mix, mix_repeats, similarities
from neurons.pretrain.model import BrainModel
from neurons.pretrain.settings import Pretrain
from neurons.training import Batch, Progress


class Alignment:
    """The objective of pre-training: BiMixCo with image tokens, contrast with captions, auxiliary regression.

    Parameters
    ----------
    model
        On its device.
    responses, targets
        Of the same clips, in the same order.
    inputs
        What the model is trained on: windows of responses, or held-out ridge predictions.
    split
        Clips to learn from and to judge by.
    """

    judged: ClassVar[Mapping[str, str]] = {"": "score"}

    def __init__(
        self,
        model: BrainModel,
        responses: Responses,
        inputs: WindowInputs | HiddenInputs,
        targets: Targets,
        split: Split,
        settings: Pretrain,
    ) -> None:
        self.model, self.responses, self.inputs, self.targets, self.settings = (
            model,
            responses,
            inputs,
            targets,
            settings,
        )
        number = {identity: index for index, identity in enumerate(responses.clip_ids)}
        clips = np.array([number[identity] for identity in split.train])
        self.clips = np.repeat(clips, responses.repeats)
        self.repeats = np.tile(np.arange(responses.repeats), len(clips))
        self.held_out = np.array([number[identity] for identity in split.validation])
        self.samples = [
            f"{identity} repeat {r + 1}" for identity in split.train for r in range(responses.repeats)
        ]
        self.device = next(model.parameters()).device

    def arrange(self, indices: np.ndarray) -> np.ndarray:
        """As they are."""
        return indices

    def fetch(self, indices: np.ndarray) -> Batch:
        """Inputs of the model, image tokens and caption embeddings of samples."""
        clips, repeats = torch.from_numpy(self.clips[indices]), torch.from_numpy(self.repeats[indices])
        tokens, text = self.targets.of(self.clips[indices])
        every = self.settings.repeat_mixing
        inputs = self.inputs.every(clips) if every else self.inputs.of(clips, repeats)
        return {"inputs": inputs, "tokens": tokens, "text": text}

    def loss(self, batch: Batch, progress: Progress) -> dict[str, Tensor]:
        """BiMixCo on mixed responses, plus the weighted auxiliary terms."""
        inputs = mix_repeats(batch["inputs"]) if self.settings.repeat_mixing else batch["inputs"]
        mix = draw_mix(whole(len(inputs)), self.settings.mixco_beta, self.device)
        brain, video, text = self.inputs.embed(self.model, mix.apply(inputs))
        return self._terms(self._prediction(brain, video), text, batch, mix.targets())

    def _prediction(self, brain: Tensor, video: Tensor) -> Tensor:
        return video if self.settings.target == "video" else brain.unsqueeze(1)

    def _target(self, tokens: Tensor) -> Tensor:
        tokens = self.model.standardise(tokens)
        middle = tokens.shape[1] // 2
        return tokens if self.settings.target == "video" else tokens[:, middle : middle + 1]

    def _terms(self, prediction: Tensor, text: Tensor, batch: Batch, matching: Tensor) -> dict[str, Tensor]:
        settings, target = self.settings, self._target(batch["tokens"])
        mixed = (own(matching) @ gather(target.flatten(1))).view_as(target)
        terms = {
            "image": bimixco(prediction, target, matching, settings.mixco_temperature),
            "text": bimixco(text, batch["text"], matching, settings.text_temperature),
            "regression": batch_mean(functional.mse_loss(prediction.float(), mixed), len(target)),
        }
        return {"loss": weighted_sum(terms, settings), **terms}

    def validate(self) -> dict[str, float]:
        """Loss and retrieval on held-out clips, their responses averaged over repeats as in the test data."""
        predictions, texts, tokens, captions = [], [], [], []
        for clips in np.array_split(
            self.held_out, -(-len(self.held_out) // self.settings.optimiser.batch_size)
        ):
            windows = self.responses.mean_windows(torch.from_numpy(clips)).to(self.device)
            brain, video, text = self.inputs.embed_windows(self.model, windows)
            target, caption = self.targets.of(clips)
            predictions.append(self._prediction(brain, video).flatten(1).float().cpu())
            texts.append(text.float().cpu())
            tokens.append(self._target(target.to(self.device)).flatten(1).cpu())
            captions.append(caption)
        return retrieval_scores(
            torch.cat(predictions), torch.cat(tokens), torch.cat(texts), torch.cat(captions), self.settings
        )


def retrieval_scores(
    predicted: Tensor, tokens: Tensor, predicted_text: Tensor, text: Tensor, settings: Pretrain
) -> dict[str, float]:
    """Contrastive losses over all given clips at once, and how often a clip's own target is the nearest.

    Parameters
    ----------
    predicted, tokens
        Predicted and true image tokens, flattened (n, D).
    predicted_text, text
        Predicted and true caption embeddings (n, T).
    """
    terms = {
        "image": contrastive(predicted, tokens, settings.mixco_temperature),
        "text": contrastive(predicted_text, text, settings.text_temperature),
        "regression": functional.mse_loss(predicted, tokens),
    }
    return {
        "score": float(weighted_sum(terms, settings)),
        **{name: float(value) for name, value in terms.items()},
        "image_top1": top1(predicted, tokens),
        "text_top1": top1(predicted_text, text),
        "chance": 1 / len(tokens),
    }


def weighted_sum(terms: Mapping[str, Tensor], settings: Pretrain) -> Tensor:
    """BiMixCo, plus the contrastive text loss and the regression with their weights."""
    weighted = terms["image"] + settings.text_weight * terms["text"]
    return weighted + settings.regression_weight * terms["regression"]


def top1(predicted: Tensor, target: Tensor) -> float:
    """Share of predictions whose own target has the highest cosine similarity; ties count by their share.

    Clips of one scene may have equal targets (the same caption): such a clip is found with probability one over
    their number, so that chance stays 1/n.
    """
    similarity = similarities(predicted, target)
    own = similarity.diagonal().unsqueeze(1)
    nearest = (own >= similarity).all(dim=1)
    ties = (similarity == own).sum(dim=1)
    return float((nearest / ties).mean())
