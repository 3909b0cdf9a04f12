"""Commands that make the diffusion miniatures."""

import copy
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, MotionAdapter, UNet2DConditionModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPImageProcessor, CLIPModel, CLIPTextModel, CLIPTokenizer

from neurons.artifacts import Provenance, TensorFile, provenance, seed_for, write_tensors
from neurons.console import logger
from neurons.simulate.miniatures import mixed, motion, sparse_control, text, text_to_image, unclip
from neurons.simulate.miniatures import vae as autoencoder
from neurons.simulate.miniatures.optimise import LogRow, recipe, write_log
from neurons.simulate.miniatures.steps_judging import judge_diffusion

VAE, VIDEO, UNCLIP, CLIP, IMAGE = "vae", "video", "unclip", "clip", "image"
POOL, WEIGHTS = "clips.safetensors", "diffusion_pytorch_model.safetensors"
"""Folders of the miniatures; ``image`` holds the image model that the video model and unCLIP start from."""


def _report(row: LogRow) -> None:
    logger.info("step %d  %.0f s  loss %.4f", row.step, row.elapsed_s, row.loss)


def train_vae(
    *,
    output: Path,
    seed: int = 1,
    steps: int = 4000,
    batch: int = 16,
    max_learning_rate: float = 3e-3,
    threads: int = 1,
) -> None:
    """Train the image autoencoder and write it to OUTPUT/vae.

    Parameters
    ----------
    output
        Folder of the miniatures.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    model, rows = autoencoder.train_autoencoder(seed, steps, batch, max_learning_rate, _report)
    folder = output / VAE
    model.half().save_pretrained(folder)
    settings = {"batch": batch, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-vae", seed, rows, **settings))


def refine_vae_decoder(
    *,
    output: Path,
    seed: int = 11,
    steps: int = 4000,
    batch: int = 16,
    frames: int = 14_000,
    max_learning_rate: float = 1.5e-3,
    threads: int = 1,
) -> None:
    """Train the decoder of OUTPUT/vae further; its latents, and so the models trained on them, stay as they are.

    Parameters
    ----------
    output
        Folder of the miniatures.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    frames
        Frames drawn to train on.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    folder = output / VAE
    model = AutoencoderKL.from_pretrained(folder, local_files_only=True).eval()
    rows = autoencoder.refine_decoder(model, seed, steps, batch, frames, max_learning_rate, _report)
    model.half().save_pretrained(folder)
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate refine-vae-decoder", seed, rows, **settings)
    write_log(folder, rows, made_by, name="training_log_decoder.tsv")


def train_image(
    *,
    output: Path,
    work: Path,
    seed: int = 2,
    steps: int = 2800,
    batch: int = 64,
    frames: int = 20_000,
    max_learning_rate: float = 1.5e-3,
    threads: int = 1,
) -> None:
    """Train the image model on latents of OUTPUT/vae and write it, with its text encoder, to WORK/image.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    frames
        Frames, each of another scene, drawn to train on.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vae = AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval()
    tokenizer = text.prompt_tokenizer()
    torch.manual_seed(seed_for(seed, "text encoder"))
    text_encoder = text.new_text_encoder(tokenizer)
    unet, rows = text_to_image.train_image_model(
        vae, tokenizer, text_encoder, seed, steps, batch, frames, max_learning_rate, _report
    )
    folder = work / IMAGE
    unet.save_pretrained(folder / "unet")
    text_encoder.save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-image", seed, rows, **settings))


def _load_image_model(folder: Path) -> tuple[UNet2DConditionModel, CLIPTextModel, CLIPTokenizer]:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", local_files_only=True)
    encoder = CLIPTextModel.from_pretrained(
        folder / "text_encoder", dtype=torch.float32, local_files_only=True
    )
    return unet, encoder, CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)


def draw_clips(*, output: Path, work: Path, seed: int = 6, clips: int = 2_000, threads: int = 1) -> None:
    """Draw training clips, encode them with OUTPUT/vae and write them to WORK/clips.safetensors.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of the scenes.
    clips
        How many.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vae = AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval()
    pool = motion.draw_pool(vae, text.prompt_tokenizer(), np.random.default_rng(seed), clips)
    arrays = {"frames": pool.frames, "latents": pool.latents.numpy(), "token_ids": pool.token_ids.numpy()}
    made_by = provenance("simulate draw-clips", {"vae": output / VAE / WEIGHTS}, {"clips": clips}, seed)
    write_tensors(work / POOL, arrays, made_by)


def _load_pool(work: Path) -> motion.ClipPool:
    file = TensorFile(work / POOL)
    latents, ids = (torch.from_numpy(np.array(file[name])) for name in ("latents", "token_ids"))
    return motion.ClipPool(np.asarray(file["frames"]), latents, ids)


