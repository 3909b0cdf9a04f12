"""The command that measures the diffusion miniatures."""

from pathlib import Path

import numpy as np
import torch

from neurons.artifacts import provenance, write_json
from neurons.console import logger
from neurons.simulate.miniatures import quality_diffusion as quality
from neurons.simulate.miniatures.data import captions, draw_clips, draw_scenes
from neurons.simulate.miniatures.motion import FRAMES

FOLDERS = ("vae", "video", "unclip")


def judge_diffusion(
    *, output: Path, seed: int = 1001, frames: int = 512, prompts: int = 64, threads: int = 1
) -> None:
    """Measure the diffusion miniatures on new scenes and prompts; write and log OUTPUT/quality_diffusion.json.

    Parameters
    ----------
    output
        Folder of the miniatures.
    seed
        Of scenes and noise; no training uses it.
    frames, prompts
        Frames for the autoencoder; prompts for the video models, frames for unCLIP.
    threads
        Threads of torch.
    """
    torch.set_num_threads(threads)
    rng = np.random.default_rng(seed)
    judges, model = quality.Judges.load(output), quality.VideoModel.load(output)
    scenes = draw_scenes(rng, prompts, "test")
    texts = captions(scenes)
    scores = {
        "vae": quality.vae_quality(model.vae, rng, frames),
        "judges_on_truth": quality.video_agreement(judges, scenes, draw_clips(rng, scenes, FRAMES)),
        "text_to_video": quality.video_agreement(judges, scenes, model.videos(texts, seed)),
        "sparse_control": quality.control_quality(model, judges, scenes, texts, rng, seed),
        "unclip": quality.unclip_quality(output, judges, scenes, rng, seed),
    }
    for name, values in scores.items():
        logger.info("%s: %s", name, ", ".join(f"{key} {value:.3f}" for key, value in values.items()))
    weights = sorted(path for name in FOLDERS for path in (output / name).rglob("*.safetensors"))
    inputs = {path.relative_to(output).as_posix(): path for path in weights}
    parameters = {"frames": frames, "prompts": prompts}
    write_json(
        output / "quality_diffusion.json",
        scores,
        provenance("simulate judge-diffusion", inputs, parameters, seed),
    )
