"""The four forms of SSIM against scikit-image, and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from neurons.artifacts import InputError
from neurons.evaluate.similarity import FORMS, ssim


def textures(clips: int, frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 255, (clips, frames, 4, 4, 3))
    smooth = np.kron(coarse, np.ones((1, 1, height // 4, width // 4, 1)))
    return np.clip(smooth + generator.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


def resized(image: np.ndarray, size: int) -> np.ndarray:
    planes = torch.from_numpy(image)[None, None]
    return torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()


def by_scikit_image(form: str, x: np.ndarray, y: np.ndarray) -> float:
    """The call that a published evaluator makes."""
    if form == "ssim_rgb7":
        return float(structural_similarity(x, y, data_range=255, channel_axis=-1))
    gaussian = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    grey = [rgb2gray(image) for image in (x, y)]
    if form == "ssim_gray425":
        grey = [resized(image, 425) for image in grey]
    columns = {"channel_axis": -1} if form == "ssim_columns" else {}
    return float(structural_similarity(*grey, **gaussian, **columns))


TRUTH, PREDICTION = textures(3, 2, 24, 32), textures(3, 2, 24, 32, seed=1)
MIXED = (0.6 * TRUTH + 0.4 * PREDICTION).astype(np.uint8)
PAIRS = np.array([0, 1, 2, 0]), np.array([0, 1, 2, 2])
BLACK, WHITE = np.zeros((1, 1, 16, 16, 3), np.uint8), np.full((1, 1, 16, 16, 3), 255, np.uint8)
FIRST = np.array([0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("prediction", [MIXED, PREDICTION], ids=["like", "unlike"])
def test_equals_scikit_image(form: str, prediction: np.ndarray) -> None:
    values = ssim(FORMS[form], TRUTH, prediction, *PAIRS)
    assert values.shape == (4, 2)
    for k, (i, j) in enumerate(zip(*PAIRS, strict=True)):
        for f in range(2):
            expected = by_scikit_image(form, TRUTH[i, f], prediction[j, f])
            assert values[k, f] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_flat_and_identical_frames(form: str) -> None:
    assert ssim(FORMS[form], TRUTH, TRUTH, np.arange(3), np.arange(3)) == pytest.approx(1.0)
    assert ssim(FORMS[form], BLACK, BLACK, FIRST, FIRST) == pytest.approx(1.0)
    assert ssim(FORMS[form], BLACK, WHITE, FIRST, FIRST) == pytest.approx(1e-4 / (1 + 1e-4))


@pytest.mark.parametrize(
    ("form", "oriented"), [("ssim_gray2d", False), ("ssim_rgb7", False), ("ssim_columns", True)]
)
def test_only_the_columns_form_depends_on_orientation(form: str, oriented: bool) -> None:
    turned = ssim(FORMS[form], TRUTH.swapaxes(2, 3), MIXED.swapaxes(2, 3), *PAIRS)
    straight = ssim(FORMS[form], TRUTH, MIXED, *PAIRS)
    assert np.allclose(turned, straight) is not oriented


@pytest.mark.parametrize("form", FORMS)
def test_company_of_a_pair_does_not_matter(form: str) -> None:
    together = ssim(FORMS[form], TRUTH, MIXED, *PAIRS)
    alone = [ssim(FORMS[form], TRUTH, MIXED, PAIRS[0][[k]], PAIRS[1][[k]])[0] for k in range(4)]
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize(
    ("form", "size"), [("ssim_gray2d", "11 x 11"), ("ssim_columns", "11 x 11"), ("ssim_rgb7", "7 x 7")]
)
def test_frames_smaller_than_the_window_are_refused(form: str, size: str) -> None:
    small = np.zeros((1, 1, 6, 32, 3), np.uint8)
    with pytest.raises(InputError, match=size):
        ssim(FORMS[form], small, small, FIRST, FIRST)
