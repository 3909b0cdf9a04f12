"""From decoded outputs to videos: alignment in time, mask emphasis, sizes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from neurons.reconstruct.aggregate import (
    ClipTiming,
    Decoded,
    emphasised_blurry,
    emphasised_controls,
    reconstruct,
)
from neurons.reconstruct.latents import to_frames, to_latents
from neurons.reconstruct.video_model import VideoModel

CPU = torch.device("cpu")
TIMING = ClipTiming(2.0, 0.5)


@pytest.fixture(scope="module")
def model(models):
    return VideoModel.load(models.settings.video, models.vae, CPU, torch.float32)


def decoded(masks):
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(1, 6, 4, 4, 4, generator=generator)
    return Decoded(["a dog"], [1], masks, latents, torch.rand(1, 3, 16, 16, generator=generator))


def changed(models, **values):
    video = values.pop("video", {})
    return models.changed(**video).model_copy(update=values)


def test_without_steps_and_emphasis_the_video_is_the_blurry_video_in_time(model, models):
    """Frame 4 (at 0.5625 s) lies 3/16 of the way from cut frame 1 (0.5 s) to cut frame 2 (0.8333 s)."""
    given = decoded(torch.ones(1, 6, 16, 16))
    videos = reconstruct(given, model, changed(models, mask_floor=1.0, video={"strength": 0.01}), TIMING)
    between = given.latents[:, 1] + 3 / 16 * (given.latents[:, 2] - given.latents[:, 1])
    torch.testing.assert_close(videos.frames[:, 4], to_frames(model.vae, between), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(
        videos.frames[:, 0], to_frames(model.vae, given.latents[:, 0]), atol=1e-4, rtol=1e-3
    )
    torch.testing.assert_close(videos.blurry, to_frames(model.vae, given.latents))
    assert videos.frames.shape == (1, 16, 3, 16, 16)


def test_the_blurry_video_is_dimmed_in_pixels(model, models):
    given = decoded(torch.zeros(1, 6, 16, 16))
    pixels = to_frames(model.vae, given.latents)
    result = emphasised_blurry(given.latents, pixels, given.masks, model, changed(models, mask_floor=0.25))
    torch.testing.assert_close(result, to_latents(model.vae, 0.25 * pixels))


def test_the_blurry_video_is_dimmed_in_latents(model, models):
    given = decoded(torch.zeros(1, 6, 16, 16))
    settings = changed(models, mask_floor=0.25, mask_space="latent")
    pixels = to_frames(model.vae, given.latents)
    torch.testing.assert_close(
        emphasised_blurry(given.latents, pixels, given.masks, model, settings), 0.25 * given.latents
    )


def test_no_emphasis_changes_nothing(model, models):
    given = decoded(torch.zeros(1, 6, 16, 16))
    pixels = to_frames(model.vae, given.latents)
    for space in ("pixel", "latent"):
        settings = changed(models, mask_floor=1.0, mask_space=space)
        torch.testing.assert_close(
            emphasised_blurry(given.latents, pixels, given.masks, model, settings), given.latents
        )
        assert emphasised_controls(given.controls, given.masks[:, 3], model, settings) is given.controls


def test_the_control_image_is_dimmed_where_its_own_frame_shows_no_object(model, models):
    given = decoded(torch.zeros(1, 6, 16, 16))
    given.masks[:, 3, :, :8] = 1
    result = emphasised_controls(given.controls, given.masks[:, 3], model, changed(models, mask_floor=0.5))
    torch.testing.assert_close(result[..., :8], given.controls[..., :8])
    torch.testing.assert_close(result[..., 8:], given.controls[..., 8:] / 2)
    in_latents = changed(models, mask_floor=0.5, mask_space="latent")
    dimmed = emphasised_controls(given.controls, torch.zeros(1, 16, 16), model, in_latents)
    torch.testing.assert_close(dimmed, to_frames(model.vae, to_latents(model.vae, given.controls) / 2))


def test_videos_of_another_size_than_the_blurry_video(model, models):
    settings = changed(models, mask_floor=1.0, video={"frame_size_px": 24})
    videos = reconstruct(decoded(torch.ones(1, 6, 16, 16)), model, settings, TIMING)
    assert videos.frames.shape == (1, 16, 3, 24, 24)
    assert videos.blurry.shape == (1, 6, 3, 16, 16)


@pytest.mark.parametrize(("chosen", "shown"), [("middle", 9), ("first", 0), (0, 0), (4, 4), (15, 15)])
def test_the_control_image_is_given_for_the_chosen_frame(model, models, monkeypatch, chosen, shown):
    frames = []
    original = type(model).sample

    def noting(self, prompts, controls, control_frame, *rest):
        frames.append(control_frame)
        return original(self, prompts, controls, control_frame, *rest)

    monkeypatch.setattr(type(model), "sample", noting)
    settings = changed(models, video={"control_frame": chosen, "steps": 1, "strength": 0.01})
    reconstruct(decoded(torch.ones(1, 6, 16, 16)), model, settings, TIMING)
    assert frames == [shown]


def test_a_frame_that_does_not_exist_is_refused(models):
    with pytest.raises(ValueError, match="control_frame 16 is not one of the 16 frames"):
        models.changed(control_frame=16)


def test_each_condition_can_be_left_out(model, models):
    """A video does not depend on a condition that is left out, and does on each of the others."""
    given = decoded(torch.rand(1, 6, 16, 16, generator=torch.Generator().manual_seed(1)))
    other = decoded(torch.rand(1, 6, 16, 16, generator=torch.Generator().manual_seed(2)))
    inputs = {
        "mask": replace(given, masks=other.masks),
        "control": replace(given, controls=torch.zeros_like(given.controls)),
        "blurry": replace(given, latents=torch.zeros_like(given.latents)),
    }
    without = {
        "mask": {"mask_floor": 1.0},
        "control": {"video": {"control_scale": 0.0}},
        "blurry": {"video": {"strength": 1.0}},
    }
    for left_out, values in without.items():
        settings = changed(models, **values)
        own = VideoModel.load(settings.video, models.vae, CPU, torch.float32)
        usual = reconstruct(given, own, settings, TIMING).frames
        for name, changed_input in inputs.items():
            equal = torch.equal(reconstruct(changed_input, own, settings, TIMING).frames, usual)
            assert equal == (name == left_out), (left_out, name)
