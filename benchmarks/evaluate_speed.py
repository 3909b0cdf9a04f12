"""How long scoring takes: the released procedure restated plainly, and ours, on the same clips in one run.

    python benchmarks/evaluate_speed.py --subject subject1

Needs the results of `evaluate`. First the whole protocol `released` for videos: the plain procedure loads a network anew
for each metric (and each of the six frames), shows it one item at a time, and draws 100 times; ours shows each network
everything once, in batches, and computes what the draws estimate: the same figures alone, and then all metrics of both
protocols with their intervals and null distributions. Then N-way identification alone, at the size of the data set cc2017
(1,200 clips, 400 classes of videos, 1,000 of frames, random probabilities): draws, the closed form for each clip's own
truth, and the closed form for all pairs, which null distributions need besides.
Prints tables: CPU seconds of one thread, ratios, and values with the distance in standard errors of the draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from cyclopts import run
from released_evaluator import TRIALS, TRUTHS, clip_allpairs, n_way, psnr, ssim_columns
from transformers import (
    AutoImageProcessor,
    CLIPModel,
    VideoMAEForVideoClassification,
    ViTForImageClassification,
)

from neurons.artifacts import gather
from neurons.config import load
from neurons.evaluate.classifiers import describe_videos
from neurons.evaluate.inputs import predicted_frames, wanted_times
from neurons.evaluate.measures import row
from neurons.evaluate.nway import all_standings, own_standing
from neurons.evaluate.pixels import psnr as fast_psnr
from neurons.evaluate.protocols import video_measures
from neurons.evaluate.resampling import resamples
from neurons.evaluate.semantics import allpairs_cosine
from neurons.evaluate.settings import Evaluate
from neurons.evaluate.similarity import FORMS, ssim
from neurons.evaluate.videos import Videos
from neurons.sections import Model
from neurons.study import read_runs

WAYS = (2, 50)
CPU = torch.device("cpu")
PAPER_CLIPS, VIDEO_CLASSES, FRAME_CLASSES, FRAMES = 1200, 400, 1000, 6


def timed(function: Callable[..., Any], *given: Any) -> tuple[float, Any]:
    """CPU seconds that a call takes, and what it returns."""
    start = time.process_time()
    value = function(*given)
    return time.process_time() - start, value


@torch.inference_mode()
def shown(kind: Any, model: Model, items: list[Any]) -> list[np.ndarray]:
    """Outputs of a freshly loaded network, one item at a time."""
    network = kind.from_pretrained(model.path, revision=model.revision, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(model.path, revision=model.revision)
    outputs = []
    for item in items:
        pixels = processor(item, return_tensors="pt")["pixel_values"]
        if kind is CLIPModel:
            outputs.append(network.get_image_features(pixel_values=pixels).pooler_output[0].numpy())
        else:
            outputs.append(network(pixel_values=pixels).logits[0].softmax(-1).numpy())
    return outputs


def videos(*sets: np.ndarray) -> list[list[np.ndarray]]:
    """Clips of all sets as lists of frames."""
    return [list(clip) for clips in sets for clip in clips]


def halves(outputs: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Outputs for truths and for predictions, in pairs."""
    middle = len(outputs) // 2
    return list(zip(outputs[:middle], outputs[middle:], strict=True))


def plainly(truth: np.ndarray, prediction: np.ndarray, settings: Evaluate) -> dict[str, list[float]]:
    """Values of single clips (or frames) by the plain procedure, by metric."""
    generator = np.random.default_rng(0)
    values: dict[str, list[float]] = {}
    for n in WAYS:
        clips = shown(VideoMAEForVideoClassification, settings.video_classifier, videos(truth, prediction))
        values[f"video_{n}way_gt3"] = [n_way(x, y, n, 1, generator) for x, y in halves(clips)]
        found = values[f"frame_{n}way_gt3"] = []
        for f in range(truth.shape[1]):
            single = [*truth[:, f], *prediction[:, f]]
            frames = shown(ViTForImageClassification, settings.frame_classifier, single)
            found += [n_way(x, y, n, 1, generator) for x, y in halves(frames)]
    values["clip_allpairs"] = []
    for clip in prediction:
        embeddings = np.stack(shown(CLIPModel, settings.clip, list(clip)))
        values["clip_allpairs"].append(clip_allpairs(embeddings))
    values["ssim_columns"] = [ssim_columns(x, y) for x, y in zip(truth, prediction, strict=True)]
    values["psnr"] = [psnr(x, y) for x, y in zip(truth, prediction, strict=True)]
    return values


