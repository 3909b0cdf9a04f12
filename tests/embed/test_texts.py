"""Captions and concept names through CLIP, and captions as ids of the language model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from neurons.annotate.concepts import CONCEPTS
from neurons.artifacts import InputError, TensorFile, provenance, write_table
from neurons.embed import steps
from neurons.embed.caption_ids import caption_ids
from neurons.embed.clip_texts import text_features
from neurons.embed.settings import Embed

CAPTIONS = ["a red car drives left", "a dog runs", "a red car drives left on a road"]


def annotation_file(folder: Path, captions: list[str | None]) -> Path:
    path = folder / "annotation.parquet"
    clips = [f"movie:{index}" for index in range(len(captions))]
    write_table(path, pd.DataFrame({"clip": clips, "caption": captions}), provenance("test", {}))
    return path


def alone(model: CLIPModel, tokenizer: AutoTokenizer, text: str) -> tuple[np.ndarray, np.ndarray]:
    """Hidden states and projected end token of a text without any padding."""
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        hidden = model.text_model(input_ids=ids).last_hidden_state[0]
        return hidden.numpy(), model.text_projection(hidden[-1]).numpy()


def run(settings: Embed, annotation: Path, folder: Path) -> tuple[TensorFile, TensorFile]:
    steps.captions(
        movies=["movie"],
        annotation=[annotation],
        settings=settings,
        text=[folder / "text.safetensors"],
        ids=[folder / "ids.safetensors"],
        device="cpu",
    )
    return TensorFile(folder / "text.safetensors"), TensorFile(folder / "ids.safetensors")


def test_caption_embedding_is_that_of_the_caption_alone(settings: Embed, tmp_path: Path) -> None:
    text, _ = run(settings, annotation_file(tmp_path, list(CAPTIONS)), tmp_path)
    model = CLIPModel.from_pretrained(settings.clip.path).eval()
    tokenizer = AutoTokenizer.from_pretrained(settings.clip.path)
    for row, caption in zip(text["caption"], CAPTIONS, strict=True):
        pooled = alone(model, tokenizer, caption)[1]
        np.testing.assert_allclose(row, pooled / np.linalg.norm(pooled), atol=1e-3)
    assert text.clip_ids == ["movie:0", "movie:1", "movie:2"]


def test_ids_decode_to_the_captions(settings: Embed, tmp_path: Path) -> None:
    _, ids = run(settings, annotation_file(tmp_path, list(CAPTIONS)), tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(settings.language_model.path)
    assert ids["ids"].shape == (3, 24)
    for row, caption in zip(np.asarray(ids["ids"]), CAPTIONS, strict=True):
        tokens = row[row != -100]
        assert tokenizer.decode(tokens[:-1]) == caption
        assert tokens[-1] == tokenizer.eos_token_id
        assert (row[len(tokens) :] == -100).all()


def test_captions_too_long_for_the_language_model_are_all_listed(settings: Embed) -> None:
    tokenizer = AutoTokenizer.from_pretrained(settings.language_model.path)
    fits = len(tokenizer("a red car")["input_ids"])
    assert caption_ids(tokenizer, ["a red car"], fits + 1).shape == (1, fits + 1)
    with pytest.raises(InputError, match=r"(?s)caption 0.*'a red car'.*caption 2.*'a red dog'") as caught:
        caption_ids(tokenizer, ["a red car", "a", "a red dog"], fits)
    assert "caption 1" not in str(caught.value)


def test_captions_too_long_for_clip_are_listed(settings: Embed, tmp_path: Path) -> None:
    long = settings.model_copy(update={"caption_tokens": 100})
    annotation = annotation_file(
        tmp_path, ["a dog", "a red car drives left on a road and on a road and on a road"]
    )
    with pytest.raises(InputError, match=r"CLIP reads 1 to 40 tokens.*\n.*on a road and on a road"):
        run(long, annotation, tmp_path)


def test_missing_captions_are_listed_by_clip(settings: Embed, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="movie:1, movie:2"):
        run(settings, annotation_file(tmp_path, ["a dog", None, "  "]), tmp_path)


def test_concepts_hold_each_name_alone(settings: Embed, tmp_path: Path) -> None:
    steps.concepts(settings=settings, output=tmp_path / "concepts.safetensors", device="cpu")
    stored = TensorFile(tmp_path / "concepts.safetensors")
    model = CLIPModel.from_pretrained(settings.clip.path).eval()
    tokenizer = AutoTokenizer.from_pretrained(settings.clip.path)
    assert stored["tokens"].shape[0] == stored["mask"].shape[0] == stored["pooled"].shape[0] == 51
    assert stored.metadata["concept_names"] == list(CONCEPTS)
    for index in (0, 10, 50):
        hidden, pooled = alone(model, tokenizer, CONCEPTS[index])
        valid = stored["mask"][index]
        assert valid.sum() == len(hidden)
        np.testing.assert_allclose(stored["tokens"][index][valid], hidden, atol=1e-5)
        np.testing.assert_allclose(stored["pooled"][index], pooled, atol=1e-5)


def test_text_features_do_not_depend_on_the_batch(settings: Embed) -> None:
    model = CLIPModel.from_pretrained(settings.clip.path).eval()
    tokenizer = AutoTokenizer.from_pretrained(settings.clip.path)
    together = text_features(model, tokenizer, CAPTIONS, batch_size=3).pooled
    apart = text_features(model, tokenizer, CAPTIONS[::-1], batch_size=1).pooled.flip(0)
    torch.testing.assert_close(together, apart, atol=1e-6, rtol=1e-5)
