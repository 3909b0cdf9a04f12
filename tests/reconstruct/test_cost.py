"""What videos cost: arithmetic against hand counts, offloading against none."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.control_image import UnclipModel
from neurons.reconstruct.cost import Cost, Sampling, Shapes, duration, measure, report, run_steps
from neurons.reconstruct.offload import runs_on, take_turns
from neurons.reconstruct.render import Studio
from neurons.reconstruct.video_model import VideoModel
from tests.reconstruct.conftest import FRAME_SIZE, FRAMES, TOKENS

CPU = torch.device("cpu")


def studio(models, settings):
    return Studio(settings, models.vae, models.embed, ClipTiming(2.0, 0.5), CPU, torch.float32)


@pytest.fixture(scope="module")
def costs(models):
    """With and without guidance."""
    shapes = Shapes(FRAMES, FRAME_SIZE, TOKENS)
    return {
        guidance: measure(studio(models, models.changed(guidance=guidance)), shapes, clips=2)
        for guidance in (1.0, 2.0)
    }


def test_guidance_doubles_a_step(costs):
    """All but the embedding of the time step, which both halves share."""
    single, double = costs[1.0].video.step_tflop, costs[2.0].video.step_tflop
    assert 1.98 * single < double < 2 * single
    assert costs[2.0].control.step_tflop == costs[1.0].control.step_tflop


def test_a_step_is_a_forward_pass_of_the_networks(models, costs):
    """Counted by hooks on the convolutions and linear layers of the networks, apart from attention's own products."""
    settings = models.changed(guidance=1.0)
    model = VideoModel.load(settings.video, models.vae, CPU, torch.float32)
    done = []

    def count(module, given, output):
        if isinstance(module, nn.Linear):
            done.append(2 * module.in_features * output.numel())
        elif isinstance(module, nn.Conv2d):
            kernel = module.kernel_size[0] * module.kernel_size[1] * module.in_channels // module.groups
            done.append(2 * kernel * output.numel())

    networks = (model.unet, model.controlnet)
    hooks = [part.register_forward_hook(count) for network in networks for part in network.modules()]
    totals = []
    for steps in (1, 2):
        done.clear()
        model.sample(
            ["x"], torch.rand(1, 3, 16, 16), 0, torch.zeros(1, 16, 4, 4, 4), [0],
            models.changed(guidance=1.0, steps=steps, strength=1.0).video,
        )  # fmt: skip
        totals.append(sum(done))
    for hook in hooks:
        hook.remove()
    by_hand = (totals[1] - totals[0]) / 1e12
    assert by_hand <= costs[1.0].video.step_tflop <= 1.1 * by_hand


def test_weights_are_counted_in_bytes(models, costs):
    model = VideoModel.load(models.settings.video, models.vae, CPU, torch.float32)
    parts = (model.unet, model.controlnet, model.vae, model.text_encoder)
    total = sum(weight.numel() for part in parts for weight in part.parameters())
    assert costs[1.0].video.weights_gib == pytest.approx(4 * total / 2**30)


def test_the_plan_adds_up():
    cost = Cost(Sampling(10, 2.0, 1.0, 4.0), Sampling(20, 3.0, 5.0, 3.0), 1.5, 3, 9.0)
    text = report(cost, clips=1200, samples=2)
    assert "per clip: 151 TFLOP, 1.5 s (measured on 3); peak memory 9.00 GiB" in text
    assert "all clips: 1.81e+05 TFLOP, 30 min" in text
    assert [run_steps(*given) for given in ((25, 1.0), (8, 0.9), (12, 0.01))] == [25, 7, 0]
    assert [duration(seconds) for seconds in (5, 600, 36000)] == ["5 s", "10 min", "10.0 h"]


def test_networks_that_take_turns_push_the_one_before_out():
    """A device where nothing is computed stands in for a card: what moves where can be seen."""
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    take_turns([first, second], torch.device("meta"))
    assert runs_on(first).type == "meta" and first.weight.device.type == "cpu"
    second._hf_hook.pre_forward(second)
    assert second.weight.device.type == "meta" and first.weight.device.type == "cpu"


def test_offloading_changes_no_pixel(models):
    """On the CPU, where waiting and computing are one place."""
    settings = models.changed(steps=2)
    tokens, blurry = torch.zeros(1, TOKENS, 16), torch.zeros(1, 3, 16, 16)
    pictures = [
        UnclipModel.load(settings.control, models.vae, CPU, torch.float32, offload).sample(
            tokens, blurry, [1], settings.control
        )
        for offload in (False, True)
    ]
    assert torch.equal(*pictures)
    videos = [
        VideoModel.load(settings.video, models.vae, CPU, torch.float32, offload).sample(
            ["x"], torch.zeros(1, 3, 16, 16), 0, torch.zeros(1, 16, 4, 4, 4), [0], settings.video
        )
        for offload in (False, True)
    ]
    assert torch.equal(*videos)
