"""GroundingDINO: boxes of named things in frames, each box with the one noun that fits it best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torchvision.ops import box_convert, nms
from transformers import AutoProcessor, GroundingDinoForObjectDetection

from neurons.annotate.settings import GroundedSam
from neurons.artifacts import InputError
from neurons.loading import load_pretrained

KEY = "annotate.grounded_sam.detector"


@dataclass(frozen=True)
class Box:
    """A box with its noun: x0, y0, x1, y1 in px of the frame, and the score in 0-1."""

    tag: str
    score: float
    corners: tuple[float, float, float, float]


class Detector:
    """GroundingDINO, asked with the nouns of each frame.

    Parameters
    ----------
    settings
        Section `annotate.grounded_sam` of the configuration.
    device
        Where it runs, in float32.

    Raises
    ------
    InputError
        If it cannot be loaded.
    """

    def __init__(self, settings: GroundedSam, device: torch.device) -> None:
        self._settings = settings
        self._processor = load_pretrained(AutoProcessor, settings.detector, KEY)
        model = load_pretrained(GroundingDinoForObjectDetection, settings.detector, KEY)
        self._model = model.to(device).eval()

    def detect(self, frames: Sequence[np.ndarray], tags: Sequence[Sequence[str]]) -> list[list[Box]]:
        """Boxes of each frame, the best first: at most one where several overlap, whatever their nouns.

        Parameters
        ----------
        frames
            RGB, uint8, each of shape (H, W, 3).
        tags
            Nouns of each frame.
        """
        prompts = [
            (number, part)
            for number, nouns in enumerate(tags)
            for part in split_prompt(nouns, self._token_count, self._model.config.max_text_len)
        ]
        found: list[list[Box]] = [[] for _ in frames]
        if prompts:
            boxes = self._boxes([frames[number] for number, _ in prompts], [part for _, part in prompts])
            for (number, _), some in zip(prompts, boxes, strict=True):
                found[number] += some
        return [best_boxes(boxes, self._settings.overlap, self._settings.boxes_per_frame) for boxes in found]

    def _token_count(self, tag: str) -> int:
        return len(self._processor.tokenizer(f"{tag}.", add_special_tokens=False)["input_ids"])

    @torch.inference_mode()
    def _boxes(self, frames: list[np.ndarray], tags: list[list[str]]) -> list[list[Box]]:
        texts = [" ".join(f"{tag}." for tag in nouns) for nouns in tags]
        inputs = self._processor(images=frames, text=texts, padding=True, return_tensors="pt")
        outputs = self._model(**inputs.to(self._model.device))
        stop = self._processor.tokenizer.convert_tokens_to_ids(".")
        special = self._processor.tokenizer.all_special_ids
        results = []
        for row, nouns in enumerate(tags):
            owners = tag_of_tokens(inputs["input_ids"][row].tolist(), stop, special)
            scores = tag_scores(outputs.logits[row].sigmoid(), owners, len(nouns)).cpu()
            corners = box_convert(outputs.pred_boxes[row].float().cpu(), "cxcywh", "xyxy").clamp(0, 1)
            height, width = frames[row].shape[:2]
            corners = corners * torch.tensor([width, height, width, height])
            best, which = scores.max(dim=1)
            results.append(
                [
                    Box(nouns[tag], score, tuple(box))
                    for tag, score, box in zip(which.tolist(), best.tolist(), corners.tolist(), strict=True)
                    if score >= self._settings.box_threshold and box[2] > box[0] and box[3] > box[1]
                ]
            )
        return results


def split_prompt(tags: Sequence[str], token_count: Callable[[str], int], longest: int) -> list[list[str]]:
    """Tags in as few prompts as the model's text length allows (two tokens are for start and end).

    Raises
    ------
    InputError
        If a tag does not fit alone.
    """
    parts: list[list[str]] = []
    room = 0
    for tag in tags:
        tokens = token_count(tag)
        if tokens > longest - 2:
            raise InputError(f"the tag {tag!r} has {tokens} tokens; the detector reads at most {longest - 2}")
        if tokens > room:
            parts.append([])
            room = longest - 2
        parts[-1].append(tag)
        room -= tokens
    return parts


def tag_of_tokens(input_ids: Sequence[int], stop: int, special: Sequence[int]) -> list[int]:
    """Which tag each token belongs to, tags being ended by `stop`; -1 for `stop` itself and special tokens."""
    owners, tag = [], 0
    for token in input_ids:
        plain = token != stop and token not in special
        owners.append(tag if plain else -1)
        tag += token == stop
    return owners


def tag_scores(probabilities: torch.Tensor, owners: Sequence[int], tags: int) -> torch.Tensor:
    """Score of each query for each tag: its highest among the tag's tokens.

    Parameters
    ----------
    probabilities
        Of each query for each token, shape (queries, at least len(owners)).
    owners
        From `tag_of_tokens`.

    Returns
    -------
    torch.Tensor
        Shape (queries, tags); 0 for a tag without tokens.
    """
    owned = torch.tensor(owners, device=probabilities.device)
    columns = [
        probabilities[:, : len(owners)][:, owned == tag].amax(dim=1)
        if (owned == tag).any()
        else probabilities.new_zeros(len(probabilities))
        for tag in range(tags)
    ]
    return torch.stack(columns, dim=1)


def best_boxes(boxes: Sequence[Box], overlap: float, most: int) -> list[Box]:
    """Boxes by falling score, without those that overlap a better one by more than `overlap` (IoU), at most `most`."""
    if not boxes:
        return []
    ordered = sorted(boxes, key=lambda box: (-box.score, box.tag, box.corners))
    corners = torch.tensor([box.corners for box in ordered], dtype=torch.float32)
    scores = torch.linspace(1, 0, len(ordered))
    return [ordered[at] for at in sorted(nms(corners, scores, overlap).tolist())[:most]]
