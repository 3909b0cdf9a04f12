"""Commands that make the miniature sparse control."""

from pathlib import Path

import numpy as np
import torch
from diffusers import MotionAdapter, SparseControlNetModel, UNetMotionModel
from diffusers.models.attention_processor import AttnProcessor

from neurons.devices import choose_device
from neurons.simulate.miniatures import mixed, sparse_control
from neurons.simulate.miniatures.layout import (
    VIDEO,
    load_image_model,
    load_pool,
    load_vae,
    load_video_model,
    report,
    save_video_model,
)
from neurons.simulate.miniatures.optimise import LogRow, recipe, write_log


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
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
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
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    folder = output / VIDEO
    vae = load_vae(output, place)
    unet, text_encoder, tokenizer = load_image_model(folder, place)
    adapter = MotionAdapter.from_pretrained(folder / "motion_adapter", local_files_only=True)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    control = sparse_control.new_control_network(unet).to(place)
    sparse_control.teach_embedding(control, vae, rng, embedding_frames, embedding_steps, workers, report)
    model = UNetMotionModel.from_unet2d(unet, adapter).to(place)
    rows = sparse_control.train_control(
        control, model, text_encoder, load_pool(work, tokenizer), rng, steps, batch, max_learning_rate, report
    )
    sparse_control.save(control, control.controlnet_cond_embedding, folder / "controlnet")
    settings = {
        "batch": batch,
        "embedding_steps": embedding_steps,
        "embedding_frames": embedding_frames,
        "max_learning_rate": max_learning_rate,
    }
    made_by = recipe("neurons simulate train-control", seed, rows, place, **settings)
    write_log(folder / "controlnet", rows, made_by)


def continue_control(
    *,
    output: Path,
    work: Path,
    seed: int = 8,
    steps: int = 4_000,
    frames: int = 16_000,
    frames_per_step: int = 64,
    max_learning_rate: float = 5e-4,
    device: str = "cpu",
    threads: int = 1,
    workers: int = 1,
) -> None:
    """Train OUTPUT/video and its sparse control network together; WORK/video gets their state every 500 steps.

    Each seed's course is logged in its own file, `training_log_joint_<seed>.tsv`.

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
    frames_per_step
        Frames of a step: of as many scenes, or of clips of 4 or 16 frames each.
    device
        auto, cpu, cuda or cuda:<index>.
    threads, workers
        Threads of torch; processes that draw scenes.
    """
    torch.set_num_threads(threads)
    place = choose_device(device)
    torch.manual_seed(seed)
    vae = load_vae(output, place)
    model, text_encoder, tokenizer = load_video_model(output / VIDEO, place)
    control = SparseControlNetModel.from_pretrained(output / VIDEO / "controlnet", local_files_only=True)
    control = control.to(place).train()
    control.set_attn_processor(AttnProcessor())
    embedding = control.controlnet_cond_embedding
    control.controlnet_cond_embedding = sparse_control.BlankOnce(embedding)
    rng = np.random.default_rng(seed)
    batches = mixed.MixedBatches(
        load_pool(work, tokenizer), vae, tokenizer, rng, frames, frames_per_step, workers
    )

    def save(folder: Path, rows: list[LogRow]) -> None:
        settings: dict[str, float] = {"frames": frames, "frames_per_step": frames_per_step}
        settings["clips"] = len(batches.clips)
        settings |= {"max_learning_rate": max_learning_rate, "planned_steps": steps}
        made_by = recipe("neurons simulate continue-control", seed, rows, place, **settings)
        log = f"training_log_joint_{seed}.tsv"
        save_video_model(folder, model, text_encoder, tokenizer, rows, made_by, log)
        sparse_control.save(control, embedding, folder / "controlnet")

    rows = mixed.train_mixed(
        model,
        text_encoder,
        batches,
        steps,
        max_learning_rate,
        report,
        lambda so_far: save(work / VIDEO, so_far),
        mixed.Guide(control, rng),
    )
    save(output / VIDEO, rows)
