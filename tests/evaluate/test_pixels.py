"""SSIM and PSNR against scikit-image, and at the edges."""

import numpy as np
import pytest
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from neurons.artifacts import InputError
from neurons.evaluate.pixels import WindowedMoments, check_videos, psnr, ssim


def textures(clips: int, frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (clips, frames, 4, 4, 3))
    smooth = np.kron(coarse, np.ones((1, 1, height // 4, width // 4, 1)))
    return np.clip(smooth + generator.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


TRUTH, PREDICTION = textures(3, 2, 24, 32), textures(3, 2, 24, 32, seed=1)
PAIRS = np.array([0, 1, 2, 0]), np.array([0, 1, 2, 2])


def test_ssim_equals_scikit_image() -> None:
    mixed = (0.6 * TRUTH + 0.4 * PREDICTION).astype(np.uint8)
    values = ssim(WindowedMoments(TRUTH), WindowedMoments(mixed), *PAIRS)
    for k, (i, j) in enumerate(zip(*PAIRS, strict=True)):
        for f in range(2):
            expected = structural_similarity(
                rgb2gray(TRUTH[i, f]), rgb2gray(mixed[j, f]), data_range=1, gaussian_weights=True,
                sigma=1.5, use_sample_covariance=False,
            )  # fmt: skip
            assert values[k, f] == pytest.approx(expected, abs=1e-9)


def test_psnr_equals_scikit_image() -> None:
    values = psnr(TRUTH, PREDICTION)
    for i in range(3):
        for f in range(2):
            expected = peak_signal_noise_ratio(TRUTH[i, f], PREDICTION[i, f], data_range=255)
            assert values[i, f] == pytest.approx(expected)


def test_identical_frames() -> None:
    moments = WindowedMoments(TRUTH)
    assert ssim(moments, moments, np.arange(3), np.arange(3)) == pytest.approx(1.0)
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
    first = np.array([0])
    assert ssim(WindowedMoments(black), WindowedMoments(white), first, first) == pytest.approx(
        1e-4 / (1 + 1e-4)
    )
    assert ssim(WindowedMoments(black), WindowedMoments(black), first, first) == pytest.approx(1.0)


def test_transposed_images_have_the_same_ssim() -> None:
    turned = [WindowedMoments(video.swapaxes(2, 3)) for video in (TRUTH, PREDICTION)]
    straight = [WindowedMoments(video) for video in (TRUTH, PREDICTION)]
    np.testing.assert_allclose(ssim(*turned, *PAIRS), ssim(*straight, *PAIRS))


@pytest.mark.parametrize(
    "wrong", [PREDICTION[:, :, :20], PREDICTION[:, :1], PREDICTION[..., :1], PREDICTION / 255]
)
def test_unequal_videos_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"videos\.safetensors.*(must agree|uint8)"):
        check_videos(TRUTH, wrong, "videos.safetensors")


def test_frames_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(InputError, match="11 x 11"):
        WindowedMoments(np.zeros((1, 1, 10, 32, 3), np.uint8))
