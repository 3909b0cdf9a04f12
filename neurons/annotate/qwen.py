"""Captioner `qwen`: Qwen2.5-VL by `transformers`, on one device or spread over several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoProcessor, Qwen2_5_VLForConditionalGeneration

from neurons.annotate.captioner import Request
from neurons.annotate.halving import in_batches
from neurons.annotate.models import model_identity
from neurons.annotate.settings import Qwen
from neurons.artifacts import InputError
from neurons.loading import load_pretrained

KEY = "annotate.qwen"


class QwenCaptioner:
    """Answers of Qwen2.5-VL, decoded greedily, so that a request always has the same answer.

    Parameters
    ----------
    settings
        Section `annotate.qwen` of the configuration.
    device, dtype
        Where and in which precision it runs; with a device map, several devices.

    Raises
    ------
    InputError
        If the model or its processor cannot be loaded.
    """

    def __init__(self, settings: Qwen, device: torch.device, dtype: torch.dtype) -> None:
        self._settings = settings
        self._dtype = dtype
        self._processor = load_pretrained(AutoProcessor, settings.model, f"{KEY}.model")
        if not hasattr(self._processor, "image_processor"):
            raise InputError(
                f"{KEY}.model: {settings.model.path!r} has no image processor; it is not a Qwen2.5-VL"
            )
        self._processor.tokenizer.padding_side = "left"
        spread = {} if settings.device_map == "one" else {"device_map": settings.device_map}
        try:
            model = load_pretrained(
                Qwen2_5_VLForConditionalGeneration, settings.model, f"{KEY}.model", dtype=dtype, **spread
            )
            self._model = (model if spread else model.to(device)).eval()
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"{KEY}.model: {settings.model.path!r} does not fit into the memory of {device}. Spread it over several "
                f"GPUs ({KEY}.device_map: auto), or take a smaller or quantised model"
            ) from error

    def identity(self) -> dict[str, Any]:
        """Back end, model, its revision or files, length of answers, precision."""
        return {
            "backend": "qwen",
            **model_identity(self._settings.model),
            "answer_tokens": self._settings.answer_tokens,
            "dtype": str(self._dtype),
        }

    def answer(self, requests: Sequence[Request]) -> Iterator[tuple[int, str]]:
        """Position and text of each answer, in order; the batch is halved when memory is short."""
        yield from in_batches(requests, self._settings.batch_size, self._generate, f"{KEY}.batch_size")

    @torch.inference_mode()
    def _generate(self, batch: Sequence[Request]) -> list[str]:
        texts = [
            self._processor.apply_chat_template(
                request.messages(lambda _: {"type": "image"}), add_generation_prompt=True, tokenize=False
            )
            for request in batch
        ]
        pictures = [[np.array(pixels) for pixels in request.pictures] for request in batch]
        inputs = self._processor(text=texts, images=pictures, padding=True, return_tensors="pt")
        made = self._model.generate(
            **inputs.to(self._model.device), max_new_tokens=self._settings.answer_tokens, do_sample=False
        )
        return self._processor.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