def ours(
    truth: np.ndarray, prediction: np.ndarray, times: np.ndarray, ids: list[str], settings: Evaluate
) -> dict[str, float]:
    """All values of both protocols, each with interval and null distribution, by metric."""
    true, decoded = (
        Videos(frames, times, **describe_videos(frames, settings, CPU, torch.float32)[0])
        for frames in (truth, prediction)
    )
    drawn = resamples(ids, settings)
    measures = video_measures(true, decoded, ids, drawn.permutations, settings)
    return {measure.name: row(measure, drawn)["value"] for measure in measures}


def same_figures(truth: np.ndarray, prediction: np.ndarray, settings: Evaluate) -> dict[str, float]:
    """The figures of the plain procedure, and nothing else, by our functions."""
    seen = [describe_videos(frames, settings, CPU, torch.float32)[0] for frames in (truth, prediction)]
    own = np.arange(len(truth))
    values: dict[str, float] = {}
    for scope in ("video", "frame"):
        true, decoded = (features[f"{scope}_probabilities"] for features in seen)
        standing = own_standing(true, decoded, TRUTHS)
        values |= {f"{scope}_{n}way_gt3": float(standing.success(n).mean()) for n in WAYS}
    values["clip_allpairs"] = float(allpairs_cosine(seen[1]["clip"]).mean())
    values["ssim_columns"] = float(ssim(FORMS["ssim_columns"], truth, prediction, own, own).mean())
    values["psnr"] = float(fast_psnr(truth, prediction).mean())
    return values


def whole(
    truth: np.ndarray, prediction: np.ndarray, times: np.ndarray, ids: list[str], settings: Evaluate
) -> None:
    """Time and compare the whole of scoring."""
    slow, plain = timed(plainly, truth, prediction, settings)
    alone, same = timed(same_figures, truth, prediction, settings)
    fast, exact = timed(ours, truth, prediction, times, ids, settings)
    print(f"Whole scoring, {len(truth)} clips of {truth.shape[1]} frames, {truth.shape[2]} px:\n")
    print("| procedure | metrics | CPU s | ratio |")
    print("|---|---|---|---|")
    print(f"| plain | {len(plain)} | {slow:.1f} | 1 |")
    print(f"| ours, the same figures | {len(same)} | {alone:.1f} | {slow / alone:.1f} |")
    print(f"| ours, with intervals and null distributions | {len(exact)} | {fast:.1f} | {slow / fast:.1f} |")
    print("\n| metric | plain | ours | difference in standard errors of the draws |")
    print("|---|---|---|---|")
    for name, values in plain.items():
        assert np.isclose(same[name], exact[name], rtol=1e-6), name
        mean = float(np.mean(values))
        apart = f"{(mean - exact[name]) / draw_error(values):+.2f}" if "way" in name else "nothing is drawn"
        print(f"| {name} | {mean:.6f} | {exact[name]:.6f} | {apart} |")


def draw_error(success: list[float] | np.ndarray) -> float:
    """Standard error, from drawing alone, of the mean of the success of items."""
    return float(np.sqrt(np.sum(np.multiply(success, np.subtract(1, success))) / TRIALS) / len(success))


def draws(truth: np.ndarray, prediction: np.ndarray, n: int) -> list[float]:
    """N-way identification of each item by draws."""
    generator = np.random.default_rng(n)
    return [n_way(x, y, n, 1, generator) for x, y in zip(truth, prediction, strict=True)]


