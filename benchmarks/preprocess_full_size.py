"""Time and memory of `preprocess` and `cut` at the size of the real study, against bounds and against the plain way.

    python benchmarks/preprocess_full_size.py --folder /tmp/full_size --runs 86

Writes runs of 245 volumes x 91,282 grayordinates (89 MB each; 86 are one subject of cc2017) and preprocesses them one after
the other with the steps that the workflow calls, each as its own call in one process. Prints the time of reading the files
once and of the arithmetic alone on arrays in memory (the stricter bound), of hashing files and responses and of writing the
responses (which with the former make what cannot be left out), the time of the steps and the largest memory of each. The
plain way loads runs with nibabel and cleans them with `nilearn.signal.clean`, on `plain_runs` of them. Then a movie is cut:
one sequential decode, against one call of FFmpeg per clip. Needs 14 GB of disk, deleted at the end unless `--keep`.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import imageio_ffmpeg
import nibabel
import numpy as np
import pandas as pd
from cyclopts import run as cli

from neurons.artifacts import hash_bytes, provenance, write_table, write_tensors
from neurons.cut import steps as cut
from neurons.cut.settings import Cut
from neurons.preprocess import alignment_steps, atlas, selection_steps, steps
from neurons.preprocess.cc2017 import MOVIES, REPEATS, expected_volumes, onset_s
from neurons.preprocess.locations import cortex_locations
from neurons.preprocess.responses import clip_responses
from neurons.preprocess.settings import Preprocess
from neurons.preprocess.timing import Timing, clip_weights
from neurons.simulate.cortex import dense_series

CLIPS = 240
RESPONSIVE = 8000
FRAME_SIZE_PX = 224


def names(runs: int) -> list[tuple[str, int]]:
    """Movie and repeat of each run, in the order of cc2017; of fewer runs the first ones, two repeats per movie."""
    every = [(movie, repeat) for movie, split in MOVIES.items() for repeat in range(1, REPEATS[split] + 1)]
    if runs >= len(every):
        return every
    training, test = every[: runs - 4], [(f"test{movie}", repeat) for movie in (1, 2) for repeat in (1, 2)]
    return training + test


def write_runs(folder: Path, runs: list[tuple[str, int]]) -> None:
    """Runs of noise with a response to the movie in some vertices."""
    random = np.random.default_rng(0)
    base = random.standard_normal((246, atlas.GRAYORDINATES), dtype=np.float32)
    for number, (movie, repeat) in enumerate(runs):
        volumes = expected_volumes(movie)
        data = np.roll(base, (3 * number + 1, 1009 * number), axis=(0, 1))[:volumes] * 100 + 10_000
        course = np.random.default_rng(sum(movie.encode())).standard_normal((CLIPS, 1), dtype=np.float32)
        first = round((4 - onset_s(movie)) / 2)
        data[first : first + CLIPS, :RESPONSIVE] += 80 * course
        dense_series(data, 2.0).to_filename(folder / f"{movie}_{repeat}.dtseries.nii")


def measured(step: Callable[..., None], *arguments: object) -> tuple[float, float, float]:
    """Seconds by the clock and of CPU, and largest memory (GB), of a call in a fresh process."""
    context = get_context("fork")
    parent, child = context.Pipe()

    def work() -> None:
        start = time.perf_counter()
        step(*arguments)
        elapsed, own = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF)
        others = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = sum(usage.ru_utime + usage.ru_stime for usage in (own, others))
        child.send((elapsed, cpu, own.ru_maxrss / 1e6))

    process = context.Process(target=work)
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"{step.__name__} failed")
    return parent.recv()


def read_files(folder: Path, runs: list[tuple[str, int]]) -> None:
    """Read the bytes of all runs once."""
    for movie, repeat in runs:
        with (folder / f"{movie}_{repeat}.dtseries.nii").open("rb") as stream:
            while stream.read(1 << 22):
                pass


def arithmetic(folder: Path, runs: list[tuple[str, int]]) -> None:
    """What is computed, on one array in memory, as often as there are runs."""
    random = np.random.default_rng(0)
    series = 10_000 + 100 * random.standard_normal((245, atlas.CORTEX), dtype=np.float32)
    weights = clip_weights(Timing(CLIPS, 2.0, 2.0, 2.0), 4.0, 245)
    for _ in runs:
        clip_responses(series, weights, 4)


def hashing(folder: Path, runs: list[tuple[str, int]]) -> None:
    """The identities of a run and of its responses, on arrays in memory, as often as there are runs."""
    run, responses = (
        np.ones(values, np.float32).data for values in (245 * atlas.GRAYORDINATES, CLIPS * atlas.CORTEX)
    )
    for _ in runs:
        hash_bytes(run)
        hash_bytes(responses)


def writing(folder: Path, runs: list[tuple[str, int]]) -> None:
    """Write a new file of as many bytes as responses have for every run."""
    responses = np.ones((CLIPS, atlas.CORTEX), np.float32).data
    for movie, repeat in runs:
        (folder / f"{movie}_{repeat}.bytes").write_bytes(responses)


def each_run(folder: Path, runs: list[tuple[str, int]]) -> None:
    """`preprocess run` on every run."""
    for movie, repeat in runs:
        steps.run(
            bold=folder / f"{movie}_{repeat}.dtseries.nii",
            subject="subject1",
            movie=movie,
            repeat=repeat,
            clips=folder / f"{movie}.tsv",
            locations=folder / "locations.parquet",
            onset_s=onset_s(movie),
            clip_s=2.0,
            repetition_time_s=2.0,
            tail_s=12.0,
            settings=Preprocess(),
            responses=folder / f"{movie}_{repeat}.safetensors",
        )


BOUNDS = (read_files, arithmetic, hashing, writing)
"""What `preprocess run` cannot do without: the first two alone make the stricter bound."""


def paths(folder: Path, runs: list[tuple[str, int]], split: str) -> list[Path]:
    """Preprocessed runs of a split."""
    return [folder / f"{movie}_{repeat}.safetensors" for movie, repeat in runs if MOVIES[movie] == split]


def frames(folder: Path, runs: list[tuple[str, int]], split: str | None = None) -> list[Path]:
    """Frames of the movies."""
    movies = dict.fromkeys(movie for movie, _ in runs if split in (None, MOVIES[movie]))
    return [folder / f"{movie}_frames.safetensors" for movie in movies]


def select(folder: Path, runs: list[tuple[str, int]]) -> None:
    """`preprocess select`."""
    selection_steps.select(
        subject="subject1",
        runs=paths(folder, runs, "train"),
        frames=frames(folder, runs, "train"),
        locations=folder / "locations.parquet",
        settings=Preprocess(selection={"fallback_top": RESPONSIVE}),
        selection=folder / "selection.parquet",
    )


def align(folder: Path, runs: list[tuple[str, int]]) -> None:
    """`preprocess alignment`, of both splits."""
    for split in ("train", "test"):
        alignment_steps.alignment(
            subject="subject1",
            split=split,
            train_runs=paths(folder, runs, "train"),
            test_runs=paths(folder, runs, "test") if split == "test" else None,
            frames=frames(folder, runs),
            selection=folder / "selection.parquet",
            clip_s=2.0,
            settings=Preprocess(),
            table=folder / f"alignment_{split}.tsv",
        )


def gather(folder: Path, runs: list[tuple[str, int]]) -> None:
    """`preprocess gather-train` and `preprocess gather-test`."""
    selection = folder / "selection.parquet"
    steps.gather_train(
        subject="subject1",
        runs=paths(folder, runs, "train"),
        selection=selection,
        alignment=folder / "alignment_train.tsv",
        action="warn",
        responses=folder / "train.safetensors",
    )
    steps.gather_test(
        subject="subject1",
        runs=paths(folder, runs, "test"),
        train_runs=paths(folder, runs, "train"),
        selection=selection,
        alignment=folder / "alignment_test.tsv",
        action="warn",
        responses=folder / "test.safetensors",
    )


def quality(folder: Path, runs: list[tuple[str, int]]) -> None:
    """`preprocess quality`."""
    selection_steps.quality(
        subject="subject1",
        runs=paths(folder, runs, "train") + paths(folder, runs, "test"),
        selection=folder / "selection.parquet",
        alignment=[folder / f"alignment_{split}.tsv" for split in ("train", "test")],
        locations=folder / "locations.parquet",
        table=folder / "quality.tsv",
        areas=folder / "areas.tsv",
        summary=folder / "quality.json",
        picture=folder / "quality.png",
    )


def plain(folder: Path, runs: list[tuple[str, int]]) -> None:
    """Load all runs, clean each with nilearn, and keep everything."""
    from nilearn.signal import clean

    loaded = [nibabel.load(folder / f"{movie}_{repeat}.dtseries.nii").get_fdata() for movie, repeat in runs]
    cleaned = []
    for (movie, _), data in zip(runs, loaded, strict=True):
        first = round((4 - onset_s(movie)) / 2)
        kept = data[first : first + CLIPS, : atlas.CORTEX]
        powers = np.vander(np.linspace(-1, 1, CLIPS), 5)[:, :-1]
        cleaned.append(clean(kept, detrend=False, confounds=powers, standardize="zscore_sample"))
    np.stack(cleaned)


def prepare(folder: Path, runs: list[tuple[str, int]]) -> None:
    """What the steps read beside runs."""
    random = np.random.default_rng(1)
    write_table(folder / "locations.parquet", cortex_locations(), provenance("preprocess locations", {}))
    for movie in dict.fromkeys(movie for movie, _ in runs):
        identities = [f"{movie}:{index}" for index in range(CLIPS)]
        write_table(folder / f"{movie}.tsv", pd.DataFrame({"clip": identities}), provenance("cut clips", {}))
        pictures = random.integers(0, 256, (CLIPS, 6, 56, 56, 3), np.uint8)
        write_tensors(
            folder / f"{movie}_frames.safetensors",
            {"frames": pictures},
            provenance("cut clips", {}),
            identities,
        )


def write_movie(path: Path, seconds: int, size: str) -> None:
    """A moving test picture at 30 frames per second."""
    source = ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate=30:duration={seconds}"]
    encoder = ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([ffmpeg, "-v", "error", "-y", *source, *encoder, str(path)], check=True)


def cut_once(path: Path, seconds: int) -> None:
    """`cut clips`."""
    cut.clips(
        movie="seg1",
        video=path,
        clip_s=2.0,
        settings=Cut(frame_size_px=FRAME_SIZE_PX),
        frames=path.with_suffix(".safetensors"),
        clips=path.with_suffix(".tsv"),
        facts=path.with_suffix(".json"),
    )


def cut_by_clip(path: Path, seconds: int) -> None:
    """One call of FFmpeg per clip."""
    ffmpeg, size = imageio_ffmpeg.get_ffmpeg_exe(), f"{FRAME_SIZE_PX}:{FRAME_SIZE_PX}"
    for start in range(0, seconds, 2):
        command = [
            ffmpeg, "-v", "error", "-threads", "1", "-i", str(path), "-ss", str(start), "-t", "2",
            "-vf", f"fps=3,scale={size}", "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
        ]  # fmt: skip
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def main(
    *,
    folder: Path = Path("full_size"),
    runs: int = 86,
    plain_runs: int = 6,
    movie_s: int = 480,
    plain_movie_s: int = 60,
    size: str = "1280x720",
    keep: bool = False,
) -> None:
    """Measure and print.

    Parameters
    ----------
    folder
        Where files are written.
    runs
        Runs of 245 or 246 volumes; 86 are one subject.
    plain_runs
        Runs that the plain way loads (12 GB for all 86 in double precision, twice).
    movie_s, plain_movie_s
        Length of the movie that is cut, and of the one that is cut by one call per clip, in s.
    size
        Width and height of the movies.
    keep
        Do not delete the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    chosen = names(runs)
    write_runs(folder, chosen)
    prepare(folder, chosen)
    print(
        f"{len(chosen)} runs, {sum((folder / f'{m}_{r}.dtseries.nii').stat().st_size for m, r in chosen) / 1e9:.2f} GB"
    )
    print(f"{'what':34s} {'s':>8s} {'CPU s':>8s} {'CPU s per run':>14s} {'memory, GB':>11s}")
    cpu_s: dict[str, float] = {}
    for step in (*BOUNDS, each_run, select, align, gather, quality):
        seconds, cpu, memory = measured(step, folder, chosen)
        cpu_s[step.__name__] = cpu
        for path in folder.glob("*.bytes"):
            path.unlink()
        print(
            f"{step.__name__:34s} {seconds:8.1f} {cpu:8.1f} {cpu / len(chosen):14.3f} {memory:11.2f}",
            flush=True,
        )
    for names_of in (BOUNDS[:2], BOUNDS):
        bound = sum(cpu_s[step.__name__] for step in names_of)
        label = " + ".join(step.__name__ for step in names_of)
        print(
            f"each_run takes {cpu_s['each_run'] / bound:.2f} times {label} ({bound / len(chosen):.3f} CPU s per run)"
        )
    few = chosen[:plain_runs]
    seconds, cpu, memory = measured(plain, folder, few)
    print(f"{f'plain, {len(few)} runs':34s} {seconds:8.1f} {cpu:8.1f} {cpu / len(few):14.3f} {memory:11.2f}")
    ways: list[tuple[Callable[[Path, int], None], int]] = [(cut_once, movie_s), (cut_by_clip, plain_movie_s)]
    for cut_movie, length in ways:
        path = folder / f"movie{length}.mp4"
        write_movie(path, length, size)
        seconds, cpu, memory = measured(cut_movie, path, length)
        print(
            f"{cut_movie.__name__:14s} {size:9s} {length} s of movie: {seconds:.1f} s, {cpu:.1f} CPU s, "
            f"{length / cpu:.1f} x real time per core, {memory:.2f} GB"
        )
    if not keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    cli(main)
