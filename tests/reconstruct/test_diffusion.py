"""The sampler's shared parts, against closed forms and diffusers' own pipelines' schedule."""

from __future__ import annotations

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from neurons.reconstruct import diffusion

CPU = torch.device("cpu")


def ddim(**options):
    return DDIMScheduler(clip_sample=False, timestep_spacing="trailing", **options)


@pytest.mark.parametrize(("strength", "expected"), [(1.0, 10), (0.8, 8), (0.25, 2), (0.05, 0), (0.04, 0)])
def test_strength_is_the_share_of_the_trajectory_that_is_run(strength, expected):
    scheduler = ddim()
    run = diffusion.trajectory(scheduler, 10, strength, CPU)
    full = diffusion.trajectory(scheduler, 10, 1.0, CPU)
    assert len(run) == expected
    assert run.tolist() == full.tolist()[10 - expected :]


def test_the_start_is_noised_to_the_first_step():
    scheduler = ddim()
    clean, noise = torch.randn(3, 4), torch.randn(3, 4)
    timesteps = diffusion.trajectory(scheduler, 10, 0.5, CPU)
    start = diffusion.starting_point(scheduler, clean, noise, timesteps, 0.5)
    kept = scheduler.alphas_cumprod[timesteps[0]]
    assert timesteps[0] == 499
    torch.testing.assert_close(start, kept.sqrt() * clean + (1 - kept).sqrt() * noise)


def test_full_strength_ignores_the_blurry_video_and_none_returns_it():
    scheduler = ddim()
    clean, noise = torch.randn(3, 4), torch.randn(3, 4)
    timesteps = diffusion.trajectory(scheduler, 10, 1.0, CPU)
    torch.testing.assert_close(diffusion.starting_point(scheduler, clean, noise, timesteps, 1.0), noise)
    assert diffusion.starting_point(scheduler, clean, noise, timesteps[:0], 0.01) is clean


@pytest.mark.parametrize("kind", [DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler])
@pytest.mark.parametrize("strength", [0.3, 0.7, 1.0])
def test_a_perfect_network_recovers_the_clean_signal(kind, strength):
    """The exact noise of a single known point leads back to that point from wherever the trajectory starts."""
    options = {"clip_sample": False, "set_alpha_to_one": True} if kind is DDIMScheduler else {}
    scheduler = kind(timestep_spacing="trailing", **options)
    clean, noise = torch.randn(2, 3), torch.randn(2, 3)
    timesteps = diffusion.trajectory(scheduler, 10, strength, CPU)
    start = diffusion.starting_point(scheduler, clean, noise, timesteps, strength)
    of_clips = diffusion.generators([1, 2])

    def predict(scaled, step):
        kept = scheduler.alphas_cumprod[step.long()]
        return (scaled - kept.sqrt() * clean) / (1 - kept).sqrt()

    result = diffusion.denoise(scheduler, start, timesteps, predict, of_clips)
    torch.testing.assert_close(result, clean, atol=2e-3, rtol=1e-2)


def test_guidance_extrapolates_from_unconditional_to_conditional():
    def network(latents, step):
        half = len(latents) // 2
        return torch.cat([torch.zeros(half, 2), torch.ones(half, 2)])

    latents, step = torch.randn(3, 2), torch.tensor(5)
    torch.testing.assert_close(diffusion.with_guidance(network, 4.0)(latents, step), torch.full((3, 2), 4.0))
    given, without = torch.ones(3, 2), torch.zeros(3, 2)
    assert diffusion.doubled(without, given, 1.0) is given
    torch.testing.assert_close(diffusion.doubled(without, given, 2.0), torch.cat([without, given]))


def test_noise_is_a_function_of_the_clips_own_seed():
    alone = diffusion.draw_noise(diffusion.generators([7]), (2, 3), CPU)
    together = diffusion.draw_noise(diffusion.generators([6, 7, 8]), (2, 3), CPU)
    assert torch.equal(alone[0], together[1])
    assert not torch.equal(together[0], together[1])
