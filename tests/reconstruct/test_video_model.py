"""The video model: independence of clips, seeds, strength, control, guidance."""

from __future__ import annotations

import logging

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from torch import nn

from neurons.artifacts import InputError
from neurons.reconstruct.loading import load_scheduler
from neurons.reconstruct.video_model import Remembering, VideoModel
from neurons.sections import Model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model(models):
    return VideoModel.load(models.settings.video, models.vae, CPU, torch.float32)


def inputs(frames=16):
    generator = torch.Generator().manual_seed(5)
    return {
        "prompts": ["a dog", "a red car", ""],
        "controls": torch.rand(3, 3, 16, 16, generator=generator),
        "blurry": torch.randn(3, frames, 4, 4, 4, generator=generator),
        "seeds": [11, 12, 13],
    }


def sample(model, settings, rows=(0, 1, 2), control_frame=9, **changed):
    given = {**inputs(settings.video.frames), **changed}
    chosen = {
        name: [values[i] for i in rows] if isinstance(values, list) else values[list(rows)]
        for name, values in given.items()
    }
    return model.sample(control_frame=control_frame, settings=settings.video, **chosen)


@pytest.fixture(scope="module")
def usual(model, models):
    return sample(model, models.settings)


def test_videos_do_not_depend_on_the_other_clips_of_the_batch(model, models, usual):
    torch.testing.assert_close(sample(model, models.settings, [1]), usual[[1]], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(sample(model, models.settings, [2, 0]), usual[[2, 0]], atol=1e-4, rtol=1e-3)


def test_the_same_inputs_give_the_same_video(model, models, usual):
    assert torch.equal(sample(model, models.settings), usual)


@pytest.mark.parametrize(
    "changed",
    [
        {"seeds": [11, 12, 14]},
        {"prompts": ["a dog", "a red car", "a fish"]},
        {"controls": torch.cat([inputs()["controls"][:2], torch.zeros(1, 3, 16, 16)])},
        {"blurry": torch.cat([inputs()["blurry"][:2], torch.zeros(1, 16, 4, 4, 4)])},
    ],
    ids=["seed", "prompt", "control", "blurry"],
)
def test_every_input_of_a_clip_changes_that_clip_only(model, models, usual, changed):
    result = sample(model, models.settings, **changed)
    torch.testing.assert_close(result[:2], usual[:2], atol=1e-4, rtol=1e-3)
    assert (result[2] - usual[2]).abs().max() > 1e-3


def test_a_vanishing_strength_returns_the_blurry_video(model, models):
    torch.testing.assert_close(sample(model, models.changed(strength=0.01)), inputs()["blurry"])


def test_the_weaker_the_closer_to_the_blurry_video(model, models):
    distances = [
        (sample(model, models.changed(strength=strength, guidance=1.0)) - inputs()["blurry"]).std()
        for strength in (0.25, 0.5, 1.0)
    ]
    assert distances == sorted(distances)


def test_full_strength_ignores_the_blurry_video(model, models):
    settings = models.changed(strength=1.0)
    other = sample(model, settings, [0], blurry=torch.zeros(3, 16, 4, 4, 4))
    assert torch.equal(sample(model, settings, [0]), other)


def test_the_control_image_without_weight_has_no_effect(model, models):
    """SparseCtrl's residuals times 0 are what no SparseCtrl at all gives, so it is not loaded."""
    settings = models.changed(control_scale=0.0)
    without = VideoModel.load(settings.video, models.vae, CPU, torch.float32)
    assert without.controlnet is None
    found = sample(without, settings, [0])
    torch.testing.assert_close(found, sample(model, settings, [0]))
    assert torch.equal(found, sample(without, settings, [0], controls=torch.zeros(3, 3, 16, 16)))


def test_without_guidance_the_network_sees_each_clip_once(model, models):
    model.remembered.clear()
    seen = []
    hook = model.unet.register_forward_pre_hook(lambda module, given: seen.append(len(given[0])))
    encoded = []
    text_hook = model.text_encoder.register_forward_pre_hook(
        lambda module, args, given: encoded.append(len((args or list(given.values()))[0])), with_kwargs=True
    )
    sample(model, models.changed(guidance=1.0), [0, 1])
    alone, texts_alone = set(seen), encoded[:]
    seen.clear()
    sample(model, models.changed(guidance=2.0, negative_prompt="never seen before"), [0, 1])
    sample(model, models.changed(guidance=2.0, negative_prompt="never seen before"), [0, 1])
    hook.remove()
    text_hook.remove()
    assert alone == {2} and set(seen) == {4}
    assert texts_alone == [2]
    assert encoded == [2, 1], "what was encoded for the call before is not encoded again"


@pytest.mark.parametrize(
    "scheduler", ["LCMScheduler", "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"]
)
def test_few_step_samplers_keep_clips_apart(models, scheduler):
    """LCM and ancestral samplers draw noise at every step: each clip's from its own generator."""
    options = {"timestep_spacing": "trailing"}
    settings = models.changed(scheduler=scheduler, scheduler_options=options, steps=4, guidance=1.0)
    model = VideoModel.load(settings.video, models.vae, CPU, torch.float32)
    whole = sample(model, settings)
    assert whole.isfinite().all()
    torch.testing.assert_close(sample(model, settings, [1]), whole[[1]], atol=1e-3, rtol=1e-3)


def test_the_control_image_guides_the_frame_it_is_given_for(model, models, usual):
    assert (sample(model, models.settings, [0], control_frame=0)[0] - usual[0]).abs().max() > 1e-3


def test_guidance_of_one_is_the_conditional_model(model, models):
    """Scales 1, 2 and 3 lie on one line in each prediction, so one step from equal latents does too."""
    one, two, three = (
        sample(model, models.changed(guidance=guidance, steps=4, strength=0.25), [0])
        for guidance in (1.0, 2.0, 3.0)
    )
    torch.testing.assert_close(two - one, three - two, atol=1e-4, rtol=1e-3)


def test_prompts_that_are_too_long_are_reported(model, caplog):
    with caplog.at_level(logging.WARNING, logger="neurons"):
        model.encode(["a dog"])
        assert not caplog.messages
        model.encode(["dog" * 60])
    assert "longer than 64 tokens" in caplog.text


def test_a_network_that_remembers_runs_once_per_input():
    class Counting(nn.Module):
        runs = 0

        def forward(self, given):
            self.runs += 1
            return given + 1

    network = Remembering(Counting())
    first, second = torch.zeros(2), torch.ones(2)
    for given in (first, first.clone(), second, second, first):
        torch.testing.assert_close(network(given), given + 1)
    assert network.network.runs == 3


def test_a_missing_model_names_the_key_and_the_folder(models):
    settings = models.changed(base={"path": "no/such/folder"})
    with pytest.raises(InputError, match=r"reconstruct\.video\.base.*no/such/folder"):
        VideoModel.load(settings.video, models.vae, CPU, torch.float32)
    with pytest.raises(InputError, match=r"embed\.vae"):
        VideoModel.load(models.settings.video, Model(path="no/such/folder"), CPU, torch.float32)


def test_the_sampler_is_the_one_the_configuration_names(models):
    video = models.settings.video.model_copy(update={"scheduler": "DPMSolverMultistepScheduler"})
    settings = models.settings.model_copy(update={"video": video})
    model = VideoModel.load(video, models.vae, CPU, torch.float32)
    assert isinstance(model.scheduler, DPMSolverMultistepScheduler)
    own = load_scheduler(models.settings.video.base, "reconstruct.video.base")
    assert model.scheduler.config.prediction_type == own.config.prediction_type
    assert sample(model, settings, rows=(0, 1)).isfinite().all()


@pytest.mark.parametrize("name", ["UNetMotionModel", "DPMSolver", "torch"])
def test_a_sampler_that_diffusers_lacks_is_refused_with_the_key(models, name):
    with pytest.raises(InputError, match=rf"reconstruct.video.scheduler names '{name}'.*DDIMScheduler"):
        load_scheduler(models.settings.video.base, "reconstruct.video.base", name)
