"""The diffusion miniatures: their training material and parts, and the shipped weights in diffusers' pipelines."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffSparseControlNetPipeline,
    AutoencoderKL,
    DDIMScheduler,
    MotionAdapter,
    SparseControlNetModel,
    UNet2DConditionModel,
    UNetMotionModel,
)
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTokenizer

from neurons.artifacts import read_table
from neurons.simulate.miniatures import (
    data,
    motion,
    sparse_control,
    steps_control,
    steps_unclip,
    steps_video,
    text,
    text_to_image,
    unclip,
)
from neurons.simulate.miniatures.layout import PROMPTS, load_pool
from neurons.simulate.miniatures.optimise import optimise
from neurons.simulate.miniatures.quality_diffusion import VideoModel
from neurons.simulate.miniatures.sampling import sample
from neurons.simulate.miniatures.vae import decode, encode, new_autoencoder, standardise_latents
from neurons.simulate.world import combinations

MINIATURES = Path(__file__).parents[2] / "resources" / "miniatures"
VIDEO = MINIATURES / "video"


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(MINIATURES / "vae", local_files_only=True).eval()


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    rng = np.random.default_rng(404)
    return data.draw_frames(rng, data.draw_scenes(rng, 48, "test"))


def load_pipeline(vae: AutoencoderKL) -> AnimateDiffSparseControlNetPipeline:
    pipeline = AnimateDiffSparseControlNetPipeline(
        vae=vae,
        text_encoder=CLIPTextModel.from_pretrained(
            VIDEO / "text_encoder", dtype=torch.float32, local_files_only=True
        ),
        tokenizer=CLIPTokenizer.from_pretrained(VIDEO / "tokenizer", local_files_only=True),
        unet=UNet2DConditionModel.from_pretrained(VIDEO / "unet", local_files_only=True),
        motion_adapter=MotionAdapter.from_pretrained(VIDEO / "motion_adapter", local_files_only=True),
        controlnet=SparseControlNetModel.from_pretrained(VIDEO / "controlnet", local_files_only=True),
        scheduler=DDIMScheduler.from_pretrained(VIDEO / "scheduler", local_files_only=True),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def video_of(
    pipeline: AnimateDiffSparseControlNetPipeline, prompt: str, picture: np.ndarray, scale: float
) -> np.ndarray:
    frames = pipeline(
        prompt,
        num_frames=4,
        num_inference_steps=6,
        guidance_scale=4.0,
        conditioning_frames=[Image.fromarray(picture)],
        controlnet_frame_indices=[0],
        controlnet_conditioning_scale=scale,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    ).frames
    return np.asarray(frames)[0]


def test_frames_survive_the_way_to_tensors_and_back() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=-1)
    tensor = data.to_tensor(levels)
    assert tensor.shape == (1, 3, 16, 16)
    assert float(tensor.min()) == -1.0
    assert float(tensor.max()) == 1.0
    assert np.array_equal(data.to_frames(tensor), levels)


def test_psnr_has_its_closed_form() -> None:
    truth = np.full((2, 4, 4, 3), 100, np.uint8)
    estimate = truth.copy()
    estimate[0] += 10
    estimate[1, 0, 0, 0] += 10
    expected = [20 * np.log10(255 / 10), 20 * np.log10(255 / 10) + 10 * np.log10(48)]
    assert np.allclose(data.psnr_db(truth, estimate), expected)


def test_training_scenes_never_show_test_combinations() -> None:
    scenes = data.draw_scenes(np.random.default_rng(0), 500, "train")
    seen = {(scene.main.kind, scene.main.colour, scene.place, scene.main.motion) for scene in scenes}
    assert not seen & set(combinations("test"))


def test_clips_begin_anywhere_in_the_scene_and_last_two_seconds() -> None:
    rng = np.random.default_rng(0)
    scenes = data.draw_scenes(rng, 3, "train")
    clips = data.draw_clips(rng, scenes, 16)
    assert clips.shape == (3, 16, 64, 64, 3)
    moving = [scene.main.motion != "still" for scene in scenes]
    changed = [bool((clip[0] != clip[-1]).any()) for clip in clips]
    assert changed == moving


def test_processes_that_draw_change_no_pixel() -> None:
    scenes = data.draw_scenes(np.random.default_rng(1), 5, "train")
    alone, shared = (data.draw_clips(np.random.default_rng(2), scenes, 4, workers) for workers in (1, 2))
    assert np.array_equal(alone, shared)
    frames = [data.draw_frames(np.random.default_rng(3), scenes, workers) for workers in (1, 2)]
    assert np.array_equal(*frames)
    assert frames[0].shape == (5, 64, 64, 3)


def test_prompts_of_drawn_clips_are_told_in_the_tokens_of_the_model_that_learns(
    tmp_path: Path, vae: AutoencoderKL
) -> None:
    steps_video.draw_clips(output=MINIATURES, work=tmp_path, clips=3)
    prompts = read_table(tmp_path / PROMPTS)["prompts"].map(list).to_list()
    shipped = CLIPTokenizer.from_pretrained(VIDEO / "tokenizer", local_files_only=True)
    for tokenizer in (shipped, text.prompt_tokenizer()):
        pool = load_pool(tmp_path, tokenizer)
        told = [
            tokenizer.batch_decode(of_clip.tolist(), skip_special_tokens=True) for of_clip in pool.token_ids
        ]
        plain = [
            [prompt.replace(",", " ,").replace("/", " / ").split() for prompt in each] for each in prompts
        ]
        assert [[words.split() for words in each] for each in told] == plain


def test_standardising_latents_changes_no_reconstruction(frames: np.ndarray) -> None:
    torch.manual_seed(0)
    fresh = new_autoencoder().eval()
    with torch.no_grad():
        before = fresh.decode(fresh.encode(data.to_tensor(frames)).latent_dist.mode()).sample
        scale = encode(fresh, frames).std(dim=(0, 2, 3))[:, None, None]
        deviation = fresh.encode(data.to_tensor(frames)).latent_dist.std / scale
        standardise_latents(fresh, frames)
        after = fresh.decode(fresh.encode(data.to_tensor(frames)).latent_dist.mode()).sample
        assert torch.allclose(fresh.encode(data.to_tensor(frames)).latent_dist.std, deviation, rtol=1e-3)
    latents = encode(fresh, frames)
    assert torch.allclose(before, after, atol=1e-4)
    assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(8), atol=1e-3)
    assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(8), atol=1e-3)


def test_optimiser_leaves_the_moving_average_of_a_known_problem() -> None:
    target = torch.tensor([1.0, -2.0, 3.0])
    weights = torch.nn.Parameter(torch.zeros(3))
    rows = optimise([weights], lambda: (weights - target).square().sum(), 400, 0.1, lambda row: None)
    assert torch.allclose(weights.detach(), target, atol=0.05)
    assert [row.step for row in rows] == list(range(50, 401, 50))
    assert rows[-1].loss < rows[0].loss


def test_sampler_with_a_perfect_prediction_gives_the_data_back() -> None:
    scheduler = text_to_image.new_scheduler()
    truth = torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(0)) * 2
    noise = torch.randn(3, 8, 8, 8, generator=torch.Generator().manual_seed(1))

    def predict(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        signal = scheduler.alphas_cumprod[timestep].sqrt()
        scale = (1 - scheduler.alphas_cumprod[timestep]).sqrt()
        both = torch.cat([truth, truth])
        return signal * (latents - signal * both) / scale - scale * both

    assert torch.allclose(sample(predict, scheduler, noise, 10, 3.0), truth, atol=1e-3)


def test_scheduler_starts_from_pure_noise_and_clips_nothing() -> None:
    scheduler = DDIMScheduler.from_pretrained(VIDEO / "scheduler", local_files_only=True)
    scheduler.set_timesteps(10)
    assert int(scheduler.timesteps[0]) == 999
    assert float(scheduler.alphas_cumprod[-1]) == pytest.approx(0.0, abs=1e-6)
    assert not scheduler.config.clip_sample


def test_prompts_hold_known_words_and_are_sometimes_empty() -> None:
    tokenizer = text.prompt_tokenizer()
    rng = np.random.default_rng(0)
    scenes = data.draw_scenes(rng, 300, "train")
    prompts = [text.training_prompt(rng, scene) for scene in scenes]
    share = np.mean([prompt == "" for prompt in prompts])
    assert 0.05 < share < 0.16
    for prompt in prompts:
        words = prompt.replace(",", " , ").replace("/", " / ").split()
        assert tokenizer.tokenize(prompt) == [word + "</w>" for word in words]
        assert len(words) + 2 <= text.MAX_LENGTH


def test_splitting_a_video_model_gives_its_parts_back() -> None:
    torch.manual_seed(0)
    unet = text_to_image.new_unet(8, 128).eval()
    model = motion.with_motion(unet).eval()
    same, adapter = motion.split(model, text_to_image.new_unet(8, 128))
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in unet.state_dict().items())
    rebuilt = UNetMotionModel.from_unet2d(same, adapter).eval()
    latents, states = torch.randn(1, 8, 3, 8, 8), torch.randn(3, 5, 128)
    with torch.no_grad():
        expected = model(latents, torch.tensor([500]), encoder_hidden_states=states).sample
        actual = rebuilt(latents, torch.tensor([500]), encoder_hidden_states=states).sample
    assert torch.allclose(actual, expected, atol=1e-4)


def test_frame_positions_are_those_asked_for_and_reset() -> None:
    model = motion.with_motion(text_to_image.new_unet(8, 128))
    table = next(module for module in model.modules() if isinstance(module, SinusoidalPositionalEmbedding))
    full = table.pe
    positions = motion.FramePositions(model)
    positions.set(torch.tensor([3, 9]))
    assert torch.equal(table.pe, full[:, [3, 9]])
    positions.reset()
    assert table.pe is full


def test_new_control_network_leaves_the_video_alone() -> None:
    torch.manual_seed(0)
    control = sparse_control.new_control_network(text_to_image.new_unet(8, 128)).eval()
    with torch.no_grad():
        down, middle = control(
            torch.randn(1, 8, 4, 8, 8),
            torch.tensor([300]),
            encoder_hidden_states=torch.randn(4, 5, 128),
            controlnet_cond=torch.rand(1, 3, 4, 64, 64),
            conditioning_mask=torch.ones(1, 1, 4, 64, 64),
            return_dict=False,
        )
    assert all(not residual.any() for residual in (*down, middle))


def test_control_pictures_stand_at_their_frames_alone() -> None:
    clips = data.draw_clips(
        np.random.default_rng(0), data.draw_scenes(np.random.default_rng(1), 40, "train"), 3
    )
    at = np.arange(40) % 3
    given = sparse_control.control_input(np.random.default_rng(2), clips, at, torch.device("cpu"))
    mask, pictures = given["conditioning_mask"][:, 0, :, 0, 0], given["controlnet_cond"]
    shown = mask.any(dim=1)
    assert 0.02 < float((~shown).float().mean()) < 0.3
    assert torch.equal(mask[shown].argmax(dim=1), torch.from_numpy(at)[shown])
    assert torch.equal(mask.sum(dim=1)[shown], torch.ones(int(shown.sum())))
    assert not pictures.transpose(1, 2)[mask == 0].any()
    truth = sparse_control.pictures_01(clips[np.arange(40), at])
    error = (pictures.transpose(1, 2)[mask == 1] - truth[shown]).abs().mean(dim=(1, 2, 3))
    assert float(error.median()) < 0.05


def assert_little_changed(before: Path, after: Path) -> None:
    """A few steps of training change weights a little, and neither their names nor their precision."""
    weights, trained = (
        load_file(folder / "diffusion_pytorch_model.safetensors") for folder in (before, after)
    )
    assert weights.keys() == trained.keys()
    assert all(values.dtype == torch.float16 for values in trained.values())
    assert any(not torch.equal(weights[name], trained[name]) for name in weights)
    assert all(torch.allclose(weights[name], trained[name], atol=0.05) for name in weights)


def test_sparse_control_and_the_video_model_learn_together(tmp_path: Path) -> None:
    mini, work = tmp_path / "miniatures", tmp_path / "work"
    for part in ("vae", "video"):
        shutil.copytree(MINIATURES / part, mini / part)
    steps_video.draw_clips(output=mini, work=work, clips=4)
    steps_control.continue_control(output=mini, work=work, seed=1, steps=6, frames=32, frames_per_step=32)
    for part in ("unet", "motion_adapter", "controlnet"):
        assert_little_changed(VIDEO / part, mini / "video" / part)
    assert (mini / "video" / "training_log_joint_1.tsv").exists()


def test_unclip_is_trained_further_on_other_frames(tmp_path: Path) -> None:
    for part in ("vae", "clip", "unclip"):
        shutil.copytree(MINIATURES / part, tmp_path / part)
    steps_unclip.continue_unclip(output=tmp_path, seed=1, steps=6, batch=8, frames=16)
    assert_little_changed(MINIATURES / "unclip" / "unet", tmp_path / "unclip" / "unet")
    assert (tmp_path / "unclip" / "training_log_continued_1.tsv").exists()
    assert (tmp_path / "unclip" / "training_log.tsv").exists()


def test_degraded_tokens_keep_their_mean_or_are_dropped() -> None:
    torch.manual_seed(0)
    tokens = torch.randn(400, 4, 16) + 3
    degraded = unclip.degrade_tokens(np.random.default_rng(0), tokens, tokens.mean(dim=0))
    dropped = (degraded == 0).flatten(1).all(dim=1)
    assert 0.05 < float(dropped.float().mean()) < 0.16
    assert torch.allclose(degraded[~dropped].mean(), tokens.mean(), atol=0.05)


def test_shipped_autoencoder_keeps_new_frames(vae: AutoencoderKL, frames: np.ndarray) -> None:
    latents = encode(vae, frames)
    assert latents.shape == (48, 8, 8, 8)
    assert data.psnr_db(frames, decode(vae, latents)).mean() >= 27
    assert torch.allclose(latents.mean(dim=(0, 2, 3)), torch.zeros(8), atol=0.25)
    assert torch.allclose(latents.std(dim=(0, 2, 3)), torch.ones(8), atol=0.25)


def test_shipped_video_model_follows_prompt_and_picture_in_diffusers_pipeline(
    vae: AutoencoderKL, frames: np.ndarray
) -> None:
    pipeline = load_pipeline(vae)
    night = video_of(pipeline, "a red ball lies at night", frames[0], 0.0)
    sky = video_of(pipeline, "a red ball lies in the sky", frames[0], 0.0)
    assert night.shape == (4, 64, 64, 3)
    assert night.mean() < 0.4 < sky.mean()
    with_picture = video_of(pipeline, "", frames[0], 1.0)
    assert np.abs(with_picture[0] * 255 - frames[0]).mean() < np.abs(sky[0] * 255 - frames[0]).mean()


def test_shipped_sparse_control_keeps_its_picture() -> None:
    scenes = data.draw_scenes(np.random.default_rng(5), 8, "test")
    pictures = data.draw_clips(np.random.default_rng(6), scenes, 1)[:, 0]
    videos = VideoModel.load(MINIATURES).videos(data.captions(scenes), 7, pictures, at=3)
    at_its_frame = data.psnr_db(pictures, videos[:, 3])
    assert at_its_frame.mean() >= 21
    assert at_its_frame.mean() > data.psnr_db(pictures[::-1], videos[:, 3]).mean() + 8


def test_shipped_unclip_is_of_the_size_and_crop_type() -> None:
    unet = UNet2DConditionModel.from_pretrained(MINIATURES / "unclip" / "unet", local_files_only=True)
    assert unet.config.class_embed_type == "projection"
    assert unet.config.projection_class_embeddings_input_dim == unclip.size_and_crop(1).shape[1]
    assert DDIMScheduler.from_pretrained(MINIATURES / "unclip" / "scheduler", local_files_only=True)
