"""Score settings of `reconstruct` on validation clips, which is where they are chosen (never on test clips).

    python benchmarks/reconstruct_validation.py --subject subject1 --settings '{"video": {"strength": 0.8}}' '{}'

Needs the results of `decouple` for the subject and variant. Prints one line per JSON overrides of the section
`reconstruct` of config/config.yaml: N-way identification, mean over clips with its standard error.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from cyclopts import run

from neurons.artifacts import TensorFile, seed_for
from neurons.config import Config, load
from neurons.decouple.data import BrainTokens, compute_brain_tokens
from neurons.decouple.decoding import DecodedTasks, load_decoupler, read_concept_texts
from neurons.devices import use_threads
from neurons.evaluate.classifiers import describe_videos
from neurons.evaluate.nway import own_standing
from neurons.pretrain.data import read_responses, split_movies
from neurons.pretrain.store import load_brain_model, read_held_out
from neurons.reconstruct.aggregate import ClipTiming, Decoded, reconstruct
from neurons.reconstruct.control_image import UnclipModel
from neurons.reconstruct.latents import to_frames
from neurons.reconstruct.loading import load_vae
from neurons.reconstruct.settings import Reconstruct
from neurons.reconstruct.timing import frame_times, nearest, source_frame
from neurons.reconstruct.video_model import VideoModel

CPU = torch.device("cpu")


def merged(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """`base` with `overrides`, sections within sections merged."""
    nested = {
        key: merged(base.get(key) or {}, value) if isinstance(value, dict) else value
        for key, value in overrides.items()
    }
    return {**base, **nested}


def decode_validation(
    config: Config, results: Path, subject: str, variant: str, count: int
) -> tuple[list[str], DecodedTasks]:
    """Ids and decoded outputs of `count` validation clips, evenly spread."""
    brain_model = results / "pretrain" / variant / subject / "model.safetensors"
    encoder, facts = load_brain_model(brain_model)
    responses = results / "preprocess" / subject / "train.safetensors"
    data = read_responses(responses, facts["window_tr"])
    split = split_movies(data.clip_ids, config.study.validation_movies, str(responses))
    chosen = np.linspace(0, len(split.validation) - 1, count).round().astype(int)
    clips = [split.validation[index] for index in chosen]
    rows = np.array([data.clip_ids.index(clip) for clip in clips])
    brain: BrainTokens = compute_brain_tokens(encoder, data, read_held_out(brain_model), rows)
    decoupler = load_decoupler(results / "decouple" / variant / subject / "model.safetensors")
    texts = read_concept_texts(results / "embed" / "concepts.safetensors")
    return clips, decoupler.decode(brain.mean, clips, texts, seed=0)


def true_frames(results: Path, clips: list[str]) -> np.ndarray:
    """Frames of clips of several movies, in order."""
    by_movie: dict[str, list[str]] = {}
    for clip in clips:
        by_movie.setdefault(clip.split(":")[0], []).append(clip)
    files = {movie: TensorFile(results / "cut" / movie / "frames.safetensors") for movie in by_movie}
    return np.concatenate([files[movie].rows("frames", ids) for movie, ids in by_movie.items()])


def levels(frames: torch.Tensor) -> np.ndarray:
    """Frames (B, T, 3, H, W) in [0, 1] as uint8 (B, T, H, W, 3)."""
    return (255 * frames.movedim(2, -1)).round().byte().numpy()


def make_videos(
    config: Config, settings: Reconstruct, clips: list[str], decoded: DecodedTasks, batch: int = 8
) -> np.ndarray:
    """Videos of clips, at the times of the cut frames."""
    vae = config.embed.vae
    model = VideoModel.load(settings.video, vae, CPU, torch.float32)
    unclip = UnclipModel.load(settings.control, vae, CPU, torch.float32)
    study_vae = load_vae(vae, "embed.vae", CPU)
    count = decoded.latents.shape[1]
    times = frame_times(settings.video.frames, config.study.clip_s)
    shown = [nearest(times, time) for time in frame_times(count, config.study.clip_s, config.cut.phase)]
    videos = []
    for start in range(0, len(clips), batch):
        rows = slice(start, start + batch)
        latents = torch.from_numpy(decoded.latents[rows])
        blurry = to_frames(study_vae, latents[:, source_frame(count)])
        control_seeds = [seed_for(settings.seed, "control", clip) for clip in clips[rows]]
        tokens = torch.from_numpy(decoded.image_tokens[rows])
        controls = unclip.sample(tokens, blurry, control_seeds, settings.control)
        seeds = [seed_for(settings.seed, "video", clip) for clip in clips[rows]]
        outputs = Decoded(
            decoded.captions[rows], seeds, torch.from_numpy(decoded.mask[rows]), latents, controls
        )
        timing = ClipTiming(config.study.clip_s, config.cut.phase)
        videos.append(levels(reconstruct(outputs, model, settings, timing).frames)[:, shown])
    return np.concatenate(videos)


def main(
    settings: list[str],
    *,
    subject: str = "subject1",
    variant: str = "ours",
    clips: int = 32,
    threads: int = 1,
) -> None:
    """Score settings on validation clips.

    Parameters
    ----------
    settings
        JSON overrides of the section `reconstruct`.
    subject, variant
        Whose models.
    clips
        How many of the validation clips, evenly spread.
    threads
        Of torch.
    """
    use_threads(threads)
    values = yaml.safe_load(Path("config/config.yaml").read_text())
    config = load(values).variant(variant)
    results = Path("results") / config.study.name
    ids, decoded = decode_validation(config, results, subject, variant, clips)
    truth, _ = describe_videos(true_frames(results, ids), config.evaluate, CPU, torch.float32)
    print("settings\tmetric\tmean\tstandard error\tclips")
    for overrides in settings:
        changed = Reconstruct.model_validate(merged(config.reconstruct.model_dump(), json.loads(overrides)))
        seen, _ = describe_videos(
            make_videos(config, changed, ids, decoded), config.evaluate, CPU, torch.float32
        )
        for kind in ("video", "frame"):
            standing = own_standing(truth[f"{kind}_probabilities"], seen[f"{kind}_probabilities"])
            for n_way in (2, 50):
                score = standing.success(n_way).reshape(len(ids), -1).mean(1)
                error = score.std(ddof=1) / np.sqrt(len(score))
                print(
                    f"{overrides}\t{kind} {n_way}-way\t{score.mean():.3f}\t{error:.3f}\t{len(ids)}",
                    flush=True,
                )


if __name__ == "__main__":
    run(main)
