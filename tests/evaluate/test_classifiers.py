"""Frozen models: the same features for any batch size and company of clips."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import VideoMAEForVideoClassification, VideoMAEImageProcessor

from neurons.artifacts import InputError
from neurons.evaluate.classifiers import describe_videos
from neurons.evaluate.settings import Evaluate
from neurons.sections import Model
from tests.evaluate.conftest import FRAMES, save_models

CPU = torch.device("cpu")
VIDEOS = np.random.default_rng(0).integers(0, 255, (5, FRAMES, 40, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Evaluate:
    return save_models(tmp_path_factory.mktemp("models"))


def described(videos: np.ndarray, settings: Evaluate) -> dict[str, np.ndarray]:
    return describe_videos(videos, settings, CPU, torch.float32)[0]


def test_shapes_and_facts(settings: Evaluate) -> None:
    arrays, facts = describe_videos(VIDEOS, settings, CPU, torch.float32)
    assert arrays["frame_probabilities"].shape == (5, FRAMES, 60)
    assert arrays["video_probabilities"].shape == (5, 55)
    assert arrays["clip"].shape == (5, FRAMES, 16)
    assert arrays["video_embedding"].shape == (5, 32)
    assert "gate" not in arrays
    assert (facts["frame_classes"], facts["video_classes"]) == (60, 55)
    for name in ("frame_probabilities", "video_probabilities"):
        np.testing.assert_allclose(arrays[name].sum(-1), 1, rtol=1e-5)


def test_batch_size_does_not_matter(settings: Evaluate) -> None:
    large = described(VIDEOS, settings)
    small = described(VIDEOS, settings.model_copy(update={"batch_size": 1}))
    for name, values in large.items():
        np.testing.assert_allclose(small[name], values, atol=1e-5)


def test_other_clips_do_not_matter(settings: Evaluate) -> None:
    together, order = described(VIDEOS, settings), [3, 0]
    apart = described(VIDEOS[order], settings)
    for name, values in apart.items():
        np.testing.assert_allclose(values, together[name][order], atol=1e-5)


def test_video_classifier_by_hand(settings: Evaluate) -> None:
    folder = settings.video_classifier.path
    model = VideoMAEForVideoClassification.from_pretrained(folder).eval()
    pixels = VideoMAEImageProcessor.from_pretrained(folder)(list(VIDEOS[2]), return_tensors="pt")[
        "pixel_values"
    ]
    with torch.no_grad():
        expected = torch.softmax(model(pixels.reshape(1, FRAMES, 3, 32, 32)).logits, -1)[0]
    np.testing.assert_allclose(described(VIDEOS, settings)["video_probabilities"][2], expected, atol=1e-5)


def test_video_embedding_is_what_the_last_layer_sees(settings: Evaluate) -> None:
    arrays = described(VIDEOS, settings)
    last = VideoMAEForVideoClassification.from_pretrained(settings.video_classifier.path).classifier
    with torch.no_grad():
        expected = torch.softmax(last(torch.from_numpy(arrays["video_embedding"])), -1).numpy()
    np.testing.assert_allclose(arrays["video_probabilities"], expected, atol=1e-6)


def test_gate_is_the_mean_frame_embedding_of_its_model(settings: Evaluate) -> None:
    arrays = described(VIDEOS, settings.model_copy(update={"gate": settings.clip}))
    np.testing.assert_allclose(arrays["gate"], arrays["clip"].mean(1), atol=1e-6)


def test_other_number_of_frames_is_refused(settings: Evaluate) -> None:
    with pytest.raises(InputError, match="takes 6 frames, clips have 4"):
        described(VIDEOS[:, :4], settings)


def test_folder_without_a_model_is_refused(settings: Evaluate, tmp_path: Path) -> None:
    missing = settings.model_copy(update={"frame_classifier": Model(path=str(tmp_path))})
    with pytest.raises(
        InputError, match=r"evaluate\.frame_classifier: ViTForImageClassification cannot be loaded"
    ):
        described(VIDEOS, missing)