def closed_form(truth: np.ndarray, prediction: np.ndarray) -> dict[int, np.ndarray]:
    """N-way identification of each item in its own prediction, for both N."""
    standing = own_standing(truth, prediction, TRUTHS)
    return {n: standing.success(n) for n in WAYS}


def of_all_pairs(truth: np.ndarray, prediction: np.ndarray) -> dict[int, np.ndarray]:
    """N-way identification of each item in every prediction, mean over frames, for both N."""
    standings = all_standings(truth, prediction, TRUTHS)
    return {n: standings.success(n).mean(0) for n in WAYS}


def identifications(clips: int) -> None:
    """Time and compare N-way identification alone."""
    generator = np.random.default_rng(1)
    print(
        f"\nN-way identification alone, {clips} clips, both N, videos and {FRAMES} frames, {TRIALS} draws:\n"
    )
    drawn = [
        generator.dirichlet(np.full(VIDEO_CLASSES, 0.3), clips),
        generator.dirichlet(np.full(FRAME_CLASSES, 0.3), (clips, FRAMES)),
    ]
    noisy = [np.sqrt(p * generator.dirichlet(np.full(p.shape[-1], 0.3), p.shape[:-1])) for p in drawn]
    video, frame, noisy_video, noisy_frame = (p.astype(np.float32) for p in (*drawn, *noisy))
    slow = single = pairs = 0.0
    lines = []
    for name, x, y in zip(("video", "frame"), (video, frame), (noisy_video, noisy_frame), strict=True):
        flat = [p.reshape(-1, p.shape[-1]) for p in (x, y)]
        own_seconds, own = timed(closed_form, *flat)
        all_seconds, everything = timed(of_all_pairs, x, y)
        single, pairs = single + own_seconds, pairs + all_seconds
        for n in WAYS:
            assert np.isclose(own[n].mean(), everything[n].diagonal().mean())
            seconds, drawn = timed(draws, *flat, n)
            slow += seconds
            apart = (np.mean(drawn) - own[n].mean()) / draw_error(own[n])
            lines.append(f"| {name} {n}-way | {np.mean(drawn):.5f} | {own[n].mean():.5f} | {apart:+.2f} |")
    print("| procedure | CPU s | ratio |\n|---|---|---|")
    print(f"| {TRIALS} draws for each clip and frame | {slow:.2f} | 1 |")
    print(f"| closed form, each clip's own truth | {single:.3f} | {slow / single:.0f} |")
    print(
        f"| closed form, all {clips**2} pairs, for the null distribution too | {pairs:.2f} | {slow / pairs:.0f} |"
    )
    print(
        "\n| metric | draws | closed form | difference in standard errors of the draws |\n|---|---|---|---|"
    )
    print("\n".join(lines))


def main(
    *,
    subject: str,
    variant: str = "ours",
    config: Path = Path("config/config.yaml"),
    clips: int = PAPER_CLIPS,
) -> None:
    """Time scoring.

    Parameters
    ----------
    subject, variant
        Whose videos.
    config
        Configuration of the results.
    clips
        Clips of the comparison of N-way identification alone.
    """
    torch.set_num_threads(1)
    chosen = load(yaml.safe_load(config.read_text()))
    results = Path("results") / chosen.study.name
    reconstructed = results / "reconstruct" / variant / subject / "videos.safetensors"
    runs = read_runs(Path(chosen.study.runs), chosen.study)
    movies = runs.loc[runs["split"] == "test", "movie"].unique()
    frames = [results / "cut" / movie / "frames.safetensors" for movie in movies]
    times, ids = wanted_times(frames)
    truth, _ = gather(frames, "frames", ids)
    prediction, _ = predicted_frames(reconstructed, ids, times)
    whole(truth, prediction, times, ids, chosen.evaluate)
    identifications(clips)


if __name__ == "__main__":
    run(main)