def train_video(
    *,
    output: Path,
    work: Path,
    seed: int = 3,
    steps: int = 2000,
    batch: int = 4,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train the video model from WORK/image and write it to OUTPUT/video (all but the control network).

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    unet, text_encoder, tokenizer = _load_image_model(work / IMAGE)
    pool = _load_pool(work)
    torch.manual_seed(seed_for(seed, "motion modules"))
    model = motion.with_motion(unet)
    rows = motion.train_video_model(model, text_encoder, pool, seed, steps, batch, max_learning_rate, _report)
    settings = {"batch": batch, "clips": len(pool), "max_learning_rate": max_learning_rate}
    made_by = recipe("neurons simulate train-video", seed, rows, **settings)
    _save_video_model(output / VIDEO, model, text_encoder, tokenizer, rows, made_by)


def _save_video_model(
    folder: Path,
    model: UNetMotionModel,
    text_encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    rows: list[LogRow],
    made_by: Provenance,
) -> None:
    fresh = text_to_image.new_unet(model.config.in_channels, text_encoder.config.hidden_size)
    unet, adapter = motion.split(model, fresh)
    unet.half().save_pretrained(folder / "unet")
    adapter.half().save_pretrained(folder / "motion_adapter")
    text_to_image.new_scheduler().save_pretrained(folder / "scheduler")
    copy.deepcopy(text_encoder).half().save_pretrained(folder / "text_encoder")
    tokenizer.save_pretrained(folder / "tokenizer")
    write_log(folder, rows, made_by)


def continue_video(
    *,
    output: Path,
    work: Path,
    seed: int = 7,
    steps: int = 6_000,
    frames: int = 16_000,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train OUTPUT/video further on frames and clips in turn; WORK/video gets its state every 500 steps.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, batches and noise.
    steps, max_learning_rate
        Length and speed of training.
    frames
        Single frames drawn to train on beside the clips of WORK/clips.safetensors.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    vae = AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval()
    unet, text_encoder, tokenizer = _load_image_model(output / VIDEO)
    text_encoder.set_attn_implementation("eager")
    adapter = MotionAdapter.from_pretrained(output / VIDEO / "motion_adapter", local_files_only=True)
    model = UNetMotionModel.from_unet2d(unet, adapter)
    model.set_attn_processor(AttnProcessor())
    batches = mixed.MixedBatches(_load_pool(work), vae, tokenizer, np.random.default_rng(seed), frames)

    def save(folder: Path, rows: list[LogRow]) -> None:
        settings = {"frames": frames, "max_learning_rate": max_learning_rate, "planned_steps": steps}
        made_by = recipe("neurons simulate continue-video", seed, rows, **settings)
        _save_video_model(folder, model, text_encoder, tokenizer, rows, made_by)

    rows = mixed.train_mixed(
        model, text_encoder, batches, steps, max_learning_rate, _report, lambda log: save(work / VIDEO, log)
    )
    save(output / VIDEO, rows)


def train_control(
    *,
    output: Path,
    work: Path,
    seed: int = 4,
    steps: int = 700,
    batch: int = 4,
    embedding_steps: int = 800,
    embedding_frames: int = 4_000,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train the sparse control network of OUTPUT/video and write it there.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    embedding_steps, embedding_frames
        First the picture embedding alone learns, so many steps on so many frames.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    folder = output / VIDEO
    vae = AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval()
    unet, text_encoder, _ = _load_image_model(folder)
    adapter = MotionAdapter.from_pretrained(folder / "motion_adapter", local_files_only=True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    control = sparse_control.new_control_network(unet)
    sparse_control.teach_embedding(control, vae, rng, embedding_frames, embedding_steps, _report)
    model = UNetMotionModel.from_unet2d(unet, adapter)
    rows = sparse_control.train_control(
        control, model, text_encoder, _load_pool(work), rng, steps, batch, max_learning_rate, _report
    )
    control.half().save_pretrained(folder / "controlnet")
    settings = {
        "batch": batch,
        "embedding_steps": embedding_steps,
        "embedding_frames": embedding_frames,
        "max_learning_rate": max_learning_rate,
    }
    made_by = recipe("neurons simulate train-control", seed, rows, **settings)
    write_log(folder / "controlnet", rows, made_by)


def train_unclip(
    *,
    output: Path,
    work: Path,
    seed: int = 5,
    steps: int = 2500,
    batch: int = 64,
    frames: int = 12_000,
    max_learning_rate: float = 1e-3,
    threads: int = 1,
) -> None:
    """Train unCLIP from WORK/image on tokens of OUTPUT/clip and write it to OUTPUT/unclip.

    Parameters
    ----------
    output
        Folder of the miniatures.
    work
        Folder of intermediate files, which are not shipped.
    seed
        Of scenes, first weights, batches and noise.
    steps, batch, max_learning_rate
        Length and speed of training.
    frames
        Frames drawn to train on.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    vae = AutoencoderKL.from_pretrained(output / VAE, local_files_only=True).eval()
    clip = CLIPModel.from_pretrained(output / CLIP, dtype=torch.float32, local_files_only=True).eval()
    processor = CLIPImageProcessor.from_pretrained(output / CLIP, local_files_only=True)
    image_model, _, _ = _load_image_model(work / IMAGE)
    unet, rows = unclip.train_unclip(
        image_model, vae, clip, processor, seed, steps, batch, frames, max_learning_rate, _report
    )
    folder = output / UNCLIP
    unet.half().save_pretrained(folder / "unet")
    text_to_image.new_scheduler().save_pretrained(folder / "scheduler")
    settings = {"batch": batch, "frames": frames, "max_learning_rate": max_learning_rate}
    write_log(folder, rows, recipe("neurons simulate train-unclip", seed, rows, **settings))


STEPS = [
    train_vae,
    refine_vae_decoder,
    train_image,
    draw_clips,
    train_video,
    continue_video,
    train_control,
    train_unclip,
    judge_diffusion,
]
