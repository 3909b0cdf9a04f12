"""How long Snakemake plans a large study, with how much memory, and how many files the study makes.

    python benchmarks/scale.py --measured results/simulated

30 subjects, 86 runs each (18 training movies twice, 5 test movies ten times) and 5 variants, as files on disk; nothing
but empty files lies there, and nothing is run: `snakemake -n`. Bytes are those of the finished study `--measured`, in
proportion to what a stage's files hold (clips, clips of each run, models, reconstructed clips).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from cyclopts import run

from neurons.artifacts import read_table

ROOT = Path(__file__).parents[1]
FILES_PER_CLIP = 8  # what neurons/reconstruct/clip_folders.py writes
ANNOTATION_FILES = ("captions.tsv", "instances.tsv", "masks.safetensors")
# In a process of its own: the largest memory of a child counts what its parent held when it was started.
MEASURED = """
import json, resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""


def run_table(subjects: int, train: int, test: int) -> pd.DataFrame:
    """Two showings of each training movie and ten of each test movie, for each subject."""
    showings = [(f"seg{i}", "train", repeat) for i in range(1, train + 1) for repeat in (1, 2)]
    showings += [(f"test{i}", "test", repeat) for i in range(1, test + 1) for repeat in range(1, 11)]
    return pd.DataFrame(
        {
            "subject": f"sub{subject:02d}",
            "split": split,
            "movie": movie,
            "repeat": repeat,
            "bold": f"sub{subject:02d}/{movie}_{repeat}.dtseries.nii",
            "stimulus": f"stimuli/{movie}.mp4",
            "onset_s": 2.0,
        }
        for subject in range(1, subjects + 1)
        for movie, split, repeat in showings
    )


def prepare(folder: Path, table: pd.DataFrame, variants: int) -> Path:
    """A workflow in `folder` whose inputs are empty files; the configuration file."""
    for name in ("neurons", "resources", "rules", "envs", "workflow", "config"):
        (folder / name).symlink_to(ROOT / name)
    paths = {*table["bold"], *table["stimulus"]}
    paths |= {f"annotations/{movie}_{name}" for movie in set(table["movie"]) for name in ANNOTATION_FILES}
    for path in paths:
        target = folder / "data" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    table.to_csv(folder / "runs.tsv", sep="\t", index=False)
    config: dict[str, dict[str, Any]] = {
        "study": {"name": "large", "source": "files", "root": "data", "runs": "runs.tsv"},
        "annotate": {"folder": "data/annotations"},
        "variants": {f"variant{number}": {"pretrain": {"seed": number}} for number in range(variants)},
    }
    # Only the variants named here: the default configuration's own would be merged in.
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    merged = {
        **default,
        "study": {**default["study"], **config["study"]},
        "annotate": config["annotate"],
        "variants": config["variants"],
        "interpret": {**default["interpret"], "variants": ["variant0"]},
    }
    path = folder / "large.yaml"
    path.write_text(yaml.safe_dump(merged))
    return path


def measure(folder: Path, config: Path) -> tuple[float, float, str]:
    """Seconds, largest memory in MB, and the summary of outputs of the planned study."""
    command = [sys.executable, "-m", "snakemake", "--replace-workflow-config", "--configfile", str(config)]
    planned = subprocess.run(
        [sys.executable, "-c", MEASURED, *command, "-n", "--quiet", "all"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    if planned.returncode:
        raise RuntimeError(f"snakemake -n ended with an error:\n{planned.stdout}{planned.stderr}")
    seconds, cpu_s, memory = json.loads(planned.stdout.splitlines()[-1])
    print(f"{seconds:.1f} s on the clock, {cpu_s:.1f} s of CPU")
    summary = subprocess.run(
        [*command, "--summary"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    return seconds, memory, summary


@dataclass(frozen=True)
class Size:
    """Numbers that a study's bytes follow from: clips of all movies, of test movies, and of all runs together."""

    subjects: int
    variants: int
    clips: int
    test_clips: int
    run_clips: int

    def units(self) -> dict[str, int]:
        """How many times the smallest piece of a stage's files is there."""
        trained = self.subjects * self.variants
        per_clip = dict.fromkeys(("cut", "annotate", "embed"), self.clips)
        return per_clip | {
            "preprocess": self.run_clips,
            "pretrain": trained,
            "decouple": trained,
            "reconstruct": (trained + 1) * self.test_clips,
            "evaluate": (trained + self.subjects + 2) * self.test_clips,
        }


def size_of(study: Path) -> Size:
    """The size of a finished study, from its results."""
    clips = {path.parent.name: len(read_table(path)) for path in study.glob("cut/*/clips.tsv")}
    test = {path.parent.name for path in study.glob("cut/*/playback.safetensors")}
    runs = [path.stem.rpartition("_")[0] for path in study.glob("preprocess/*/runs/*.safetensors")]
    return Size(
        len(list(study.glob("preprocess/*/train.safetensors"))),
        len({path.parents[1].name for path in study.glob("pretrain/*/*/model.safetensors")}),
        sum(clips.values()),
        sum(clips[movie] for movie in test),
        sum(clips[movie] for movie in runs),
    )


def bytes_per_unit(study: Path) -> dict[str, float]:
    """Bytes of each stage of a finished study, per unit."""
    return {
        stage: sum(path.stat().st_size for path in (study / stage).rglob("*") if path.is_file()) / units
        for stage, units in size_of(study).units().items()
    }


def main(
    *,
    subjects: int = 30,
    train_movies: int = 18,
    test_movies: int = 5,
    variants: int = 5,
    clips: int = 240,
    measured: Path | None = None,
) -> None:
    """Print the figures.

    Parameters
    ----------
    subjects, train_movies, test_movies, variants
        Size of the study.
    clips
        Clips per movie (8 minutes have 240).
    measured
        Results of a finished study, to give bytes as well.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = run_table(subjects, train_movies, test_movies)
        seconds, memory, summary = measure(folder, prepare(folder, table, variants))
    lines = [line.split("\t") for line in summary.splitlines() if line.startswith("results/")]
    stages = Counter(line[2].partition("_")[0] for line in lines)
    print(
        f"{subjects} subjects, {len(table)} runs, {variants} variants: planned in {seconds:.1f} s, {memory:.0f} MB"
    )
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    movies = train_movies + test_movies
    size = Size(subjects, variants, movies * clips, test_movies * clips, len(table) * clips)
    each = bytes_per_unit(measured) if measured else {}
    print("| stage | declared files | GB |\n|---|---|---|")
    for stage, count in stages.items():
        known = stage in each
        print(
            f"| {stage} | {count} | {each[stage] * size.units()[stage] / 1e9:.1f} |"
            if known
            else f"| {stage} | {count} | |"
        )
    print(f"| all | {len(lines)} | |")
    print(f"files in the folders of reconstructed clips: {FILES_PER_CLIP * size.units()['reconstruct']}")


if __name__ == "__main__":
    run(main)
