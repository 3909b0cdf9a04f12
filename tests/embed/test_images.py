"""CLIP image features against a computation by hand from the model's parts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessor, CLIPModel

from neurons.artifacts import InputError, TensorFile
from neurons.embed import steps
from neurons.embed.clip_images import pixel_values
from neurons.embed.settings import ClipSizes, Embed


def by_hand(folder: Path, pixels: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and embedding from the model's layers, one picture at a time."""
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    vision = model.vision_model
    tokens, images = [], []
    with torch.no_grad():
        for picture in pixels:
            patches = vision.embeddings.patch_embedding(picture[None]).flatten(2).transpose(1, 2)
            start = vision.embeddings.class_embedding[None, None]
            hidden = torch.cat([start, patches], 1) + vision.embeddings.position_embedding.weight
            hidden = vision.pre_layrnorm(hidden)
            for layer in vision.encoder.layers:
                hidden = layer(hidden, attention_mask=None)
                hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            final = vision.post_layernorm(hidden)[0]
            image = model.visual_projection(final[0])
            tokens.append(final[1:].numpy())
            images.append((image / image.norm()).numpy())
    return np.array(tokens), np.array(images)


def normalised(pictures: np.ndarray, values: float, offset: float) -> torch.Tensor:
    """Channel-first pictures: ((values * x + offset) - mean) / std for x in [0, 1]."""
    mean, std = np.array([0.4, 0.45, 0.5]), np.array([0.2, 0.25, 0.3])
    scaled = (values * pictures.reshape(-1, *pictures.shape[2:]) / 255 + offset - mean) / std
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2)).float()


@pytest.mark.parametrize(("input_range", "scale", "offset"), [("unit", 1, 0), ("mindeye2", 0.5, 0.5)])
def test_features_are_the_models_own(
    settings: Embed,
    frames: Path,
    pictures: np.ndarray,
    tmp_path: Path,
    input_range: str,
    scale: float,
    offset: float,
) -> None:
    chosen = settings.model_copy(update={"clip_input_range": input_range})
    steps.images(
        movies=["movie"],
        frames=[frames],
        settings=chosen,
        outputs=[tmp_path / "tokens.safetensors"],
        device="cpu",
    )
    tokens, images = by_hand(Path(settings.clip.path), normalised(pictures, scale, offset))
    stored = TensorFile(tmp_path / "tokens.safetensors")
    assert stored["tokens"].shape == (3, 6, 16, 32)
    assert stored["tokens"].dtype == stored["image"].dtype == np.float16
    assert stored.clip_ids == ["movie:0", "movie:1", "movie:2"]
    np.testing.assert_allclose(stored["tokens"].reshape(tokens.shape), tokens, atol=4e-3)
    np.testing.assert_allclose(stored["image"].reshape(images.shape), images, atol=1e-3)


def test_batch_size_does_not_matter(settings: Embed, frames: Path, tmp_path: Path) -> None:
    results = []
    for size in (1, 4, 18):
        path = tmp_path / f"{size}.safetensors"
        steps.images(
            movies=["movie"],
            frames=[frames],
            settings=settings.model_copy(update={"batch_size": size}),
            outputs=[path],
            device="cpu",
        )
        results.append(np.asarray(TensorFile(path)["tokens"], np.float32))
    np.testing.assert_allclose(results[1], results[0], atol=2e-3)
    np.testing.assert_allclose(results[2], results[0], atol=2e-3)


def test_same_input_gives_the_same_bytes(settings: Embed, frames: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        steps.images(
            movies=["movie"], frames=[frames], settings=settings, outputs=[tmp_path / name], device="cpu"
        )
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_processor_decides_size(models_folder: Path) -> None:
    processor = CLIPImageProcessor.from_pretrained(models_folder / "clip")
    grey = np.full((1, 64, 64, 3), 102, np.uint8)
    values = pixel_values(grey, processor, "unit")
    assert values.shape == (1, 3, 32, 32)
    np.testing.assert_allclose(
        values[0, :, 5, 5], (0.4 - np.array([0.4, 0.45, 0.5])) / [0.2, 0.25, 0.3], atol=1e-5
    )


def test_resize_is_told(
    models_folder: Path, settings: Embed, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from neurons.artifacts import provenance, write_tensors

    path = tmp_path / "large.safetensors"
    write_tensors(
        path, {"frames": np.zeros((1, 2, 40, 40, 3), np.uint8)}, provenance("test", {}), ["movie:0"]
    )
    steps.images(movies=["movie"], frames=[path], settings=settings, outputs=[tmp_path / "out"], device="cpu")
    assert "40 x 40 px are resized to the 32 x 32 px" in caplog.text


def test_a_model_of_other_sizes_than_the_configuration_names_is_refused(
    settings: Embed, frames: Path, tmp_path: Path
) -> None:
    right = ClipSizes(tokens=16, channels=32, joint=24, text=32)
    arguments = {"movies": ["movie"], "frames": [frames], "outputs": [tmp_path / "tokens.safetensors"]}
    steps.images(settings=settings.model_copy(update={"clip_sizes": right}), device="cpu", **arguments)
    wrong = right.model_copy(update={"channels": 1664})
    with pytest.raises(InputError, match=r"channels 32.*clip_sizes expects tokens 16, channels 1664"):
        steps.images(settings=settings.model_copy(update={"clip_sizes": wrong}), device="cpu", **arguments)
