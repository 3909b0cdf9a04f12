"""Features kept by content: no model runs twice on the same pixels, and never for other ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from neurons.evaluate import cache
from neurons.evaluate.cache import describe_once
from neurons.evaluate.settings import Evaluate
from tests.evaluate.conftest import FRAMES, save_models

CPU = torch.device("cpu")
VIDEOS = np.random.default_rng(0).integers(0, 255, (3, FRAMES, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def settings(tmp_path: Path) -> Evaluate:
    return save_models(tmp_path / "models")


def described(videos: np.ndarray, settings: Evaluate, folder: Path) -> dict[str, np.ndarray]:
    return describe_once(videos, settings, CPU, torch.float32, folder)[0]


def test_the_second_time_no_model_runs(
    settings: Evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = described(VIDEOS, settings, tmp_path / "kept")
    monkeypatch.setattr(cache, "describe_videos", lambda *_: pytest.fail("a model ran"))
    second = described(VIDEOS.copy(), settings, tmp_path / "kept")
    assert first.keys() == second.keys()
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_other_pixels_settings_or_models_are_looked_at(settings: Evaluate, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    described(VIDEOS, settings, kept)
    other = VIDEOS.copy()
    other[0, 0, 0, 0, 0] ^= 1
    described(other, settings, kept)
    described(VIDEOS.reshape(3, FRAMES, 16, 64, 3), settings, kept)
    assert len(list(kept.iterdir())) == 3
    weights = Path(settings.clip.path) / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    described(VIDEOS, settings, kept)
    described(VIDEOS, settings.model_copy(update={"gate": settings.clip}), kept)
    assert len(list(kept.iterdir())) == 5


def test_without_a_folder_nothing_is_kept(settings: Evaluate, tmp_path: Path) -> None:
    arrays, models = describe_once(VIDEOS, settings, CPU, torch.float32, None)
    assert set(models) == {"frame_classifier", "video_classifier", "clip"}
    assert arrays["video_embedding"].shape == (3, 32)
    assert [path.name for path in tmp_path.iterdir()] == ["models"]
