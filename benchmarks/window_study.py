"""How much the volumes around the lagged one give (`pretrain.window_tr`), by noise and by length of scenes.

    python benchmarks/window_study.py

Movies of the simulated world with scenes of a stated length are seen by the simulated brain (its forward model: features
of the picture and of the scene, double-gamma response, autocorrelated noise), paired with clips as `preprocess` does, and
decoded by the ridge of `pretrain` from windows of `pretrain.window`. Targets are what the scene at the middle of a clip is
about: kind, colour, place and motion of the main item; the answer with the highest prediction counts. Training: single
repeats, penalties by leaving out movies. Test: other movies, mean over two repeats. Prints the share of attributes that is
named correctly, with the range over seeds, and what a lag costs at paper scale.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from cyclopts import run

from neurons.artifacts import clip_id, seed_for
from neurons.preprocess.timing import Timing, clip_courses, clip_weights
from neurons.pretrain.kernel import better_of, fit_with_kernel, learn_kernel
from neurons.pretrain.ridge import RidgeFit, fit_ridge
from neurons.pretrain.window import repeat_windows, window_positions
from neurons.simulate.brain import simulate_brain
from neurons.simulate.cortex import load_cortex
from neurons.simulate.haemodynamics import n_volumes
from neurons.simulate.movies import TimedScene, draw_combinations, scene_at
from neurons.simulate.runs import autocorrelated_noise, evoked_response
from neurons.simulate.vocabulary import COLOURS, MOTIONS, OBJECTS, PLACES
from neurons.simulate.world import sample_scene

MOVIE_S, CLIP_S, DELAY_S, REPEATS, TEST_MOVIES = 96.0, 2.0, 4.0, 2, 4
LENGTHS_S = {"2 s": (2.0, 2.0), "2-8 s": (2.0, 8.0), "8 s": (8.0, 8.0)}
SIGNALS = (0.25, 0.5, 1.0)
WINDOWS = ([0], [0, 1], [-1, 0, 1], [-2, -1, 0, 1, 2])
KERNEL_LAGS = [-1, 0, 1]
WORDS = {"kind": tuple(OBJECTS), "colour": tuple(COLOURS), "place": tuple(PLACES), "motion": tuple(MOTIONS)}
PAPER = {"vertices": 13_447, "hidden": 4096, "samples": 8640}


@dataclass(frozen=True)
class Study:
    """Evoked responses (clips, vertices) before noise, and the numbers of the attributes (clips, 4), of several movies."""

    ids: list[str]
    evoked: np.ndarray
    attributes: np.ndarray


def timeline(rng: np.random.Generator, shortest_s: float, longest_s: float) -> list[TimedScene]:
    """Scenes back to back; the first begins at random, so that cuts do not lie on the borders of clips."""
    scenes: list[TimedScene] = []
    combinations = iter(draw_combinations(rng, "train", int(MOVIE_S)))
    start = -float(rng.uniform(0.2, min(1.8, shortest_s)))
    while start < MOVIE_S:
        scene = sample_scene(rng, next(combinations), float(rng.uniform(shortest_s, longest_s)))
        scenes.append(TimedScene(start, scene))
        start += scene.duration_s
    return scenes


def attributes_at(scenes: list[TimedScene], time_s: float) -> list[int]:
    """Numbers of kind, colour, place and motion of the scene shown."""
    scene = scene_at(scenes, time_s).scene
    said = (scene.main.kind, scene.main.colour, scene.place, scene.main.motion)
    return [words.index(word) for words, word in zip(WORDS.values(), said, strict=True)]


def make_study(seed: int, movies: int, length_s: tuple[float, float], vertices: int) -> Study:
    """Movies seen by a simulated brain, of which vertices that respond are kept."""
    brain = simulate_brain(seed, "subject1", 1.0, load_cortex())
    rng = np.random.default_rng(seed_for(seed, "window study", str(length_s)))
    kept = np.sort(rng.choice(np.flatnonzero(brain["signal"] > 0), vertices, replace=False))
    clips = round(MOVIE_S / CLIP_S)
    volumes = n_volumes(MOVIE_S, 0.0, CLIP_S)
    weights = clip_weights(Timing(clips, CLIP_S, CLIP_S, 0.0, 12.0), DELAY_S, volumes)
    ids, evoked, attributes = [], [], []
    for number in range(movies):
        scenes = timeline(rng, *length_s)
        courses = evoked_response(scenes, MOVIE_S, brain.iloc[kept], 0.0, CLIP_S)
        evoked.append(clip_courses(courses.T, weights).T)
        ids += [clip_id(f"seg{number}", clip) for clip in range(clips)]
        attributes += [attributes_at(scenes, (clip + 0.5) * CLIP_S) for clip in range(clips)]
    return Study(ids, np.concatenate(evoked), np.array(attributes))


def measured(study: Study, signal: float, seed: int) -> torch.Tensor:
    """Repeats with noise, z-scored within runs, (clips, repeats, vertices)."""
    rng = np.random.default_rng(seed_for(seed, "noise"))
    clips = round(MOVIE_S / CLIP_S)
    runs = []
    for movie in np.split(study.evoked, len(study.evoked) // clips):
        noisy = [signal * movie + autocorrelated_noise(rng, clips, movie.shape[1]) for _ in range(REPEATS)]
        runs.append(np.stack([(run - run.mean(axis=0)) / run.std(axis=0) for run in noisy], axis=1))
    return torch.from_numpy(np.concatenate(runs).astype(np.float32))


def windows_of(study: Study, responses: torch.Tensor, lags: list[int]) -> torch.Tensor:
    """Windows of all clips and repeats, (clips, repeats, lags, vertices)."""
    positions = torch.from_numpy(window_positions(study.ids, study.ids, lags, "study"))
    return torch.stack(
        [
            repeat_windows(responses, torch.full((len(positions),), repeat), positions)
            for repeat in range(REPEATS)
        ],
        dim=1,
    )


@dataclass(frozen=True)
class Decoding:
    """Ridge from features of clips and repeats (clips, repeats, features) to attributes; the last movies are for testing."""

    study: Study

    @property
    def split(self) -> int:
        """Number of training clips."""
        return len(self.study.ids) - TEST_MOVIES * round(MOVIE_S / CLIP_S)

    @property
    def movies(self) -> np.ndarray:
        """Number of each training clip's movie."""
        return np.arange(self.split) // round(MOVIE_S / CLIP_S)

    @cached_property
    def targets(self) -> torch.Tensor:
        """Which words the training clips' attributes are."""
        attributes = self.study.attributes[: self.split]
        hot = [np.eye(len(words))[attributes[:, i]] for i, words in enumerate(WORDS.values())]
        return torch.from_numpy(np.concatenate(hot, axis=1).astype(np.float32))

    def kernel(self, windows: torch.Tensor, lags: list[int]) -> torch.Tensor:
        """Weights of the volumes of windows (clips, repeats, lags, vertices)."""
        mean = windows[: self.split].mean(dim=1)
        return learn_kernel(mean, self.targets - self.targets.mean(dim=0), self.movies, lags)

    def free(self, windows: torch.Tensor) -> RidgeFit:
        """A ridge per volume."""
        samples, targets, groups = self._samples(windows)
        return fit_ridge(samples.flatten(1), targets, groups)

    def weighted(self, windows: torch.Tensor, kernel: torch.Tensor) -> RidgeFit:
        """One ridge from the weighted sum of the volumes."""
        return fit_with_kernel(*self._samples(windows), kernel)

    def _samples(self, windows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
        centred = (self.targets - self.targets.mean(dim=0)).repeat_interleave(REPEATS, dim=0)
        return windows[: self.split].flatten(0, 1), centred, np.repeat(self.movies, REPEATS)

    def accuracy(self, windows: torch.Tensor, ridge: RidgeFit) -> float:
        """Share of the test clips' attributes that are named."""
        mean = windows[self.split :].mean(dim=1).flatten(1)
        predicted = (mean @ ridge.weights + self.targets.mean(dim=0)).numpy()
        ends = np.cumsum([len(words) for words in WORDS.values()])
        named = [part.argmax(axis=1) for part in np.split(predicted, ends[:-1], axis=1)]
        return float((np.stack(named, axis=1) == self.study.attributes[self.split :]).mean())


def cell(values: list[float]) -> str:
    """Mean and range over seeds."""
    return f"{np.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})"


def main(*, seeds: int = 2, movies: int = 18, vertices: int = 2000) -> None:
    """Print the share of named attributes for every length of scenes, signal and window.

    Parameters
    ----------
    seeds
        Brains, movies and noise are drawn this often.
    movies
        Of 96 s each; four are for testing.
    vertices
        Responsive vertices that are decoded from.
    """
    torch.set_num_threads(1)
    chance = np.mean([1 / len(words) for words in WORDS.values()])
    print(f"chance {chance:.3f}; {movies - TEST_MOVIES} training movies, {vertices} vertices, {seeds} seeds")
    columns = [*map(str, WINDOWS), f"{KERNEL_LAGS}, kernel", f"{KERNEL_LAGS}, best", "kernels"]
    print("| scenes | signal (median inter-repeat r) | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for name, length in LENGTHS_S.items():
        studies = [make_study(seed, movies, length, vertices) for seed in range(seeds)]
        for signal in SIGNALS:
            noisy = [measured(study, signal, seed) for seed, study in enumerate(studies)]
            agreement = np.mean([float((r[:, 0] * r[:, 1]).mean(dim=0).median()) for r in noisy])
            decodings = list(zip(map(Decoding, studies), noisy, strict=True))
            cells = []
            for lags in WINDOWS:
                free = [(d, windows_of(d.study, r, lags)) for d, r in decodings]
                cells.append(cell([d.accuracy(w, d.free(w)) for d, w in free]))
            of_three = [(d, windows_of(d.study, r, KERNEL_LAGS)) for d, r in decodings]
            kernels = [d.kernel(w, KERNEL_LAGS) for d, w in of_three]
            weighted = [d.weighted(w, kernel) for (d, w), kernel in zip(of_three, kernels, strict=True)]
            best = [better_of(d.free(w), fit) for (d, w), fit in zip(of_three, weighted, strict=True)]
            for fits in (weighted, best):
                cells.append(cell([d.accuracy(w, fit) for (d, w), fit in zip(of_three, fits, strict=True)]))
            cells.append(
                "; ".join(", ".join(f"{weight:g}" for weight in kernel.tolist()) for kernel in kernels)
            )
            print(f"| {name} | {signal:g} ({agreement:.3f}) | {' | '.join(cells)} |", flush=True)
    weights = PAPER["vertices"] * PAPER["hidden"]
    windows = PAPER["samples"] * PAPER["vertices"] * 4
    print(
        f"per lag at paper scale: {weights / 1e6:.1f} million weights ({4 * weights / 1e6:.0f} MB in fp32; four times "
        f"that with gradient and optimiser if the ridge is trained); all windows of {PAPER['samples']} samples "
        f"{windows / 1e6:.0f} MB; inner products of the closed form {8 * PAPER['samples'] ** 2 / 1e6:.0f} MB, whatever "
        "the lags"
    )


if __name__ == "__main__":
    run(main)
