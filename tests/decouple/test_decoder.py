"""The text-driven decoder: a clip's result is its own."""

from __future__ import annotations

import copy

import pytest
import torch

from neurons.decouple.decoder import TextDrivenDecoder


@pytest.fixture(scope="module")
def decoder() -> TextDrivenDecoder:
    torch.manual_seed(0)
    return TextDrivenDecoder(3, 16, 8, 10, 16, (32, 32), (4, 6, 6), dropout=0.3).eval()


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    valid = torch.ones(5, 4, dtype=torch.bool)
    valid[1, 2:] = False
    return (
        torch.randn(5, 3, 16, 8, generator=generator),
        torch.randn(5, 4, 10, generator=generator),
        valid,
    )


def decode(decoder: TextDrivenDecoder, *arguments: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        features = decoder.features(*arguments)
        return decoder.masks(features), decoder.latents(features)


def test_shapes(decoder: TextDrivenDecoder) -> None:
    masks, latents = decode(decoder, *inputs())
    assert masks.shape == (5, 3, 32, 32)
    assert latents.shape == (5, 3, 4, 6, 6)


def test_results_do_not_depend_on_the_other_clips_of_the_batch(decoder: TextDrivenDecoder) -> None:
    video, text, valid = inputs()
    together = decode(decoder, video, text, valid)
    for clip in range(5):
        alone = decode(decoder, *(part[clip : clip + 1] for part in (video, text, valid)))
        for one, other in zip(alone, together, strict=True):
            torch.testing.assert_close(one[0], other[clip], atol=1e-5, rtol=1e-4)


def test_text_tokens_that_do_not_exist_have_no_influence(decoder: TextDrivenDecoder) -> None:
    video, text, valid = inputs()
    changed = text.clone()
    changed[1, 2:] = 99.0
    for one, other in zip(
        decode(decoder, video, text, valid), decode(decoder, video, changed, valid), strict=True
    ):
        assert torch.equal(one, other)


def test_the_own_text_matters_and_differs_over_space(decoder: TextDrivenDecoder) -> None:
    """With one pooled text the attention would be constant over the image; with tokens it is not."""
    video, text, valid = inputs()
    difference = decode(decoder, video, text, valid)[0] - decode(decoder, video, text.flip(0), valid)[0]
    assert float(difference[0].std()) > 1e-4


def test_a_frame_knows_the_other_frames_and_its_place_among_them(decoder: TextDrivenDecoder) -> None:
    video, text, valid = (part[:1] for part in inputs())
    masks = decode(decoder, video, text, valid)[0]
    changed = video.clone()
    changed[:, 2] = torch.randn(16, 8, generator=torch.Generator().manual_seed(2))
    assert float((decode(decoder, changed, text, valid)[0] - masks)[:, 0].abs().max()) > 1e-5
    coded = copy.deepcopy(decoder)
    torch.nn.init.normal_(coded.frame_code)
    still = video[:, :1].expand(-1, 3, -1, -1)
    frames = decode(coded, still, text, valid)[0][0]
    assert float((frames[0] - frames[1]).abs().max()) > 1e-5


def test_tokens_that_form_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="15 image tokens"):
        TextDrivenDecoder(3, 15, 8, 10, 16, (32, 32), (4, 6, 6), dropout=0.0)
