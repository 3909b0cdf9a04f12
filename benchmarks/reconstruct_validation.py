"""What each condition of the video model is worth, on validation clips (never on test clips).

    python benchmarks/reconstruct_validation.py --subject subject1 --clips 16
    python benchmarks/reconstruct_validation.py --settings '{"video": {"strength": 0.6}}'

Needs the results of `decouple` for the subject and variant. One line per settings and metric: N-way identification, mean
over clips, and the difference to the configuration's own settings, paired over clips, with a 95 % interval (bootstrap over
blocks of neighbouring clips). Without `--settings`: each condition left out, all others as they are. Seeds are the same
throughout.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from cyclopts import run

from neurons.artifacts import TensorFile, split_clip_id
from neurons.config import Config, load, merged
from neurons.devices import use_threads
from neurons.evaluate.classifiers import describe_videos
from neurons.evaluate.nway import own_standing
from neurons.evaluate.resampling import block_bootstrap
from neurons.reconstruct.aggregate import ClipTiming
from neurons.reconstruct.chunk import ChunkOfClips
from neurons.reconstruct.controls import control_images
from neurons.reconstruct.decode import DecodedClips, Decoder
from neurons.reconstruct.render import Studio
from neurons.reconstruct.settings import Reconstruct
from neurons.reconstruct.validation import decode_validation, videos_of

CPU = torch.device("cpu")
RESAMPLES = 2000
BLOCK_CLIPS = 4
LEFT_OUT: dict[str, dict[str, Any]] = {
    "as configured": {},
    "without text": {"prompt_caption": False, "prompt_concepts": False},
    "without control image": {"video": {"control_scale": 0.0}},
    "without blurry video": {"video": {"strength": 1.0}},
    "without masks": {"mask_floor": 1.0},
    "with masks": {"mask_floor": 0.5},
    "without concepts": {"prompt_concepts": False},
    "with concepts": {"prompt_concepts": True},
}
"""What is equal to the configuration is not made again."""


def true_frames(results: Path, clips: list[str]) -> np.ndarray:
    """Frames of clips, in order."""
    paths = [results / "cut" / split_clip_id(clip)[0] / "frames.safetensors" for clip in clips]
    return np.concatenate(
        [TensorFile(path).rows("frames", [clip]) for path, clip in zip(paths, clips, strict=True)]
    )


def compared(name: str, scores: dict[str, np.ndarray], base: dict[str, np.ndarray], clips: list[str]) -> None:
    """Print scores, and their differences to those of the base."""
    chosen = block_bootstrap(clips, BLOCK_CLIPS, RESAMPLES, seed=0)
    for metric, values in scores.items():
        difference = values - base[metric]
        low, high = np.percentile(difference[chosen].mean(axis=1), [2.5, 97.5])
        print(
            f"{name}\t{metric}\t{values.mean():.3f}\t{difference.mean():+.3f}\t{low:+.3f}\t{high:+.3f}\t{len(clips)}",
            flush=True,
        )


def judge(
    decoded: DecodedClips, controls: np.ndarray, truth: dict[str, Any], studio: Studio, config: Config
) -> dict[str, np.ndarray]:
    """Identification of the videos that a studio makes, per clip."""
    work = ChunkOfClips.of(decoded, controls, studio.settings)
    made = np.stack(list(videos_of(work, studio, studio.load())))
    seen, _ = describe_videos(made, config.evaluate, CPU, torch.float32)
    return {
        f"{kind} {n_way}-way": own_standing(truth[f"{kind}_probabilities"], seen[f"{kind}_probabilities"])
        .success(n_way)
        .reshape(len(made), -1)
        .mean(1)
        for kind in ("video", "frame")
        for n_way in (2, 50)
    }


def main(
    *,
    settings: list[str] | None = None,
    subject: str = "subject1",
    variant: str = "ours",
    results: Path = Path("results/simulated"),
    clips: int = 16,
    threads: int = 1,
) -> None:
    """Score settings on validation clips.

    Parameters
    ----------
    settings
        JSON overrides of the section `reconstruct` instead of the conditions.
    subject, variant
        Whose models.
    results
        Folder of the study's results.
    clips
        How many of the validation clips, evenly spread.
    threads
        Of torch.
    """
    use_threads(threads)
    config = load(yaml.safe_load(Path("config/config.yaml").read_text())).variant(variant)
    own, vae = config.reconstruct, config.embed.vae
    models = {
        stage: results / stage / variant / subject / "model.safetensors" for stage in ("pretrain", "decouple")
    }
    decoder = Decoder.load(
        models["pretrain"], models["decouple"], results / "embed/concepts.safetensors", CPU
    )
    decoded = decode_validation(
        decoder, models["pretrain"], results / "preprocess" / subject / "train.safetensors",
        config.study.validation_movies, clips, own, torch.float32,
    )  # fmt: skip
    tensors = decoded.tensors
    controls = control_images(
        tensors["image_tokens"], tensors["latents"], decoded.clip_ids, own, vae, CPU, torch.float32
    )
    truth, _ = describe_videos(true_frames(results, decoded.clip_ids), config.evaluate, CPU, torch.float32)
    studio = Studio(
        own, vae, config.embed, ClipTiming(config.study.clip_s, config.cut.phase), CPU, torch.float32
    )
    wanted: dict[str, dict[str, Any]]
    wanted = {"as configured": {}, **{text: json.loads(text) for text in settings}} if settings else LEFT_OUT
    print("settings\tmetric\tmean\tdifference\tlow\thigh\tclips")
    base: dict[str, np.ndarray] = {}
    for name, overrides in wanted.items():
        changed = Reconstruct.model_validate(merged(own.model_dump(), overrides))
        if base and changed == own:
            continue
        scores = judge(decoded, controls, truth, replace(studio, settings=changed), config)
        base = base or scores
        compared(name, scores, base, decoded.clip_ids)


if __name__ == "__main__":
    run(main)
