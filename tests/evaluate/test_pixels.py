"""PSNR against scikit-image, and which videos may be compared."""

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from neurons.artifacts import InputError
from neurons.evaluate.pixels import check_videos, psnr


def textures(clips: int, frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (clips, frames, 4, 4, 3))
    smooth = np.kron(coarse, np.ones((1, 1, height // 4, width // 4, 1)))
    return np.clip(smooth + generator.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


TRUTH, PREDICTION = textures(3, 2, 24, 32), textures(3, 2, 24, 32, seed=1)


def test_psnr_equals_scikit_image() -> None:
    values = psnr(TRUTH, PREDICTION)
    for i in range(3):
        for f in range(2):
            expected = peak_signal_noise_ratio(TRUTH[i, f], PREDICTION[i, f], data_range=255)
            assert values[i, f] == pytest.approx(expected)


def test_identical_frames() -> None:
    assert (psnr(TRUTH, TRUTH) == 100).all()


def test_one_grey_level_in_one_value_is_not_capped() -> None:
    changed = TRUTH.copy()
    changed[0, 0, 0, 0, 0] ^= 1
    values = psnr(TRUTH, changed)
    assert values[0, 0] == pytest.approx(10 * np.log10(255**2 * 24 * 32 * 3))
    assert (values.ravel()[1:] == 100).all()


def test_black_against_white() -> None:
    black, white = np.zeros((1, 1, 16, 16, 3), np.uint8), np.full((1, 1, 16, 16, 3), 255, np.uint8)
    assert psnr(black, white) == pytest.approx(0.0)


@pytest.mark.parametrize(
    "wrong", [PREDICTION[:, :, :20], PREDICTION[:, :1], PREDICTION[..., :1], PREDICTION / 255]
)
def test_unequal_videos_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"videos\.safetensors.*(must agree|uint8)"):
        check_videos(TRUTH, wrong, "videos.safetensors")
